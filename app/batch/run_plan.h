#pragma once

#include "app/jobs/plan.h"
#include "app/jobs/render_options.h"

namespace app {

// Renders a plan with workers that it supervises (docs/interfaces.md, "JOBS.yaml", "The worker"): skips
// what the manifests have and what can be adopted, takes part in a batch that other processes work on too, writes the
// manifest of this process and the comparisons. `whole` is the plan before a part of it was selected: it is recorded
// beside the manifests. Prints to standard error (--progress json: events on standard output).
// Returns the exit status: 0 all done, 1 some job failed, 3 stopped by a budget with work left, 130 cancelled. Throws
// InputErrors (status 2) for outputs that exist and are nobody's, before anything runs.
int RunPlan(const Plan& plan, const RenderOptions& options, const Plan& whole);

// What the manifests and the files say of each entry, for --dry-run and --status: "done", "to do", "running on HOST",
// "failed (CAUSE)", "cancelled", "would be adopted", "would replace FILE". Reads the manifests once.
EntryStates StatesFromManifests(const Plan& plan, const RenderOptions& options);

}  // namespace app
