#include "app/report/page.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "app/console/observer.h"
#include "app/settings/sha256.h"
#include "app/settings/text.h"
#include "app/settings/value.h"
#include "attention/base/error.h"

namespace app {
namespace {

using base::StrCat;
using State = ReportJob::State;

std::string BytesOfHex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

std::string Tile(const std::string& kind, const std::string& number, const std::string& label) {
  return StrCat("<div class=\"tile ", kind, "\"><b>", number, "</b><span>", label, "</span></div>");
}

// From the first begin to the last end, of all processes.
std::optional<double> WallSeconds(const BatchData& data) {
  double first = INFINITY, last = -INFINITY;
  for (const ReportJob& job : data.jobs) {
    for (const Attempt& attempt : job.attempts) {
      const std::optional<double> begin = SecondsOf(attempt.started);
      if (!begin) continue;
      first = std::min(first, *begin);
      last = std::max(last, *begin + std::clamp(attempt.seconds, 0.0, 1e9));
    }
  }
  return last > first ? std::optional(last - first) : std::nullopt;
}

std::string Anchor(const BatchData& data, const ReportJob& job) { return StrCat("job", &job - data.jobs.data()); }

const char* StateName(State state) {
  return state == State::kDone ? "done" : state == State::kFailed ? "failed" : "left";
}

}  // namespace

std::string Head(const std::string& title, bool number) {
  return StrCat("<th", number ? " class=n" : "", " aria-sort=none><button type=button>", Escaped(title),
                "</button></th>");
}

std::string Cell(const std::string& html, bool number) {
  return StrCat(number ? "<td class=n>" : "<td>", html, "</td>");
}

std::string NumberCell(std::optional<double> value, const std::string& text) {
  if (!value) return "<td class=n>–</td>";
  return StrCat("<td class=n data-v=\"", ShortestNumber(*value), "\">", text, "</td>");
}

std::string JobLink(const BatchData& data, const ReportJob& job) {
  const std::string title = EscapedShort(job.Title(), 80);
  if (static_cast<size_t>(&job - data.jobs.data()) >= kMostRows) return title;
  return StrCat("<a href=\"#", Anchor(data, job), "\">", title, "</a>");
}

void WritePage(const BatchData& data, const PageOptions& options, const Sink& out, pipeline::Progress& progress) {
  const std::string script_hash = Base64(BytesOfHex(SHA256Hex(kPageScript)));
  out("<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n");
  // Nothing from a network, and no script but ours: whatever a manifest says.
  out(
      StrCat("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data: file:; "
             "media-src data: file:; style-src 'unsafe-inline'; script-src 'sha256-",
             script_hash, "'; base-uri 'none'; form-action 'none'\">\n"));
  out("<meta name=viewport content=\"width=device-width, initial-scale=1\">\n<meta name=color-scheme content=\"light "
      "dark\">\n<meta name=generator content=\"Sparge Studio report\">\n<link rel=icon href=\"data:,\">\n");
  out(StrCat("<title>", EscapedShort(data.name, 80), " · batch report</title>\n<style>", kPageStyle, "</style>\n"));
  out("</head>\n<body>\n<main>\n");
  WriteSummary(data, out);
  WriteFailures(data, out);
  WriteLeft(data, out);
  WriteClips(data, options, out, progress);
  WriteMeasures(data, out);
  WriteSkipMaps(data, out);
  WriteTimeline(data, out);
  WriteSlowest(data, out);
  WriteJobsTable(data, out);
  WriteMachines(data, out);
  out(StrCat("</main>\n<script>", kPageScript, "</script>\n</body>\n</html>\n"));
}

void WriteSummary(const BatchData& data, const Sink& out) {
  const int64_t done = data.Count(State::kDone), failed = data.Count(State::kFailed), left = data.Count(State::kLeft);
  const auto total = static_cast<double>(std::max<size_t>(data.jobs.size(), 1));
  out(StrCat("<header><h1>", EscapedShort(data.name, 120), "</h1>\n<p class=note>"));
  std::vector<std::string> sources;
  for (const std::string& source : data.sources) sources.push_back(Escaped(source));
  if (sources.empty()) sources.push_back(Escaped(data.folder));
  out(StrCat(Join(sources, "<br>"), "<br>as of ", TimeUTC(), "</p></header>\n<div class=tiles>"));
  out(Tile("done", CountText(done), "done"));
  out(Tile(failed > 0 ? "failed" : "", CountText(failed), "failed"));
  out(Tile(left > 0 ? "left" : "", data.plan_known ? CountText(left) : left > 0 ? CountText(left) : "?", "left"));
  double seconds = 0, most_speedup = 0;
  int64_t timed = 0, again = 0, skipped_count = 0;
  double skipped = 0;
  std::set<std::string> processes;
  for (const ReportJob& job : data.jobs) {
    again += job.state == State::kDone && job.attempts.size() > 1;
    if (job.last() != nullptr && !job.last()->process.empty()) processes.insert(job.last()->process);
    if (job.state != State::kDone) continue;
    if (const auto s = job.Seconds()) {
      seconds += *s;
      ++timed;
    }
    if (job.sparsity && *job.sparsity > 0) {
      skipped += *job.sparsity;
      ++skipped_count;
    }
    most_speedup = std::max(most_speedup, job.speedup.value_or(0));
  }
  if (timed > 0) out(Tile("", SecondsText(seconds / static_cast<double>(timed)), "a job, mean"));
  if (const auto wall = WallSeconds(data)) out(Tile("", SecondsText(wall), "first to last"));
  if (left > 0 && timed > 0 && !processes.empty()) {
    const double each = seconds / static_cast<double>(timed);
    out(Tile("", "≈ " + SecondsText(each * static_cast<double>(left)), "to go, one process"));
  }
  if (skipped_count > 0) {
    out(Tile("", PercentText(skipped / static_cast<double>(skipped_count)), "attention skipped, where it is sparse"));
  }
  if (most_speedup > 0) out(Tile("", FixedText(most_speedup, 2) + " ×", "best speed-up of denoising"));
  out("</div>\n<div class=bar role=img aria-label=\"done, failed, left\">");
  for (const auto& [kind, count] : {std::pair("done", done), std::pair("failed", failed), std::pair("left", left)}) {
    if (count > 0)
      out(StrCat("<i class=", kind, " style=\"width:", FixedText(100.0 * static_cast<double>(count) / total, 3),
                 "%\"></i>"));
  }
  out("</div>\n");
  if (!data.plan_known) {
    out("<p class=note>No plan is recorded beside these manifests: what was not begun is not known.</p>\n");
  }
  if (again > 0) {
    out(StrCat("<p class=note>", CountText(again), again == 1 ? " job was" : " jobs were",
               " done after more than one attempt.</p>\n"));
  }
  if (data.other_records > 0) {
    out(StrCat("<p class=note>", CountText(data.other_records),
               " recorded attempts are of jobs that the plan does not have any more, and are not shown.</p>\n"));
  }
  for (size_t i = 0; i < std::min<size_t>(data.notices.size(), 20); ++i) {
    out(StrCat("<p class=note>", EscapedShort(data.notices[i], 400), "</p>\n"));
  }
  out("<nav>");
  for (const char* section :
       {"failures", "left", "clips", "measures", "skipped", "timeline", "slowest", "jobs", "machines"}) {
    const bool there = section != std::string("failures") ? section != std::string("left") || left > 0 : failed > 0;
    if (there) out(StrCat("<a href=\"#", section, "\">", section, "</a>"));
  }
  out("</nav>\n");
}

void WriteLeft(const BatchData& data, const Sink& out) {
  constexpr int64_t kShown = 200;
  const int64_t left = data.Count(State::kLeft);
  if (left == 0) return;
  out(StrCat("<section id=left><h2>Left</h2><p class=note>", CountText(left), left == 1 ? " job is" : " jobs are",
             " not rendered yet; <code>sparge render</code> on the same file goes on with them.</p><details",
             left <= 12 ? " open" : "", "><summary>", left <= kShown ? "all of them" : "the first 200",
             "</summary><ul class=columns>"));
  int64_t shown = 0;
  for (const ReportJob& job : data.jobs) {
    if (job.state != State::kLeft || shown++ >= kShown) continue;
    out(StrCat("<li>", JobLink(data, job),
               job.note.empty() ? "" : " <span class=note>" + EscapedShort(job.note, 100) + "</span>", "</li>"));
  }
  out("</ul></details></section>\n");
}

void WriteJobsTable(const BatchData& data, const Sink& out) {
  std::vector<std::string> keys;
  for (const std::string& key : data.varying) {
    if (keys.size() < 16) keys.push_back(key);
  }
  out("<section id=jobs><h2>Jobs</h2>");
  if (data.jobs.size() > kMostRows) {
    out(StrCat("<p class=note>The first ", CountText(kMostRows), " of ",
               CountText(static_cast<int64_t>(data.jobs.size())), "; report.csv has all of them.</p>"));
  }
  out("<p class=tools><input type=search class=filter placeholder=\"filter: words of any column\" aria-label=filter> "
      "<span class=chips><button type=button data-state=\"\" aria-pressed=true>all</button>");
  for (const char* state : {"done", "failed", "left"}) {
    out(StrCat("<button type=button data-state=", state, " aria-pressed=false>", state, "</button>"));
  }
  out("</span> <span class=count></span></p><div class=scroll><table class=sortable id=jobstable><thead><tr>");
  out(Head("job", false) + Head("state", false));
  for (const char* title : {"seconds", "speed-up", "skipped", "PSNR dB", "SSIM"}) out(Head(title));
  for (const std::string& key : keys) out(Head(key, false));
  for (const char* title : {"denoising", "decoding", "flicker", "memory", "attempts"}) out(Head(title));
  out(Head("device", false) + Head("process", false) + Head("files", false) + "</tr></thead><tbody>\n");
  for (size_t i = 0; i < std::min(data.jobs.size(), kMostRows); ++i) {
    const ReportJob& job = data.jobs[i];
    std::string row =
        StrCat("<tr id=job", i, " data-state=", StateName(job.state), "><td>", EscapedShort(job.Title(), 120),
               "</td><td><span class=\"state ", StateName(job.state), "\">", StateName(job.state), "</span>",
               job.note.empty() ? "" : " <span class=note>" + EscapedShort(job.note, 80) + "</span>", "</td>");
    const auto cell = [&](std::optional<double> value, const std::string& text) { row += NumberCell(value, text); };
    cell(job.Seconds(), SecondsText(job.Seconds()));
    cell(job.speedup, FixedText(job.speedup, 2) + " ×");
    cell(job.sparsity, PercentText(job.sparsity));
    cell(job.identical ? std::optional(1e6) : job.psnr_db, job.identical ? "identical" : FixedText(job.psnr_db, 2));
    cell(job.ssim, FixedText(job.ssim, 4));
    for (const std::string& key : keys) {
      const std::string text = job.Setting(key);
      const bool number = job.settings.contains(key) && job.settings[key].is_number();
      row += number ? NumberCell(job.settings[key].get<double>(), Escaped(text))
                    : StrCat("<td class=\"wide", key == "prompt" ? " prompt" : "", "\">", EscapedShort(text, 160),
                             "</td>");
    }
    cell(job.denoise_s, SecondsText(job.denoise_s));
    cell(job.decode_s, SecondsText(job.decode_s));
    cell(job.flicker, FixedText(job.flicker, 5));
    cell(job.peak_memory_bytes > 0 ? std::optional(static_cast<double>(job.peak_memory_bytes)) : std::nullopt,
         ByteSize(job.peak_memory_bytes));
    cell(static_cast<double>(job.attempts.size()), std::to_string(job.attempts.size()));
    row += Cell(EscapedShort(job.device, 60));
    row += Cell(job.last() != nullptr ? EscapedShort(job.last()->process, 60) : "");
    row += "<td class=files>";
    for (const std::string& output : job.outputs) {
      const std::string name = output.substr(output.find_last_of('/', output.size() - 2) + 1);
      row += job.state == State::kDone
                 ? StrCat("<a href=\"", LinkTo(output, data.folder), "\">", EscapedShort(name, 60), "</a> ")
                 : EscapedShort(name, 60) + " ";
    }
    if (!job.comparison.empty()) {
      row += StrCat("<a href=\"", LinkTo(job.comparison + "/report.html", data.folder), "\">comparison</a>");
    }
    out(row + "</td></tr>\n");
  }
  out("</tbody></table></div></section>\n");
}

void WriteMachines(const BatchData& data, const Sink& out) {
  struct Group {
    int64_t jobs = 0;
    std::set<std::string> kernels;
  };
  std::map<std::vector<std::string>, Group> groups;
  for (const ReportJob& job : data.jobs) {
    if (job.state == State::kLeft && job.attempts.empty()) continue;
    const std::string host = job.last() != nullptr ? job.last()->host : "";
    Group& group = groups[{host, job.device, job.dtype, job.version, job.model, job.model_hash.substr(0, 12)}];
    ++group.jobs;
    if (!job.kernels.empty()) group.kernels.insert(job.kernels);
  }
  out(StrCat("<section id=machines><h2>Machines and versions</h2><p class=note>This page: sparge ", SPARGE_VERSION,
             ".</p><div class=scroll><table class=sortable><thead><tr>"));
  for (const char* title : {"host", "device", "numbers", "sparge", "model", "model's hash"}) out(Head(title, false));
  out(Head("jobs") + Head("kernels that ran", false) + "</tr></thead><tbody>");
  int64_t shown = 0;
  for (const auto& [facts, group] : groups) {
    if (++shown > 200) break;
    std::string row = "<tr>";
    for (const std::string& fact : facts) row += Cell(fact.empty() ? "–" : EscapedShort(fact, 100));
    const std::vector<std::string> kernels(group.kernels.begin(), group.kernels.end());
    out(row + NumberCell(static_cast<double>(group.jobs), CountText(group.jobs)) + "<td class=wide>" +
        EscapedShort(Join(kernels, " · "), 300) + "</td></tr>");
  }
  out("</tbody></table></div></section>\n");
}

}  // namespace app
