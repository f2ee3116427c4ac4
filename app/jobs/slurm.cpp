#include "app/jobs/slurm.h"

#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <set>

#include "app/settings/sha256.h"
#include "app/settings/text.h"
#include "attention/base/atomic_file.h"

extern char** environ;

namespace app {
namespace {

using base::ErrorCode;

constexpr int64_t kDefaultTasks = 16;

std::string PlanText(const Plan& plan) {
  std::string all;
  WritePlanJSON(plan, [&](const std::string& text) { all += text; });
  return all;
}

}  // namespace

std::vector<std::string> ShellWords(const std::string& text) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote == '\'') {
      if (c == quote)
        quote = 0;
      else
        word += c;
    } else if (c == '\\' && i + 1 < text.size()) {
      word += text[++i];
      in_word = true;
    } else if (quote == '"') {
      if (c == quote)
        quote = 0;
      else
        word += c;
    } else if (c == '\'' || c == '"') {
      quote = c;
      in_word = true;
    } else if (c == ' ' || c == '\t' || c == '\n') {
      if (in_word) words.push_back(std::move(word));
      word.clear();
      in_word = false;
    } else {
      word += c;
      in_word = true;
    }
  }
  base::Check(quote == 0, ErrorCode::kInvalidInput, "--sbatch ", Quoted(text), ": a quote is never closed");
  if (in_word) words.push_back(std::move(word));
  return words;
}

std::string ShellQuoted(const std::string& word) {
  std::string quoted = "'";
  for (char c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

SlurmJob PlanSlurmJob(const Plan& plan, const RenderOptions& options, const std::string& program) {
  base::Check(!plan.entries.empty(), ErrorCode::kInvalidInput, "--slurm: the plan is empty");
  std::set<int64_t> groups;
  for (const PlanEntry& entry : plan.entries) groups.insert(entry.group);
  const auto units = static_cast<int64_t>(groups.size());
  SlurmJob job;
  job.tasks = std::min(options.array > 0 ? options.array : kDefaultTasks, units);
  const std::string folder = ManifestFolder(plan, options);
  const std::string id = SHA256Hex(PlanText(plan)).substr(0, 8);
  job.plan_file = folder + "/plan-" + id + ".json";
  job.script_file = folder + "/slurm-" + id + ".sh";

  std::string render = ShellQuoted(program) + " render " + ShellQuoted(job.plan_file) + " --manifest " +
                       ShellQuoted(folder) + " --shard \"$SLURM_ARRAY_TASK_ID/" + std::to_string(job.tasks) +
                       "\" --progress plain";
  if (options.retry > 0) render += " --retry " + std::to_string(options.retry);
  if (options.force) render += " --force";
  if (options.fail_fast) render += " --fail-fast";
  if (options.max_jobs) render += " --max-jobs " + std::to_string(*options.max_jobs);
  if (options.time_budget_s) render += " --time-budget " + ShortestNumber(*options.time_budget_s);
  if (options.job_timeout_s) render += " --job-timeout " + ShortestNumber(*options.job_timeout_s);
  // USR1 goes to the shell alone, which is sparge by then: it writes a checkpoint and ends before the time is up.
  job.script = "#!/bin/sh\n#SBATCH --job-name=sparge\n#SBATCH --array=1-" + std::to_string(job.tasks) +
               "\n#SBATCH --requeue\n#SBATCH --open-mode=append\n#SBATCH --signal=B:USR1@300\n" + "exec " + render +
               "\n";
  job.command = {"sbatch", "--output=" + folder + "/slurm-%A_%a.out"};
  if (!options.partition.empty()) job.command.push_back("--partition=" + options.partition);
  for (std::string& word : ShellWords(options.sbatch)) job.command.push_back(std::move(word));
  job.command.push_back(job.script_file);
  return job;
}

void SubmitSlurmJob(const Plan& plan, const SlurmJob& job) {
  {
    base::AtomicFile file(job.plan_file);
    file.Write(PlanText(plan));
    file.Commit();
  }
  {
    base::AtomicFile file(job.script_file);
    file.Write(job.script);
    file.Commit();
  }
  base::Check(chmod(job.script_file.c_str(), 0755) == 0, ErrorCode::kIo, job.script_file,
              ": cannot be made executable");
  std::vector<char*> argv;
  for (const std::string& word : job.command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  std::fflush(stdout);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, argv[0], nullptr, nullptr, argv.data(), environ);
  base::Check(error == 0, ErrorCode::kInvalidInput,
              "--slurm: there is no sbatch on PATH; the script is whole: submit it where Slurm is: ", job.script_file);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  base::Check(WIFEXITED(status) && WEXITSTATUS(status) == 0, ErrorCode::kIo, "--slurm: sbatch failed with status ",
              WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), "; the script is ", job.script_file);
}

}  // namespace app
