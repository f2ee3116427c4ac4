#include <cstdio>
#include <filesystem>
#include <iostream>

#include "app/batch/run_plan.h"
#include "app/commands/commands.h"
#include "app/console/errors.h"
#include "app/jobs/plan.h"
#include "app/jobs/render_options.h"
#include "app/jobs/show.h"
#include "app/jobs/slurm.h"
#include "attention/base/atomic_file.h"
#include "pipeline/pipeline.h"

namespace app {
namespace {

void SavePlan(const Plan& plan, const std::string& path) {
  base::AtomicFile file(path);
  WritePlanJSON(plan, [&](const std::string& text) { file.Write(text); });
  file.Commit();
}

std::string ProgramPath() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "sparge" : path.string();
}

// Without rendering. False: nothing of that was asked for.
bool Show(const Plan& plan, const RenderOptions& options) {
  if (options.slurm) {
    const SlurmJob job = PlanSlurmJob(plan, options, ProgramPath());
    std::fprintf(stderr, "sparge: %s tasks render %zu entries of %s\n", std::to_string(job.tasks).c_str(),
                 plan.entries.size(), job.plan_file.c_str());
    SubmitSlurmJob(plan, job);
    return true;
  }
  if (!options.plan_file.empty()) SavePlan(plan, options.plan_file);
  if (options.dry_run || options.status) PrintPlanTable(plan, StatesFromManifests(plan, options), std::cout);
  if (options.explain) PrintExplanation(plan, std::cout);
  std::cout.flush();
  return options.dry_run || options.status || options.explain || !options.plan_file.empty();
}

}  // namespace

int RunRender(const std::vector<std::string>& args) {
  bool help = false;
  const RenderOptions options = ParseRenderOptions(args, help);
  if (help) {
    std::fputs(RenderHelp().c_str(), stdout);
    return kExitDone;
  }
  Plan plan = ReadPlanSource(options.source, options.sets, pipeline::Inspect);
  const Plan whole = plan;
  SelectEntries(options.selection, plan);
  for (const std::string& notice : plan.notices) std::fprintf(stderr, "sparge: note: %s\n", notice.c_str());
  if (Show(plan, options)) return kExitDone;
  return RunPlan(plan, options, whole);
}

}  // namespace app
