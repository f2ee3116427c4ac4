#include "app/batch/run_plan.h"

#include <algorithm>
#include <map>
#include <memory>

#include "app/batch/assess.h"
#include "app/batch/claims.h"
#include "app/batch/comparisons.h"
#include "app/batch/display.h"
#include "app/batch/manifest.h"
#include "app/batch/plan_record.h"
#include "app/batch/runner.h"
#include "app/console/errors.h"
#include "app/console/signals.h"
#include "app/job/memory.h"
#include "app/settings/text.h"

namespace app {
namespace {

std::string Plural(int64_t count, const char* word) { return base::StrCat(count, " ", word, count == 1 ? "" : "s"); }

// Tells what came of comparisons; whether all went well.
bool ShowComparisons(Comparisons& comparisons, BatchDisplay& display) {
  bool good = true;
  for (const Comparisons::Result& result : comparisons.TakeResults()) {
    if (!result.error.empty()) {
      display.Error("comparison " + result.folder + ": " + result.error);
      good = false;
    } else if (result.made) {
      display.Says("compared: " + result.folder + "/report.html");
    }
  }
  return good;
}

// Estimated; 0 where the entry's device is not there. `machines` remembers, by device and dtype.
int64_t MemoryBytesOf(const Plan& plan, const PlanEntry& entry, std::map<std::string, pipeline::Machine>& machines) {
  const auto text = [&](const char* key) { return ToText(entry.At(key).value); };
  const std::string where = text("device") + " " + text("dtype");
  auto it = machines.find(where);
  try {
    if (it == machines.end()) {
      pipeline::RuntimeOptions options;
      options.device = text("device");
      options.dtype = text("dtype");
      it = machines.emplace(where, pipeline::LookAtMachine(options)).first;
    }
  } catch (const base::Error&) {
    return 0;
  }
  return MemoryOf([&](std::string_view key) -> const Value& { return entry.At(key).value; },
                  plan.models.at(entry.model)->info, it->second)
      .bytes;
}

}  // namespace

int RunPlan(const Plan& plan, const RenderOptions& options, const Plan& whole) {
  BatchDisplay display(ProgressStyleOf(options.progress));
  pipeline::NoProgress stop;
  const CancelOnSignal on_signal(stop);
  Comparisons comparisons(plan, ManifestFolder(plan, options));
  Runner runner(plan, options, display, stop, [&](const PlanEntry& entry) { comparisons.Done(entry); });
  runner.Check();
  try {
    RecordPlan(whole, ManifestFolder(whole, options));
  } catch (const base::Error& error) {  // no reason not to render
    display.Notice(std::string("the plan is not recorded: ") + error.what());
  }
  runner.Run();
  if (stop.Cancelled()) comparisons.Cancel();
  comparisons.WaitForAll();
  const bool compared = ShowComparisons(comparisons, display);
  const Runner::Count count = runner.count();
  display.Says(Plural(static_cast<int64_t>(plan.entries.size()), "job") + ": " + std::to_string(count.done) +
               " rendered, " + std::to_string(count.had) + " there already, " + std::to_string(count.failed) +
               " failed, " + std::to_string(count.left) + " left");
  if (stop.Cancelled()) return kExitCancelled;
  if (runner.stopped_by_budget() && count.left > 0) return kExitBudget;
  return count.failed > 0 || count.left > 0 || !compared ? kExitFailed : kExitDone;
}

EntryStates StatesFromManifests(const Plan& plan, const RenderOptions& options) {
  const std::string folder = ManifestFolder(plan, options);
  const auto reader = std::make_shared<ManifestReader>(folder);
  const auto claims = std::make_shared<Claims>(folder + "/locks");
  reader->Refresh();
  const auto machines = std::make_shared<std::map<std::string, pipeline::Machine>>();
  return [reader, claims, machines](const Plan& plan, const PlanEntry& entry) {
    EntryState state;
    state.memory_bytes = MemoryBytesOf(plan, entry, *machines);
    const EntryFiles files = LookAtFiles(entry, *reader);
    const Claims::State lock = claims->Look(ClaimKey(entry));
    const std::vector<Attempt>& attempts = reader->Of(entry.hash);
    if (files.recorded) {
      state.text = "done";
    } else if (lock.locked && !lock.stale) {
      state.text = "running (" + lock.owner + ")";
    } else if (files.complete()) {
      state.text = "would be adopted";
    } else if (!files.foreign.empty() && !lock.locked) {
      state.text = "would replace " + files.foreign[0];
    } else if (!attempts.empty() && attempts.back().status == "failed") {
      const nlohmann::json& error = attempts.back().error;
      const nlohmann::json cause = error.is_object() ? error.value("cause", nlohmann::json()) : nlohmann::json();
      state.text = "failed (" + (cause.is_string() ? cause.get<std::string>() : "unknown") + ")";
    } else if (!attempts.empty() && attempts.back().status == "cancelled") {
      state.text = "cancelled";
    }
    return state;
  };
}

}  // namespace app
