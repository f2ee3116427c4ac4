#include "app/worker/worker.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "app/console/errors.h"
#include "app/console/event_observer.h"
#include "app/console/signals.h"
#include "app/job/model.h"
#include "app/job/reencode.h"
#include "app/settings/text.h"
#include "app/worker/live_control.h"
#include "app/worker/models.h"
#include "app/worker/protocol.h"
#include "pipeline/device_memory.h"

namespace app {
namespace {

using base::ErrorCode;
using nlohmann::json;

constexpr size_t kMostLine = 16 << 20;

// A job from its command to its end.
struct Task {
  Task(json task_id, RenderCommand render, EventWriter& out, PreviewFiles& previews)
      : id(std::move(task_id)),
        command(std::move(render)),
        events(id,
               [this, &out](const json& event) {
                 out.Write(event);
                 if (out.broken()) events.Cancel();  // nobody wants to know
               }),
        live(&events, command.preview ? &previews : nullptr, command.maps) {}

  void Cancel() {
    commanded = true;
    events.Cancel();
    live.Wake();
  }

  json id;
  RenderCommand command;
  EventObserver events;
  LiveControl live;
  std::atomic<bool> commanded{false};  // its cancel came as a command, not as a signal
};

using TaskPtr = std::shared_ptr<Task>;

std::string OneLine(const std::string& text) { return Join(Split(Trim(text), '\n'), "; "); }

// Says how a task failed; for use in a catch block.
Failure Report(Task& task) {
  Failure failure = CurrentFailure();
  failure.message = OneLine(failure.message);
  task.events.Failed(CauseName(failure.code), failure.message);
  return failure;
}

// Writes files of jobs whose frames are there, one job after another, in a thread of its own.
class Writer {
 public:
  explicit Writer(std::function<void(const TaskPtr&)> finished)
      : finished_(std::move(finished)), thread_([this] { Run(); }) {}
  ~Writer() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  // Waits until the job before is written: frames of two at most are in memory.
  void Add(TaskPtr task, Rendered rendered) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !task_; });
    task_ = std::move(task);
    rendered_ = std::move(rendered);
    changed_.notify_all();
  }

  void WaitUntilIdle() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !task_; });
  }

 private:
  void Run() {
    for (;;) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return task_ || ending_; });
      if (!task_) return;
      lock.unlock();
      try {
        task_->events.set_result({{"device", rendered_.device}, {"peak_memory_bytes", rendered_.peak_memory_bytes}});
        WriteRendered(rendered_, task_->events);
      } catch (...) {
        Report(*task_);
      }
      finished_(task_);
      lock.lock();
      rendered_ = {};
      task_ = nullptr;
      changed_.notify_all();
    }
  }

  std::function<void(const TaskPtr&)> finished_;
  std::mutex mutex_;
  std::condition_variable changed_;
  TaskPtr task_;
  Rendered rendered_;
  bool ending_ = false;
  std::thread thread_;
};

class Server {
 public:
  explicit Server(const WorkerOptions& options)
      : options_(options), out_(options.out_fd), writer_([this](const TaskPtr& task) { Forget(task); }) {
    if (pipe2(wake_, O_CLOEXEC) != 0) base::Fail(ErrorCode::kIo, "no pipe: the system has no file handles left");
  }

  int Run() {
    std::thread reader([this] { Read(); });
    const int status = Serve();
    const char byte = 0;
    (void)!write(wake_[1], &byte, 1);
    reader.join();
    close(wake_[0]);
    close(wake_[1]);
    return status;
  }

 private:
  // ---- The thread that reads commands

  void Read() {
    LineSplitter lines(kMostLine);
    const int interval_ms = options_.alive_s > 0 ? static_cast<int>(options_.alive_s * 1000) : -1;
    bool open = true;
    while (true) {
      pollfd fds[2] = {{wake_[0], POLLIN, 0}, {open ? options_.in_fd : -1, POLLIN, 0}};
      const int ready = poll(fds, 2, interval_ms);
      if (ready == 0) out_.Write({{"event", "alive"}});
      if (ready <= 0) continue;
      if (fds[0].revents != 0) return;
      char buffer[65536];
      const ssize_t bytes = read(options_.in_fd, buffer, sizeof buffer);
      if (bytes < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (bytes > 0) lines.Add(buffer, static_cast<size_t>(bytes));
      while (const auto line = lines.Next()) Handle(*line);
      if (bytes > 0) continue;
      if (const auto rest = lines.Rest()) Handle(*rest);
      open = false;
      const std::lock_guard lock(mutex_);
      input_ended_ = true;
      changed_.notify_all();
    }
  }

  void Handle(const LineSplitter::Line& line) {
    ++line_number_;
    if (Trim(line.text).empty()) return;
    json id;
    WorkerCommand command;
    try {
      base::Check(!line.cut, ErrorCode::kInvalidInput, "longer than ", kMostLine >> 20, " MiB");
      command = ParseCommand(line.text, id);
      Do(command);
    } catch (const base::Error& error) {
      // Only a job that was asked for and does not come about has failed.
      const bool about_another = !command.cmd.empty() && command.cmd != "render";
      const std::string message = base::StrCat("line ", line_number_, ": ", OneLine(error.what()));
      if (about_another || Find(id) != nullptr) {
        out_.Write({{"id", id}, {"event", "notice"}, {"message", message}});
      } else {
        out_.Write(
            {{"id", id},
             {"event", "failed"},
             {"status", "failed"},
             {"error", {{"cause", "invalid_input"}, {"stage", nullptr}, {"step", nullptr}, {"message", message}}}});
      }
    }
  }

  void Do(WorkerCommand& command) {
    if (command.cmd == "quit") return Stop(true);
    TaskPtr task = Find(command.id);
    if (command.cmd == "render") {
      base::Check(task == nullptr, ErrorCode::kInvalidInput, "there is a job with id ", command.id.dump(), " already");
      task = std::make_shared<Task>(command.id, std::move(command.render), out_, previews_);
      const std::lock_guard lock(mutex_);
      base::Check(!stopping_, ErrorCode::kInvalidInput, "the worker is about to end");
      tasks_.push_back(task);
      queue_.push_back(task);
      changed_.notify_all();
      return;
    }
    base::Check(task != nullptr, ErrorCode::kInvalidInput, command.cmd, ": no job with id ", command.id.dump(),
                " is waiting or running");
    if (command.cmd == "set") {
      base::Check(task->live.Set(command.rule), ErrorCode::kInvalidInput, "set: the last step has begun");
    } else if (command.cmd == "audit") {
      base::Check(task->live.Audit(), ErrorCode::kInvalidInput, "audit: the last step has begun");
    } else if (command.cmd == "cancel") {
      CancelTask(task);
    } else {
      task->live.Pause(command.cmd == "pause");
    }
  }

  void CancelTask(const TaskPtr& task) {
    task->Cancel();
    {
      const std::lock_guard lock(mutex_);
      if (std::erase(queue_, task) == 0) return;
      tasks_.remove(task);
    }
    task->events.Failed("cancelled", "cancelled before it began");
  }

  TaskPtr Find(const json& id) {
    const std::lock_guard lock(mutex_);
    for (const TaskPtr& task : tasks_) {
      if (task->id == id) return task;
    }
    return nullptr;
  }

  // What waits is dropped; what renders is cancelled.
  void Stop(bool cancel_running) {
    std::deque<TaskPtr> dropped;
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      dropped.swap(queue_);
      for (const TaskPtr& task : dropped) tasks_.remove(task);
      if (cancel_running) {
        for (const TaskPtr& task : tasks_) task->Cancel();
      }
      changed_.notify_all();
    }
    for (const TaskPtr& task : dropped) task->events.Failed("cancelled", "cancelled before it began");
  }

  void Forget(const TaskPtr& task) {
    const std::lock_guard lock(mutex_);
    tasks_.remove(task);
  }

  // ---- The thread that renders

  int Serve() {
    while (const TaskPtr task = NextTask()) {
      const bool rendered = Render(task);
      if (!rendered) Forget(task);
    }
    // What is rendered is written, whatever ended the loop.
    pipeline::NoProgress signalled;
    const CancelOnSignal on_signal(signalled);
    writer_.WaitUntilIdle();
    if (out_.broken()) return kExitFailed;
    return signalled_ || signalled.Cancelled() ? kExitCancelled : kExitDone;
  }

  // Null at the end.
  TaskPtr NextTask() {
    pipeline::NoProgress idle;
    const CancelOnSignal on_signal(idle);
    std::unique_lock lock(mutex_);
    for (;;) {
      if (idle.Cancelled() || signalled_) {
        signalled_ = true;
        lock.unlock();
        Stop(false);
        return nullptr;
      }
      if (out_.broken() || stopping_) return nullptr;
      if (!queue_.empty()) {
        const TaskPtr task = queue_.front();
        queue_.pop_front();
        return task;
      }
      if (input_ended_) return nullptr;
      changed_.wait_for(lock, std::chrono::milliseconds(100));
    }
  }

  // Whether the task goes on in the writer.
  bool Render(const TaskPtr& task) {
    pipeline::Progress& progress = task->events;
    const CancelOnSignal on_signal(progress);
    try {
      progress.ThrowIfCancelled();
      if (!task->command.from_clip.empty()) {
        EncodeAgain(*task);
        return false;
      }
      std::optional<KeptLatents> kept;
      const Job job = Prepare(task->command, kept);
      pipeline::Pipeline& pipeline = models_.Open(job);
      std::vector<pipeline::PromptText> ahead;
      for (const auto& [text, length] : task->command.prompts_ahead) ahead.push_back({text, length});
      pipeline.WillNeed(std::move(ahead));
      task->live.set_last_step(job.settings.Int("steps") - 1);
      task->events.set_stats(&pipeline.attention_stats(), &pipeline.seconds());
      task->events.set_device_memory([device = pipeline.device_name()]() -> json {
        const auto memory = pipeline::LookAtDevice(device);
        return memory ? json{{"used_bytes", memory->used_bytes}, {"total_bytes", memory->total_bytes}} : json();
      });
      RunOptions options;
      options.live = &task->live;
      options.fresh = task->command.fresh;
      options.outputs = task->command.write;
      Rendered rendered = RenderJob(job, pipeline, kept ? &*kept : nullptr, task->events, options);
      EndLooks(*task);
      writer_.Add(task, std::move(rendered));
      return true;
    } catch (...) {
      EndLooks(*task);
      const Failure failure = Report(*task);
      if (failure.code == ErrorCode::kCancelled && !task->commanded) signalled_ = true;
      if (failure.code == ErrorCode::kOutOfMemory || failure.code == ErrorCode::kDevice) models_.Close();
      return false;
    }
  }

  void EncodeAgain(Task& task) {
    const RenderCommand& command = task.command;
    JobSource source;
    source.names = {command.name, command.variant, "", command.index};
    source.layers = {command.settings};
    source.existing_is_error = !command.replace;
    source.outputs = command.outputs;
    ForgetPeakMemory();
    const Reencoding what = PrepareReencoding(command.from_clip, source);
    task.events.set_result({{"device", "cpu"}, {"peak_memory_bytes", PeakMemoryBytes()}});
    Reencode(what, task.events);
  }

  // Nobody sees into the job from now on.
  void EndLooks(Task& task) {
    task.events.set_stats(nullptr, nullptr);
    previews_.Remove();
  }

  Job Prepare(const RenderCommand& command, std::optional<KeptLatents>& kept) {
    JobSource source;
    source.names = {command.name, command.variant, "", command.index};
    if (!command.from_latents.empty()) {
      kept = ReadKeptLatents(command.from_latents);
      source.layers.push_back(kept->job);
      source.from_latents = std::filesystem::absolute(kept->path).lexically_normal().string();
      source.goes_on = kept->checkpoint.has_value();
    }
    source.layers.push_back(command.settings);
    std::string model;
    for (const Layer& layer : source.layers) {
      const auto it = layer.find("model");
      if (it != layer.end() && it->second.value.is_string()) model = it->second.value.get<std::string>();
    }
    base::Check(!model.empty(), ErrorCode::kInvalidInput, "no model: give a folder or a name in settings.model");
    const Models::Known& known = models_.Look(FindModel(model));
    source.existing_is_error = !command.replace;
    source.model_hash = known.hash;
    source.outputs = command.outputs;
    Job job = PrepareJob(source, known.info, known.notes);
    if (kept) job.notices.insert(job.notices.end(), kept->notices.begin(), kept->notices.end());
    base::Check(command.hash.empty() || command.hash == job.hash, ErrorCode::kInvalidInput, "the job has the hash ",
                job.hash, ", not ", command.hash,
                " as it was planned: the model, or a file that the settings name, has changed since");
    for (const std::string& output : command.write) {
      const auto& all = job.files.outputs;
      base::Check(std::find(all.begin(), all.end(), output) != all.end(), ErrorCode::kInvalidInput,
                  "write: ", Quoted(output), " is none of the job's: ", Join(all, ", "));
    }
    return job;
  }

  const WorkerOptions options_;
  EventWriter out_;
  Models models_;
  PreviewFiles previews_;  // of the job that renders
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<TaskPtr> queue_;  // to be rendered
  std::list<TaskPtr> tasks_;   // those, what renders and what is written
  bool input_ended_ = false, stopping_ = false;
  bool signalled_ = false;  // only the rendering thread looks
  int64_t line_number_ = 0;
  int wake_[2] = {-1, -1};
  Writer writer_;
};

}  // namespace

int ServeWorker(const WorkerOptions& options) { return Server(options).Run(); }

}  // namespace app
