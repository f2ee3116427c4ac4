#pragma once

#include <string>
#include <vector>

#include "app/jobs/plan.h"
#include "app/jobs/render_options.h"

namespace app {

// What --slurm makes: a plan and a batch script in the folder of the manifests, and how to submit them.
struct SlurmJob {
  std::string plan_file, script_file;
  std::string script;
  std::vector<std::string> command;  // sbatch and its arguments
  int64_t tasks = 0;
};

// The words of a command line as a POSIX shell takes them apart: quotes and backslashes, no expansion. Throws
// base::Error{kInvalidInput} for a quote that is never closed.
std::vector<std::string> ShellWords(const std::string& text);

// The same backwards: one word for a shell.
std::string ShellQuoted(const std::string& word);

// Says what would be made; makes nothing. `program`: the path of sparge.
SlurmJob PlanSlurmJob(const Plan& plan, const RenderOptions& options, const std::string& program);

// Writes plan and script and runs sbatch, whose output goes to standard output. Throws base::Error{kInvalidInput} where
// there is no sbatch on PATH (the files stay), Error{kIo} when it fails.
void SubmitSlurmJob(const Plan& plan, const SlurmJob& job);

}  // namespace app
