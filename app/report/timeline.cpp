#include <algorithm>
#include <cmath>
#include <map>

#include "app/console/observer.h"
#include "app/report/page.h"
#include "attention/base/error.h"

namespace app {
namespace {

using base::StrCat;

constexpr size_t kMostBars = 6000, kMostLanes = 200;
constexpr double kWidth = 1120, kLeft = 150, kLane = 18, kGap = 8, kTop = 6, kFoot = 24;

struct Bar {
  double begin = 0, end = 0;
  const ReportJob* job = nullptr;
  const Attempt* attempt = nullptr;
  size_t lane = 0;
};

struct Process {
  std::vector<Bar> bars;
  size_t lanes = 1;
};

// While the files of one job are written the next one renders: bars of one process may overlap, and take lanes below
// one another. Begins are known to the second.
void AssignLanes(Process& process) {
  std::stable_sort(process.bars.begin(), process.bars.end(),
                   [](const Bar& a, const Bar& b) { return a.begin < b.begin; });
  std::vector<double> ends;
  for (Bar& bar : process.bars) {
    size_t lane = 0;
    while (lane < ends.size() && ends[lane] > bar.begin + 1) ++lane;
    if (lane == ends.size()) ends.push_back(-INFINITY);
    const double shift = std::max(0.0, ends[lane] - bar.begin);
    bar.begin += shift;
    bar.end = std::max(bar.end, bar.begin + std::min(bar.attempt->seconds, 1.0));
    ends[lane] = bar.end;
    bar.lane = lane;
  }
  process.lanes = std::max<size_t>(ends.size(), 1);
}

// A step of the axis in seconds, such that there are at most ten.
double TickOf(double span) {
  for (const double step : {1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0,
                            14400.0, 21600.0, 43200.0}) {
    if (span / step <= 10) return step;
  }
  return std::ceil(span / 86400 / 10) * 86400;
}

}  // namespace

void WriteTimeline(const BatchData& data, const Sink& out) {
  std::map<std::string, Process> processes;
  double first = INFINITY, last = -INFINITY;
  size_t count = 0;
  for (const ReportJob& job : data.jobs) {
    for (const Attempt& attempt : job.attempts) {
      const std::optional<double> begin = SecondsOf(attempt.started);
      if (!begin || attempt.adopted || count >= kMostBars) continue;
      const double seconds = std::clamp(attempt.seconds, 0.0, 1e8);
      processes[attempt.process].bars.push_back({*begin, *begin + seconds, &job, &attempt});
      first = std::min(first, *begin);
      last = std::max(last, *begin + seconds);
      ++count;
    }
  }
  if (count == 0) return;
  double lanes = 0;
  size_t shown = 0;
  for (auto& [name, process] : processes) {
    if (++shown > kMostLanes) break;
    AssignLanes(process);
    for (const Bar& bar : process.bars) last = std::max(last, bar.end);
    lanes += static_cast<double>(process.lanes) * kLane + kGap;
  }
  const double span = std::max(last - first, 1.0), height = kTop + lanes + kFoot;
  const auto x = [&](double t) { return kLeft + (t - first) / span * (kWidth - kLeft - 8); };
  out(
      StrCat("<section id=timeline><h2>Timeline</h2><p class=note>A row a process, a bar an attempt: <i class=\"key "
             "done\"></i>done <i class=\"key failed\"></i>failed <i class=\"key left\"></i>cancelled; ",
             SecondsText(span),
             " in all.</p><div class=scroll><svg class=time "
             "viewBox=\"0 0 ",
             kWidth, " ", FixedText(height, 0), "\" width=", kWidth, " height=", FixedText(height, 0),
             " role=img aria-label=\"timeline of the jobs by process\">\n"));
  const double tick = TickOf(span);
  for (double t = 0; t <= span; t += tick) {
    const std::string at = FixedText(x(first + t), 1);
    out(StrCat("<line x1=", at, " x2=", at, " y1=0 y2=", FixedText(height - kFoot, 0), "></line><text x=", at,
               " y=", FixedText(height - 8, 0), " text-anchor=middle>", Duration(t), "</text>"));
  }
  double top = kTop;
  shown = 0;
  for (const auto& [name, process] : processes) {
    if (++shown > kMostLanes) break;
    out(StrCat("<text class=process x=", kLeft - 8, " y=", FixedText(top + 13, 1), " text-anchor=end>",
               EscapedShort(name.size() > 20 ? "…" + name.substr(name.size() - 19) : name, 40), "</text>\n"));
    for (const Bar& bar : process.bars) {
      const std::string& status = bar.attempt->status;
      const double left = x(bar.begin), width = std::max(x(bar.end) - left, 1.0);
      out(StrCat("<rect class=",
                 status == "done"     ? "done"
                 : status == "failed" ? "failed"
                                      : "left",
                 " x=", FixedText(left, 1), " y=", FixedText(top + static_cast<double>(bar.lane) * kLane, 1), " width=",
                 FixedText(width, 1), " height=", kLane - 3, " rx=2><title>", EscapedShort(bar.job->Title(), 100), ", ",
                 EscapedShort(status, 20), ", ", SecondsText(bar.attempt->seconds), "</title></rect>"));
    }
    top += static_cast<double>(process.lanes) * kLane + kGap;
    out("\n");
  }
  out("</svg></div>");
  if (count >= kMostBars || processes.size() > kMostLanes) {
    out(StrCat("<p class=note>The first ", CountText(kMostBars), " attempts and ", kMostLanes, " processes.</p>"));
  }
  out("</section>\n");
}

}  // namespace app
