#pragma once

#include "app/jobs/jobs_file.h"
#include "app/jobs/planner.h"

namespace app {

// Multiplies the jobs' axes out into the planner's entries (docs/interfaces.md, "JOBS.yaml": Order). `folder`: what a
// `model` of the file is relative to. Notes to `plan` what there is to note. What is wrong goes to `report`.
void ExpandJobs(const JobsFile& file, const Layer& sets, const std::string& folder, Planner& planner, Plan& plan,
                const ReportError& report);

}  // namespace app
