#include "app/batch/runner.h"

#include <poll.h>

#include <algorithm>
#include <set>

#include "app/settings/text.h"
#include "attention/base/error.h"

namespace app {
namespace {

using base::ErrorCode;
using nlohmann::json;

constexpr size_t kPromptsAhead = 64;
constexpr double kGraceS = 60;         // for a worker to leave a checkpoint
constexpr double kTimeoutGraceS = 10;  // the same for a job that ran out of time
constexpr int kMostDeaths = 2;
constexpr size_t kTailLines = 12;

json ErrorJSON(const std::string& cause, const std::string& message) {
  return {{"cause", cause}, {"stage", nullptr}, {"step", nullptr}, {"message", message}};
}

SessionOptions OptionsOf(const Claims& claims) {
  SessionOptions options;
  options.environment = {claims.WorkerMark()};
  return options;
}

std::string TextAt(const json& object, const char* key) {
  const json value = object.is_object() ? object.value(key, json()) : json();
  return value.is_string() ? value.get<std::string>() : "";
}

}  // namespace

Runner::Runner(const Plan& plan, const RenderOptions& options, BatchDisplay& display, pipeline::Progress& stop,
               std::function<void(const PlanEntry&)> finished)
    : plan_(plan),
      options_(options),
      display_(display),
      stop_(stop),
      finished_(std::move(finished)),
      reader_(ManifestFolder(plan, options)),
      writer_(ManifestFolder(plan, options)),
      claims_(ManifestFolder(plan, options) + "/locks"),
      session_(OptionsOf(claims_)) {
  for (const PlanEntry& entry : plan.entries) {
    Work work;
    work.entry = &entry;
    work.number = static_cast<int64_t>(works_.size()) + 1;
    work.key = ClaimKey(entry);
    works_.push_back(std::move(work));
  }
}

std::string Runner::Label(const PlanEntry& entry) const {
  return entry.name + "/" + entry.variant + (entry.index > 0 ? base::StrCat("/", entry.index) : "");
}

// On record, of this status ("": any).
int64_t Runner::Attempts(const PlanEntry& entry, const std::string& status) const {
  int64_t count = 0;
  for (const Attempt& a : reader_.Of(entry.hash)) {
    const bool same = a.name == entry.name && a.variant == entry.variant && a.index == entry.index;
    count += same && (status.empty() || a.status == status);
  }
  return count;
}

void Runner::TakeNotices() {
  for (const std::string& notice : reader_.TakeNotices()) display_.Notice(notice);
}

// What is done stays done; what is in the way is said, all of it.
void Runner::Check() {
  reader_.Refresh();
  TakeNotices();
  ErrorList errors;
  for (Work& work : works_) {
    const PlanEntry& entry = *work.entry;
    work.failed_before = Attempts(entry, "failed");
    const EntryFiles files = LookAtFiles(entry, reader_);
    if (files.recorded && !options_.force) {
      work.state = State::kDone;
      work.had = true;
      continue;
    }
    const bool may_replace = entry.At("overwrite").value == true || claims_.Look(work.key).locked;
    if (files.foreign.empty() || may_replace) continue;
    for (const std::string& path : files.foreign) {
      errors.Add(Label(entry) + ": " + path +
                 " exists already and is not of this job: choose another name, or replace " +
                 "it with --set overwrite=on");
    }
  }
  errors.ThrowIfAny();
  for (const Work& work : works_) {
    if (work.had) finished_(*work.entry);
  }
}

Runner::Count Runner::count() const {
  Count count;
  for (const Work& work : works_) {
    count.had += work.had;
    count.done += work.state == State::kDone && !work.had;
    count.failed += work.state == State::kFailed;
    count.left += work.state != State::kDone && work.state != State::kFailed;
  }
  return count;
}

void Runner::Run() {
  for (;;) {
    if (stop_.Cancelled()) return CancelAll();
    const bool began = MayBegin() && BeginNext();
    if (running_.empty() && !began) {
      const bool waits =
          std::any_of(works_.begin(), works_.end(), [](const Work& w) { return w.state == State::kElsewhere; });
      if (!waits || !MayBegin()) break;
      poll(nullptr, 0, 200);  // for what other processes render
      continue;
    }
    if (const auto event = session_.Next(0.25)) Take(*event);
    WatchTime();
  }
  writer_.Flush();
}

bool Runner::MayBegin() {
  const bool time =
      options_.time_budget_s && std::chrono::duration<double>(Clock::now() - start_).count() >= *options_.time_budget_s;
  const bool number = options_.max_jobs && begun_ >= *options_.max_jobs;
  const bool failed = options_.fail_fast && std::any_of(works_.begin(), works_.end(),
                                                        [](const Work& work) { return work.state == State::kFailed; });
  by_budget_ = time || number;
  return !by_budget_ && !failed;
}

// Begins an entry if the worker is free for one. Whether something began or came to an end.
bool Runner::BeginNext() {
  for (const auto& [id, attempt] : running_) {
    if (!attempt.writes || attempt.work->alone) return false;
  }
  if (fresh_worker_ && running_.empty()) {
    session_.End("restart", "memory or device failed");
    fresh_worker_ = false;
  }
  if (fresh_worker_) return false;
  while (next_ < works_.size() && works_[next_].state != State::kToDo) ++next_;
  for (size_t i = next_; i < works_.size(); ++i) {
    Work& work = works_[i];
    if (work.state != State::kToDo) continue;
    if (work.alone && !running_.empty()) return false;
    if (Begin(work)) return true;
    if (work.state != State::kElsewhere || stop_.Cancelled()) return true;
  }
  const auto now = Clock::now();
  if (now - looked_elsewhere_ < std::chrono::milliseconds(500)) return false;
  looked_elsewhere_ = now;
  for (Work& work : works_) {
    if (work.state != State::kElsewhere || (work.alone && !running_.empty())) continue;
    const Claims::State lock = claims_.Look(work.key);
    if (lock.locked && !lock.stale) continue;
    if (Begin(work)) return true;
    if (work.state != State::kElsewhere) return true;
  }
  return false;
}

// Claims an entry and finds out what is left to do. Whether a worker has it now.
bool Runner::Begin(Work& work) {
  const PlanEntry& entry = *work.entry;
  const Claims::Result claimed = claims_.Claim(work.key, Label(entry));
  if (claimed == Claims::Result::kBusy) {
    if (work.state != State::kElsewhere) display_.Says(Label(entry) + ": " + claims_.Look(work.key).owner + " has it");
    work.state = State::kElsewhere;
    return false;
  }
  // Another process may have finished it between our look and our claim.
  reader_.Refresh();
  TakeNotices();
  if (Attempts(entry, "failed") - work.failed_before - work.failures - work.deaths > options_.retry) {
    display_.Notice(Label(entry) + " has failed in another process");
    claims_.GiveUp(work.key);
    work.state = State::kFailed;
    return false;
  }
  const EntryFiles files = LookAtFiles(entry, reader_);
  const bool again = options_.force && work.state != State::kElsewhere;
  if (files.recorded && !again) {
    claims_.GiveUp(work.key);
    Finish(work, State::kDone);
    return false;
  }
  const bool interrupted = claimed == Claims::Result::kTakenOver;  // what is there may be of its owner before
  if (files.complete() && !interrupted && !again) {
    Adopt(work, files);
    return false;
  }
  if (!files.foreign.empty() && !interrupted && entry.At("overwrite").value != true) {
    const std::string message = files.foreign[0] + " exists already and is not of this job";
    display_.Error(Label(entry) + ": " + message);
    Record(work, "failed", nullptr, {}, ErrorJSON("invalid_input", message), {});
    claims_.GiveUp(work.key);
    work.state = State::kFailed;
    return false;
  }
  if (!work.begun) ++begun_;
  work.begun = true;
  Send(work, files, again || interrupted);
  return true;
}

void Runner::Adopt(Work& work, const EntryFiles& files) {
  Record(work, "done", nullptr, files.good, nullptr, {});
  claims_.GiveUp(work.key);
  display_.Says(Label(*work.entry) + ": adopted " + files.good.at(0).path);
  work.had = true;
  Finish(work, State::kDone);
}

// The prompts of the entries that come next with the same model.
std::vector<json> Runner::PromptsAhead(const Work& work) const {
  std::vector<json> prompts;
  std::set<std::string> seen;
  for (size_t i = static_cast<size_t>(work.number); i < works_.size() && prompts.size() < kPromptsAhead; ++i) {
    const PlanEntry& entry = *works_[i].entry;
    if (entry.model != work.entry->model || i > static_cast<size_t>(work.number) + 4 * kPromptsAhead) break;
    if (works_[i].state != State::kToDo) continue;
    for (const char* key : {"prompt", "negative_prompt"}) {
      const Value& text = entry.At(key).value;
      const Value& length = entry.At("max_sequence_length").value;
      if (!text.is_string() || !length.is_number_integer()) continue;
      if (seen.insert(text.get<std::string>() + "\n" + length.dump()).second) prompts.push_back({text, length});
    }
  }
  return prompts;
}

void Runner::Send(Work& work, const EntryFiles& files, bool all) {
  const PlanEntry& entry = *work.entry;
  Attempting attempt;
  attempt.work = &work;
  attempt.id = base::StrCat(++ids_);
  attempt.started = TimeUTC();
  attempt.since = Clock::now();
  attempt.number = Attempts(entry, "") + 1;
  std::vector<std::string> write;
  for (const std::string& output : entry.files.outputs) {
    const bool good =
        std::any_of(files.good.begin(), files.good.end(), [&](const Digest& d) { return d.path == output; });
    if (all || !good) write.push_back(output);
  }
  if (!all) attempt.good = files.good;
  if (const Value& log = entry.At("log").value; log.is_string()) {
    try {
      attempt.log = std::make_unique<LogFile>(log.get<std::string>());
    } catch (const base::Error& error) {
      display_.Notice(error.what());
    }
  }
  json command = RenderCommandJSON(attempt.id, entry.Settings().ToJSON());
  command["name"] = entry.name;
  command["variant"] = entry.variant;
  command["index"] = entry.index;
  command["hash"] = entry.hash;
  command["outputs"] = entry.files.outputs;
  command["write"] = write;
  command["replace"] = true;  // what is in the way has been looked at
  command["fresh"] = options_.force && work.failures + work.deaths == 0;
  command["prompts_ahead"] = PromptsAhead(work);
  work.state = State::kRunning;
  display_.Begins(work.number, static_cast<int64_t>(works_.size()), Label(entry));
  running_.emplace(attempt.id, std::move(attempt));
  session_.Send(command);
}

void Runner::Finish(Work& work, State state) {
  work.state = state;
  if (state == State::kDone) finished_(*work.entry);
}

// A manifest that cannot be written now (a full disk) waits: the lines go with the next one.
void Runner::Record(const Work& work, const std::string& status, const Attempting* attempting,
                    std::vector<Digest> outputs, json error, const json& event) {
  Attempt attempt;
  attempt.hash = work.entry->hash;
  attempt.name = work.entry->name;
  attempt.variant = work.entry->variant;
  attempt.index = work.entry->index;
  attempt.status = status;
  attempt.outputs = std::move(outputs);
  attempt.error = std::move(error);
  attempt.device = TextAt(event, "device");
  attempt.started = attempting != nullptr ? attempting->started : TimeUTC();
  attempt.attempt = attempting != nullptr ? attempting->number : Attempts(*work.entry, "") + 1;
  attempt.adopted = attempting == nullptr && status == "done";
  if (attempting != nullptr) {
    attempt.seconds = std::chrono::duration<double>(Clock::now() - attempting->since).count();
  }
  if (event.is_object()) attempt.peak_memory_bytes = event.value("peak_memory_bytes", int64_t{0});
  try {
    writer_.Append(attempt);
  } catch (const base::Error& failure) {
    display_.Error(std::string("the manifest waits: ") + failure.what());
  }
}

void Runner::Log(Attempting& attempt, const std::string& line, bool in_file) {
  if (in_file && attempt.log) attempt.log->Line(line);
  attempt.tail.push_back(TimeUTC() + " " + line);
  if (attempt.tail.size() > kTailLines) attempt.tail.pop_front();
}

void Runner::Take(const json& event) {
  const auto it = running_.find(TextAt(event, "id"));
  if (it == running_.end()) return;
  Attempting& attempt = it->second;
  const std::string kind = TextAt(event, "event"), label = Label(*attempt.work->entry);
  display_.Event(label, event);
  if (kind == "started") {
    attempt.runs = true;
    Log(attempt, "started " + attempt.work->entry->hash);
  } else if (kind == "notice") {
    display_.Notice(label + ": " + TextAt(event, "message"));
    Log(attempt, TextAt(event, "message"));
  } else if (kind == "progress") {
    const std::string stage = TextAt(event, "stage");
    attempt.writes = attempt.writes || stage == "write";
    if (stage != attempt.stage) Log(attempt, stage, false);
    attempt.stage = stage;
  } else if (kind == "output") {
    Log(attempt, "wrote " + TextAt(event, "path"));
  } else if (kind == "done") {
    TakeDone(attempt, event);
    running_.erase(it);
  } else if (kind == "failed") {
    TakeFailed(attempt, event);
    running_.erase(it);
  }
}

void Runner::TakeDone(Attempting& attempt, const json& event) {
  Work& work = *attempt.work;
  const PlanEntry& entry = *work.entry;
  std::vector<Digest> digests;
  try {
    for (const std::string& output : entry.files.outputs) {
      const auto digest = DigestOf(output, entry.At("frames").value.get<int64_t>());
      base::Check(digest.has_value(), ErrorCode::kIo, output, " was written, and is not there any more");
      digests.push_back(*digest);
    }
  } catch (const base::Error& error) {
    json failed = {
        {"id", attempt.id}, {"event", "failed"}, {"status", "failed"}, {"error", ErrorJSON("io", error.what())}};
    return TakeFailed(attempt, failed);
  }
  Record(work, "done", &attempt, std::move(digests), nullptr, event);
  claims_.GiveUp(work.key);
  const double seconds = event.value("seconds", 0.0);
  display_.Says(Label(entry) + ": done in " + Duration(seconds) + ", " + entry.files.outputs.at(0));
  if (attempt.log) attempt.log->Line("done in " + Duration(seconds));
  Finish(work, State::kDone);
}

void Runner::TakeFailed(Attempting& attempt, const json& event) {
  Work& work = *attempt.work;
  json error = event.value("error", json::object());
  std::string cause = TextAt(error, "cause");
  const bool died = event.value("worker_died", false);
  if (attempt.times_out) {
    error["cause"] = cause = "timeout";
    error["message"] =
        base::StrCat("the job ran longer than --job-timeout, ", Duration(options_.job_timeout_s.value_or(0)));
  } else if (cause == "cancelled" && !stop_.Cancelled()) {
    // Somebody signalled the worker, not us: it has left a checkpoint, and ends.
    error["cause"] = cause = "signal";
    error["message"] = "the worker was told to stop by a signal";
  }
  const bool cancelled = cause == "cancelled" || (stop_.Cancelled() && died);
  const std::string message = TextAt(error, "message");
  Log(attempt, (cancelled ? "cancelled: " : "failed: ") + message);
  if (error.is_object()) error["log"] = attempt.tail;
  Record(work, cancelled ? "cancelled" : "failed", &attempt, {}, error, event);
  claims_.GiveUp(work.key);
  if (cancelled) {
    work.state = State::kToDo;
    return;
  }
  // Out of memory or a device that fails counts as a worker's death: a fresh one is to go on.
  const bool broke = cause == "out_of_memory" || cause == "device" || cause == "timeout" || cause == "signal";
  if (broke && !died) fresh_worker_ = true;
  if (died || broke) {
    work.alone = true;
    ++work.deaths;
  } else {
    ++work.failures;
  }
  const bool again = work.deaths < kMostDeaths && work.failures <= options_.retry;
  display_.Error(Label(*work.entry) + ": " + message + (again ? "; trying again" : ""));
  work.state = again ? State::kToDo : State::kFailed;
  if (again) next_ = 0;
}

void Runner::WatchTime() {
  if (!options_.job_timeout_s) return;
  const auto now = Clock::now();
  for (auto& [id, attempt] : running_) {
    if (attempt.cancelled_at) {
      if (std::chrono::duration<double>(now - *attempt.cancelled_at).count() < kTimeoutGraceS) continue;
      attempt.cancelled_at = now;
      return session_.End("timeout", "the worker did not stop");
    }
    if (std::chrono::duration<double>(now - attempt.since).count() < *options_.job_timeout_s) continue;
    attempt.times_out = true;
    attempt.cancelled_at = now;
    session_.Send({{"id", id}, {"cmd", "cancel"}});
  }
}

// What renders leaves a checkpoint; what is being written is let finish, for a while.
void Runner::CancelAll() {
  display_.Says("cancelling …");
  for (auto& [id, attempt] : running_) {
    if (!attempt.writes) session_.Send({{"id", id}, {"cmd", "cancel"}});
  }
  const auto begin = Clock::now();
  while (!running_.empty()) {
    if (const auto event = session_.Next(0.25)) Take(*event);
    const double waited = std::chrono::duration<double>(Clock::now() - begin).count();
    if (waited > kGraceS) session_.End("cancelled", "the worker did not stop");
  }
  writer_.Flush();
}

}  // namespace app
