#include "app/compare/report.h"

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "app/settings/text.h"
#include "app/settings/value.h"
#include "attention/base/error.h"

namespace app {
namespace {

using nlohmann::json;

// Null for infinity and NaN.
json Number(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

// With all the digits that are worth something; `inf` and "" as they are.
std::string CsvNumber(double value) {
  if (std::isnan(value)) return "";
  if (std::isinf(value)) return "inf";
  return ShortestNumber(value);
}

std::string CsvText(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

// Valid UTF-8: a path may be anything.
std::string Clean(const std::string& text) {
  return json::parse(json(text).dump(-1, ' ', false, json::error_handler_t::replace)).get<std::string>();
}

json SourceJSON(const CompareResult& result, size_t i) {
  const SourceInfo& source = result.sources[i];
  const Provenance& provenance = source.provenance;
  return {{"letter", LetterOf(i)},
          {"path", Clean(source.path)},
          {"name", Clean(source.name)},
          {"label", Clean(result.labels[i].title)},
          {"kind", Clean(source.kind)},
          {"width", source.width_px},
          {"height", source.height_px},
          {"frames", source.num_frames},
          {"fps", source.fps > 0 ? json(source.fps) : json(nullptr)},
          {"hash", provenance.hash.empty() ? json(nullptr) : json(Clean(provenance.hash))},
          {"seconds", provenance.seconds() >= 0 ? json(provenance.seconds()) : json(nullptr)},
          {"sparsity", provenance.sparsity() >= 0 ? json(provenance.sparsity()) : json(nullptr)}};
}

// What was done to this source to fit the clock; null where nothing was.
json AlignedJSON(const CompareResult& result, size_t i) {
  const SourceInfo& source = result.sources[i];
  const Alignment& alignment = result.alignment;
  const Track& track = alignment.tracks[i];
  json aligned = json::object();
  if (source.width_px != alignment.width_px || source.height_px != alignment.height_px) {
    static constexpr const char* kNames[] = {"bicubic", "lanczos", "bilinear", "nearest"};
    aligned["resized"] = {{"width", alignment.width_px},
                          {"height", alignment.height_px},
                          {"filter", kNames[static_cast<int>(alignment.filter)]}};
  }
  if (track.by_time) aligned["resampled_from_fps"] = track.fps;
  if (track.skip > 0) aligned["skipped_frames"] = track.skip;
  if (track.by_time && track.start_s > 0) aligned["skipped_seconds"] = track.start_s;
  if (!track.by_time && track.skip + alignment.num_frames < source.num_frames) {
    aligned["frames_left_out_at_end"] = source.num_frames - track.skip - alignment.num_frames;
  }
  return aligned.empty() ? json(nullptr) : aligned;
}

json SummaryJSON(const Comparison& comparison) {
  const MetricsSummary& s = comparison.summary;
  return {
      {"psnr",
       {{"clip", Number(s.psnr)},
        {"mean", Number(s.psnr_mean)},
        {"min", Number(s.psnr_min)},
        {"p5", Number(s.psnr_p5)}}},
      {"ssim", {{"mean", s.ssim_mean}, {"min", s.ssim_min}, {"p5", s.ssim_p5}}},
      {"flicker", {{"mean", Number(s.flicker_mean)}, {"max", Number(s.flicker_max)}, {"p95", Number(s.flicker_p95)}}},
      {"identical_frames", s.identical_frames},
      {"identical", s.identical_frames == static_cast<int64_t>(comparison.frames.size())}};
}

json FramesJSON(const Comparison& comparison) {
  json psnr = json::array(), ssim = json::array(), flicker = json::array();
  for (const FrameMetrics& frame : comparison.frames) {
    psnr.push_back(Number(PSNROf(frame.mse)));
    ssim.push_back(frame.ssim);
    flicker.push_back(Number(frame.flicker));
  }
  return {{"psnr", psnr}, {"ssim", ssim}, {"flicker", flicker}};
}

const char* MeasuredOn(const Comparison& comparison) { return comparison.on_frames ? "frames" : "decoded"; }

size_t Columns(const std::string& text) {
  size_t columns = 0;
  for (char c : text) columns += (c & 0xC0) != 0x80;
  return columns;
}

// Text from a file name, fit for a terminal.
std::string Safe(std::string text) {
  for (char& c : text) {
    if ((c >= 0 && c < 0x20) || c == 0x7F) c = '?';
  }
  return text;
}

}  // namespace

std::string MetricsCSV(const CompareResult& result) {
  std::string text = "other,frame,time_s,psnr_db,ssim,flicker,mse\n";
  for (size_t i = 0; i < result.others.size(); ++i) {
    const std::string name = CsvText(result.sources[i + 1].name);
    const std::vector<FrameMetrics>& frames = result.others[i].frames;
    for (size_t t = 0; t < frames.size(); ++t) {
      const double time_s = static_cast<double>(t) / result.alignment.fps;
      text += name + "," + std::to_string(t) + "," + Fixed(time_s, 6) + "," + CsvNumber(PSNROf(frames[t].mse)) + "," +
              CsvNumber(frames[t].ssim) + "," + CsvNumber(frames[t].flicker) + "," + CsvNumber(frames[t].mse) + "\n";
    }
  }
  return text;
}

std::string MetricsJSON(const CompareResult& result) {
  const Alignment& alignment = result.alignment;
  json others = json::array();
  for (size_t i = 0; i < result.others.size(); ++i) {
    const Comparison& comparison = result.others[i];
    json other = SourceJSON(result, i + 1);
    other["aligned"] = AlignedJSON(result, i + 1);
    other["measured_on"] = MeasuredOn(comparison);
    other["metrics"] = SummaryJSON(comparison);
    other["per_frame"] = FramesJSON(comparison);
    others.push_back(std::move(other));
  }
  json settings = json::object();
  for (const DifferingSetting& setting : DifferingSettings(result.sources)) settings[setting.key] = setting.values;
  json reference = SourceJSON(result, 0);
  reference["aligned"] = AlignedJSON(result, 0);
  return PrettyJSON({{"schema", 1},
                     {"reference", reference},
                     {"others", others},
                     {"clock",
                      {{"width", alignment.width_px},
                       {"height", alignment.height_px},
                       {"frames", alignment.num_frames},
                       {"fps", alignment.fps}}},
                     {"settings_that_differ", settings}});
}

std::string MetricsTable(const CompareResult& result) {
  std::vector<std::vector<std::string>> rows = {
      {"", "", "PSNR dB", "mean", "min", "5 %", "SSIM", "min", "5 %", "flicker", "measured on"}};
  const auto name_of = [&](size_t i) {
    const SourceLabel& label = result.labels[i];
    const std::string& name = result.sources[i].name;
    return Safe(label.title == name ? name : name + ": " + label.title);
  };
  rows.push_back({"A", name_of(0), "reference"});
  for (size_t i = 0; i < result.others.size(); ++i) {
    const MetricsSummary& s = result.others[i].summary;
    rows.push_back({LetterOf(i + 1), name_of(i + 1), Fixed(s.psnr, 2), Fixed(s.psnr_mean, 2), Fixed(s.psnr_min, 2),
                    Fixed(s.psnr_p5, 2), Fixed(s.ssim_mean, 4), Fixed(s.ssim_min, 4), Fixed(s.ssim_p5, 4),
                    std::isnan(s.flicker_mean) ? "–" : Fixed(s.flicker_mean, 5),
                    result.others[i].on_frames ? "frames before encoding" : "decoded files"});
  }
  std::vector<size_t> widths(rows[0].size());
  for (const auto& row : rows) {
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], Columns(row[c]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      const std::string padding(widths[c] - Columns(row[c]), ' ');
      const bool to_left = c < 2 || c + 1 == widths.size();
      line += (c == 0 ? "" : "  ") + (to_left ? row[c] + padding : padding + row[c]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace app
