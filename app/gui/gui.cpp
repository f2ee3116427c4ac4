#include "app/gui/gui.h"

#include <cstdio>
#include <filesystem>
#include <map>

#include "app/console/errors.h"
#include "app/console/signals.h"
#include "app/gui/system_fonts.h"
#include "app/gui/window.h"
#include "app/job/attention_door.h"
#include "app/jobs/plan.h"
#include "app/settings/text.h"
#include "attention/base/error.h"
#include "pipeline/device_memory.h"
#include "pipeline/pipeline.h"
#include "pipeline/progress.h"

namespace app {
namespace {

constexpr size_t kMostJobs = 1000;
constexpr double kPatienceS = 5;  // for the checkpoint of what renders

constexpr const char* kHelp =
    "usage: sparge gui [FILES…]\n\n"
    "The window: prompts, the queue, and what sparsity does while clips are made.\n\n"
    "  FILES   model folders, JOBS.yaml files and clips to open; two to four clips are compared\n"
    "  --help  this text\n\n"
    "Ctrl+Shift+P lists everything that it can do, F1 its keys. The queue and the settings are kept in\n"
    "$XDG_STATE_HOME/sparge. Models are found by folder, or by name under SPARGE_MODELS.\n";

std::string DeviceText() {
  const std::vector<std::string> features = Split(AttentionCPUFeatures(), ',');
  return "CPU " + features.back();
}

}  // namespace

std::vector<SavedJob> ReadJobsForQueue(const std::string& path) {
  const Plan plan = ReadPlanSource(path, {}, [](const std::string& folder) { return pipeline::Inspect(folder); });
  base::Check(plan.entries.size() <= kMostJobs, base::ErrorCode::kUnsupported, path, " has ", plan.entries.size(),
              " clips, but the window's queue takes ", kMostJobs, ": `sparge render` takes them all");
  std::map<size_t, EffectiveSettings> defaults;
  std::vector<SavedJob> jobs;
  for (const PlanEntry& entry : plan.entries) {
    const PlanModel& model = *plan.models.at(entry.model);
    const auto [it, fresh] = defaults.try_emplace(entry.model);
    if (fresh) it->second = ModelCard{model.info, model.notes}.Defaults();
    const EffectiveSettings settings = entry.Settings();
    SavedJob job;
    job.name = entry.name + (entry.variant == "main" ? "" : " " + entry.variant) +
               (entry.index > 0 ? " " + std::to_string(entry.index) : "");
    const nlohmann::json all = settings.ToJSON();
    for (const auto& [key, value] : all.items()) {
      if (!value.is_null() && value != it->second.at(key)) job.settings[key] = value;
    }
    if (!entry.files.outputs.empty()) job.settings["out"] = entry.files.outputs;
    jobs.push_back(std::move(job));
  }
  return jobs;
}

int RunGui(const std::vector<std::string>& args) {
  std::vector<std::string> files;
  for (const std::string& arg : args) {
    if (arg == "--help") return std::fputs(kHelp, stdout) < 0 ? kExitFailed : kExitDone;
    base::Check(arg.empty() || arg[0] != '-', base::ErrorCode::kInvalidInput, "unknown flag ", Quoted(arg),
                "; see `sparge gui --help`");
    files.push_back(arg);
  }
  ControllerOptions options;
  options.start_link = [] { return StartWorkerLink(""); };
  options.read_jobs = ReadJobsForQueue;
  options.look_at_machine = pipeline::LookAtMachine;
  options.look_at_device = pipeline::LookAtDevice;
  options.wake = Window::Wake;
  options.device = DeviceText();
  WindowOptions window_options;
  window_options.font = FindFont();
  window_options.cjk_font = FindCJKFont();
  Controller controller(std::move(options));
  window_options.width = controller.saved().width;
  window_options.height = controller.saved().height;
  window_options.maximized = controller.saved().maximized;
  Window window(window_options);
  ui::Studio studio(controller.saved().ui);
  pipeline::NoProgress signals;
  const CancelOnSignal on_signal(signals);
  controller.OpenAll(files);
  studio.FocusPrompt();
  while (window.Step(controller, studio) && !signals.Cancelled()) {
  }
  controller.Shutdown(kPatienceS);
  return signals.Cancelled() ? kExitCancelled : kExitDone;
}

}  // namespace app
