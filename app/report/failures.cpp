#include <algorithm>
#include <map>

#include "app/report/page.h"
#include "app/settings/text.h"
#include "attention/base/error.h"

namespace app {
namespace {

using base::StrCat;
using nlohmann::json;

struct Cause {
  const char *name, *title, *remedy;
};

constexpr Cause kCauses[] = {
    {"invalid_input", "What was asked for cannot be rendered",
     "Mend what the message names in the file of the jobs, then render it again."},
    {"unsupported", "Something that is not there",
     "This program or machine lacks what the message names: change that setting, or render where it is there."},
    {"io", "Reading or writing failed",
     "Look at free space, permissions and whether the model’s files are still there, then render again."},
    {"out_of_memory", "Not enough memory",
     "Smaller width, height or frames, dtype bfloat16, or fewer programs beside it; then render again. What was "
     "denoised "
     "is kept and need not be denoised again."},
    {"device", "The device failed",
     "Look at the GPU and its driver (nvidia-smi, dmesg), then render again; device: cpu "
     "does without."},
    {"non_finite", "NaN or infinity in the result",
     "Try attention.mode: dense, then dtype: float32; if that fails too, the model’s weights are broken."},
    {"timeout", "Longer than --job-timeout",
     "Allow more time or ask for less; the next run goes on from the checkpoint."},
    {"hang", "The worker fell silent",
     "Look at the machine (a disk that hangs, swapping), then render again; it goes "
     "on from the checkpoint."},
    {"signal", "The worker was killed, or crashed",
     "If nobody killed it, dmesg tells whether memory ran out. A crash that comes again is a defect of the program: "
     "report it with what stands below."},
    {"exit", "The worker ended by itself", "A defect of the program: report it with what stands below."},
    {"internal", "A defect of the program", "Report it with what stands below."},
};

Cause CauseOf(const std::string& name) {
  for (const Cause& cause : kCauses) {
    if (name == cause.name) return cause;
  }
  return {"", "Other", "The message says what is known."};
}

std::string TextIn(const json& error, const char* key) {
  const json value = error.is_object() ? error.value(key, json()) : json();
  return value.is_string() ? value.get<std::string>() : value.is_number() ? value.dump() : "";
}

std::string LogTail(const json& error) {
  constexpr size_t kLines = 30;
  const json log = error.is_object() ? error.value("log", json()) : json();
  if (!log.is_array() || log.empty()) return "";
  std::string html = "<pre>";
  const size_t first = log.size() > kLines ? log.size() - kLines : 0;
  for (size_t i = first; i < log.size(); ++i) {
    if (log[i].is_string()) html += EscapedShort(log[i].get<std::string>(), 500) + "\n";
  }
  return html + "</pre>";
}

void WriteFailure(const BatchData& data, const ReportJob& job, bool open, const Sink& out) {
  const Attempt& last = *job.last();
  const std::string stage = TextIn(last.error, "stage"), step = TextIn(last.error, "step"),
                    total = TextIn(last.error, "total");
  std::string where = stage + (step.empty() ? "" : " " + step + (total.empty() ? "" : "/" + total));
  out(StrCat("<details", open ? " open" : "", "><summary>", JobLink(data, job),
             where.empty() ? "" : " <span class=note>in " + EscapedShort(where, 60) + "</span>",
             job.attempts.size() > 1 ? StrCat(" <span class=note>", job.attempts.size(), " attempts</span>") : "",
             "</summary><p class=message>", EscapedShort(TextIn(last.error, "message"), 2000), "</p>",
             LogTail(last.error), "<p class=note>", EscapedShort(last.started, 40), ", after ",
             SecondsText(last.seconds), ", ", EscapedShort(last.process, 80),
             last.slurm_job.empty() ? "" : ", Slurm " + EscapedShort(last.slurm_job, 40), "</p></details>"));
}

}  // namespace

void WriteFailures(const BatchData& data, const Sink& out) {
  constexpr size_t kShown = 40, kMostCauses = 30;
  std::map<std::string, std::vector<const ReportJob*>> groups;
  for (const ReportJob& job : data.jobs) {
    if (job.state != ReportJob::State::kFailed || job.last() == nullptr) continue;
    std::string cause = TextIn(job.last()->error, "cause");
    groups[cause.empty() ? "unknown" : cause].push_back(&job);
  }
  if (groups.empty()) return;
  std::vector<std::string> order;
  for (const auto& [cause, jobs] : groups) order.push_back(cause);
  std::stable_sort(order.begin(), order.end(),
                   [&](const auto& a, const auto& b) { return groups[a].size() > groups[b].size(); });
  const size_t more = order.size() - std::min(order.size(), kMostCauses);
  order.resize(order.size() - more);
  out("<section id=failures><h2>Failures</h2><p class=note>By cause. <code>sparge render</code> on the same file tries "
      "them again and leaves alone what is done.</p>\n");
  for (const std::string& name : order) {
    const Cause cause = CauseOf(name);
    const std::vector<const ReportJob*>& jobs = groups[name];
    out(StrCat("<div class=cause><h3>", cause.title, " <span class=note>", EscapedShort(name, 60), " · ",
               CountText(static_cast<int64_t>(jobs.size())), jobs.size() == 1 ? " job" : " jobs", "</span></h3><p>",
               cause.remedy, "</p>"));
    for (size_t i = 0; i < std::min(jobs.size(), kShown); ++i) WriteFailure(data, *jobs[i], i == 0, out);
    if (jobs.size() > kShown) {
      out(StrCat("<p class=note>… and ", jobs.size() - kShown, " more: the table of jobs has them.</p>"));
    }
    out("</div>\n");
  }
  if (more > 0) out(StrCat("<p class=note>… and ", more, " more causes: the table of jobs has them.</p>"));
  out("</section>\n");
}

}  // namespace app
