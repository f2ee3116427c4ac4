#include <algorithm>
#include <cmath>
#include <map>

#include "app/console/observer.h"
#include "app/report/page.h"
#include "app/report/pictures.h"
#include "app/report/statistics.h"
#include "app/settings/text.h"
#include "attention/base/error.h"

namespace app {
namespace {

using base::StrCat;
using State = ReportJob::State;

constexpr size_t kMostAxes = 14, kMostValues = 100;

struct Row {
  std::string value;
  MeanInterval mean;
  std::vector<std::pair<double, const ReportJob*>> worst;  // the worst first
  int64_t identical = 0;
};

// Mean and interval as a line with a dot, on the scale of the table.
std::string IntervalSVG(const MeanInterval& mean, double low, double high) {
  const double span = high > low ? high - low : 1;
  const auto x = [&](double value) { return FixedText(4 + 112 * (value - low) / span, 1); };
  std::string svg = "<svg class=ci viewBox=\"0 0 120 14\" width=120 height=14 aria-hidden=true>";
  if (mean.low) {
    svg += StrCat("<line x1=", x(*mean.low), " x2=", x(*mean.high), " y1=7 y2=7></line>");
  }
  return svg + StrCat("<circle cx=", x(mean.mean), " cy=7 r=3.5></circle></svg>");
}

void WriteTable(const BatchData& data, const ReportAxis& axis, const std::vector<const ReportJob*>& jobs,
                const Measure& measure, bool hidden, const Sink& out) {
  std::vector<Row> rows(std::min(axis.values.size(), kMostValues));
  std::vector<std::vector<double>> values(rows.size());
  for (size_t i = 0; i < jobs.size(); ++i) {
    const size_t r = axis.of_job[i];
    if (r >= rows.size()) continue;
    const std::string title = measure.title;
    if (title == "PSNR") rows[r].identical += jobs[i]->identical;
    const std::optional<double> value = measure.of(*jobs[i]);
    if (!value) continue;
    values[r].push_back(*value);
    rows[r].worst.emplace_back(*value, jobs[i]);
  }
  double low = INFINITY, high = -INFINITY;
  for (size_t r = 0; r < rows.size(); ++r) {
    Row& row = rows[r];
    row.value = axis.values[r];
    row.mean = BootstrapMean(values[r]);
    std::stable_sort(row.worst.begin(), row.worst.end(), [&](const auto& a, const auto& b) {
      return measure.more_is_worse ? a.first > b.first : a.first < b.first;
    });
    if (row.worst.size() > 3) row.worst.resize(3);
    if (row.mean.n == 0) continue;
    low = std::min(low, row.mean.low.value_or(row.mean.mean));
    high = std::max(high, row.mean.high.value_or(row.mean.mean));
  }
  out(StrCat("<div class=\"scroll measure\" data-axis=\"", Escaped(axis.title), "\" data-measure=\"", measure.title,
             "\"", hidden ? " hidden" : "", "><table class=sortable><thead><tr>", Head(axis.title, false), Head("n"),
             Head(StrCat("mean ", measure.title, *measure.unit ? StrCat(", ", measure.unit) : "")), Head("95 % from"),
             Head("to"), "<th></th><th>worst three</th></tr></thead><tbody>"));
  for (const Row& row : rows) {
    if (row.mean.n == 0 && row.identical == 0) continue;
    const auto number = [&](std::optional<double> value) {
      return NumberCell(value, FixedText(value, measure.digits));
    };
    std::vector<std::string> worst;
    for (const auto& [value, job] : row.worst) {
      worst.push_back(
          StrCat("<span class=nobreak>", FixedText(value, measure.digits), " ", JobLink(data, *job), "</span>"));
    }
    const std::optional<double> mean = row.mean.n > 0 ? std::optional(row.mean.mean) : std::nullopt;
    out(StrCat("<tr><td class=wide>", row.value.empty() ? "none" : EscapedShort(row.value, 160),
               row.identical > 0 ? StrCat(" <span class=note>and ", row.identical, " identical</span>") : "", "</td>",
               NumberCell(static_cast<double>(row.mean.n), CountText(row.mean.n)), number(mean), number(row.mean.low),
               number(row.mean.high), "<td>", mean ? IntervalSVG(row.mean, low, high) : "", "</td><td class=worst>",
               Join(worst, ", "), "</td></tr>"));
  }
  out("</tbody></table>");
  if (axis.values.size() > rows.size()) {
    out(StrCat("<p class=note>The first ", rows.size(), " of ", CountText(static_cast<int64_t>(axis.values.size())),
               " values.</p>"));
  }
  out("</div>\n");
}

std::string Options(const std::vector<std::string>& names) {
  std::string html;
  for (const std::string& name : names) html += StrCat("<option>", Escaped(name), "</option>");
  return html;
}

std::string MapHTML(const SkipMap& map, const std::string& title, int64_t count) {
  std::string values;
  double sum = 0, n = 0;
  const bool data = map.values.size() <= 10000;
  for (const float value : map.values) {
    if (data) values += std::isnan(value) ? "-," : StrCat(std::lround(100 * value), ",");
    if (std::isnan(value)) continue;
    sum += value;
    ++n;
  }
  return StrCat("<figure class=heat><figcaption><b>", EscapedShort(title, 120), "</b> <span class=note>mean of ",
                CountText(count), count == 1 ? " job" : " jobs", ", ", PercentText(n > 0 ? sum / n : 0),
                "</span></figcaption><div class=axes><span class=y>layer</span><img alt=\"skipped by step and layer\" "
                "data-steps=",
                map.steps, " data-layers=", map.layers, " data-values=\"", values, "\" src=\"",
                DataURI("image/png", SkipMapPNG(map)), "\" style=\"aspect-ratio:",
                std::clamp(static_cast<double>(map.steps) / static_cast<double>(map.layers), 0.5, 4.0),
                "\"><span class=x>step 0 … ", map.steps - 1,
                "</span></div><output class=note>point at the map</output>", "</figure>");
}

}  // namespace

void WriteMeasures(const BatchData& data, const Sink& out) {
  std::vector<const ReportJob*> jobs;
  for (const ReportJob& job : data.jobs) {
    if (job.state == State::kDone) jobs.push_back(&job);
  }
  if (jobs.empty()) return;
  std::vector<ReportAxis> axes;
  std::vector<std::string> keys = {"variant", "job"};
  keys.insert(keys.end(), data.varying.begin(), data.varying.end());
  for (const std::string& key : keys) {
    ReportAxis axis = AxisOf(jobs, key);
    if (axes.size() < kMostAxes && (axis.values.size() > 1 || key == "variant")) axes.push_back(std::move(axis));
  }
  std::vector<std::string> axis_names, measure_names;
  for (const ReportAxis& axis : axes) axis_names.push_back(axis.title);
  std::vector<const Measure*> measures;
  for (const Measure& measure : Measures()) {
    if (!std::any_of(jobs.begin(), jobs.end(), [&](const ReportJob* job) { return measure.of(*job).has_value(); }))
      continue;
    measures.push_back(&measure);
    measure_names.emplace_back(measure.title);
  }
  if (measures.empty()) return;
  out(StrCat(
      "<section id=measures><h2>Measures</h2><p class=tools><label>by <select class=axis>", Options(axis_names),
      "</select></label> <label>of <select class=of>", Options(measure_names),
      "</select></label></p><p class=note>Means over the jobs that are done, with the 95 % interval of 2000 "
      "bootstrap resamples (fixed seed). Speed-up: denoising of the reference over that of the job. PSNR, SSIM "
      "and flicker are against the reference of the same noise: a low PSNR means another trajectory, not a worse "
      "clip.</p>\n"));
  bool first = true;
  for (const ReportAxis& axis : axes) {
    for (const Measure* measure : measures) {
      WriteTable(data, axis, jobs, *measure, !first, out);
      first = false;
    }
  }
  out("</section>\n");
}

void WriteSkipMaps(const BatchData& data, const Sink& out) {
  constexpr size_t kMostMaps = 60;
  std::vector<std::string> order;
  std::map<std::string, std::vector<const ReportJob*>> groups;
  for (const ReportJob& job : data.jobs) {
    if (job.state != State::kDone || job.skipped.empty() || job.sparsity.value_or(0) <= 0) continue;
    const std::string key =
        StrCat(job.name, "/", job.variant, ", ", job.skipped.steps, " steps, ", job.skipped.layers, " layers");
    std::vector<const ReportJob*>& group = groups[key];
    if (group.empty()) order.push_back(key);
    group.push_back(&job);
  }
  if (order.empty()) return;
  out("<section id=skipped><h2>What attention skipped</h2><p class=note>Share of blocks and tiles not computed, by "
      "step "
      "and layer. <span class=legend></span> 0 … 100 %, grey: not recorded.</p><div class=maps>\n");
  for (size_t i = 0; i < std::min(order.size(), kMostMaps); ++i) {
    int64_t count = 0;
    const SkipMap map = MeanMap(groups[order[i]], count);
    out(MapHTML(map, order[i], count));
  }
  out("</div>\n");
  if (order.size() > kMostMaps) out(StrCat("<p class=note>The first ", kMostMaps, " of ", order.size(), ".</p>"));
  out("</section>\n");
}

void WriteSlowest(const BatchData& data, const Sink& out) {
  std::vector<const ReportJob*> jobs;
  for (const ReportJob& job : data.jobs) {
    if (job.state == State::kDone && job.Seconds()) jobs.push_back(&job);
  }
  if (jobs.empty()) return;
  std::stable_sort(jobs.begin(), jobs.end(),
                   [](const ReportJob* a, const ReportJob* b) { return *a->Seconds() > *b->Seconds(); });
  if (jobs.size() > 5) jobs.resize(5);
  const double most = std::max(*jobs[0]->Seconds(), 1e-9);
  out("<section id=slowest><h2>Slowest five</h2><p class=note><i class=\"key encode\"></i>prompt <i class=\"key "
      "denoise\"></i>denoising <i class=\"key decode\"></i>decoding <i class=\"key write\"></i>writing <i class=\"key "
      "other\"></i>loading and the rest</p><table class=slow><tbody>");
  for (const ReportJob* job : jobs) {
    const double total = *job->Seconds();
    out(StrCat("<tr><td class=wide>", JobLink(data, *job), "</td><td class=n>", SecondsText(total),
               "</td><td class=stack>"));
    double rest = total;
    const std::pair<const char*, std::optional<double>> stages[] = {
        {"encode", job->encode_s}, {"denoise", job->denoise_s}, {"decode", job->decode_s}, {"write", job->write_s}};
    const auto part = [&](const char* name, double seconds) {
      if (seconds <= 0) return;
      out(StrCat("<i class=", name, " title=\"", name, " ", SecondsText(seconds),
                 "\" style=\"width:", FixedText(std::min(100 * seconds / most, 100.0), 2), "%\"></i>"));
    };
    for (const auto& [name, seconds] : stages) {
      const double shown = std::min(seconds.value_or(0), std::max(rest, 0.0));
      part(name, shown);
      rest -= shown;
    }
    part("other", rest);
    out("</td></tr>");
  }
  out("</tbody></table></section>\n");
}

}  // namespace app
