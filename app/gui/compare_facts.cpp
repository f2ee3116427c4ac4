#include "app/gui/compare_facts.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "app/seen/attention_view.h"
#include "app/settings/text.h"
#include "app/settings/value.h"
#include "attention/base/error.h"

namespace app {
namespace {

using base::StrCat;

std::string RateText(double fps) { return ShortestNumber(std::round(fps * 1e3) / 1e3) + " fps"; }

std::string FramesText(int64_t frames) { return StrCat(frames, frames == 1 ? " frame" : " frames"); }

std::string SizeText(int64_t width, int64_t height) { return StrCat(width, " × ", height); }

std::string JobText(const nlohmann::json& job) {
  constexpr size_t kMost = 4000;
  if (!job.is_object()) return "No job is known: the file holds none, and there is no sidecar of it.";
  std::string text;
  for (const auto& [key, value] : job.items()) {
    if (value.is_null() || text.size() > kMost) continue;
    const std::string shown =
        value.is_structured() ? value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) : ToText(value);
    text += (text.empty() ? "" : "\n") + key + ": " + std::string(CutUTF8(shown, 400));
  }
  return text;
}

std::string DB(double value) { return std::isinf(value) ? "identical" : Fixed(value, 2) + " dB"; }

std::vector<double> SkippedOf(const AttentionView& view, int64_t num_steps) {
  std::vector<double> shares(static_cast<size_t>(num_steps * view.num_layers),
                             std::numeric_limits<double>::quiet_NaN());
  for (const AttentionView::Step& step : view.steps) {
    if (step.step < 0 || step.step >= num_steps) continue;
    for (size_t layer = 0; layer < step.layers.size() && static_cast<int64_t>(layer) < view.num_layers; ++layer) {
      if (step.layers[layer].visible_blocks <= 0) continue;
      shares[static_cast<size_t>(step.step * view.num_layers) + layer] = step.layers[layer].sparsity();
    }
  }
  return shares;
}

}  // namespace

void DescribeClip(const CompareResult& compared, size_t index, ui::CompareClip& clip) {
  const SourceInfo& source = compared.sources[index];
  const SourceLabel& label = compared.labels[index];
  clip.letter = label.letter;
  clip.title = label.title;
  clip.details = label.details;
  clip.path = source.path;
  clip.name = source.name;
  clip.width_px = static_cast<int>(source.width_px);
  clip.height_px = static_cast<int>(source.height_px);
  clip.num_frames = source.num_frames;
  clip.has_record = source.provenance.sidecar.is_object();
  clip.facts = SizeText(source.width_px, source.height_px) + " · " + FramesText(source.num_frames) +
               (source.fps > 0 ? " · " + RateText(source.fps) : "") + " · " + source.kind;
  clip.job_text = JobText(source.provenance.job);
  clip.fitted.clear();
  if (index > 0 && (source.width_px != compared.alignment.width_px || source.height_px != compared.alignment.height_px))
    clip.fitted = "shown at " + SizeText(compared.alignment.width_px, compared.alignment.height_px);
}

std::vector<std::string> RemarksOf(const CompareResult& compared) {
  std::vector<std::string> remarks;
  const SourceInfo& a = compared.sources[0];
  const Alignment& clock = compared.alignment;
  for (size_t i = 1; i < compared.sources.size(); ++i) {
    const SourceInfo& source = compared.sources[i];
    const Track& track = clock.tracks[i];
    const std::string letter = LetterOf(i);
    if (source.width_px != clock.width_px || source.height_px != clock.height_px) {
      remarks.push_back(letter + " is " + SizeText(source.width_px, source.height_px) + ", A " +
                        SizeText(clock.width_px, clock.height_px) +
                        ": it is stretched to A's size; differences and numbers resize it (bicubic)");
    }
    if (track.by_time) {
      remarks.push_back(letter + " runs at " + RateText(source.fps) + ", A at " + RateText(clock.fps) +
                        ": what is on screen at A's times");
    } else if (source.fps > 0 && std::fabs(source.fps - clock.fps) > 5e-4 * clock.fps) {
      remarks.push_back(letter + " runs at " + RateText(source.fps) + ", A at " + RateText(clock.fps) +
                        ": frame by frame, at A's rate");
    }
    if (source.num_frames != a.num_frames && !track.by_time) {
      remarks.push_back(letter + " has " + FramesText(source.num_frames) + ", A " + std::to_string(a.num_frames) +
                        ": " + FramesText(clock.num_frames) + " are compared");
    }
  }
  const bool shorter = clock.num_frames < a.num_frames;
  if (shorter && remarks.empty()) remarks.push_back(FramesText(clock.num_frames) + " are in all clips");
  return remarks;
}

std::vector<ui::Figure> FiguresOf(const std::vector<FrameMetrics>& frames, bool on_frames, bool in_region) {
  if (frames.empty()) return {};
  const MetricsSummary s = Summarise(frames);
  const std::string where = std::string(on_frames ? "\nMeasured on the frames before encoding."
                                                  : "\nMeasured on the decoded files: encoding is part of it.") +
                            (in_region ? "\nOnly inside the region that is marked." : "");
  const std::string psnr = "PSNR: 10 log10(255² / MSE) of 8-bit RGB against A, per frame.\n";
  const std::string low = "\nLow against dense means another trajectory, not a worse clip.";
  const std::string ssim = "SSIM: of BT.709 luma, 11 × 11 Gaussian window, σ 1.5; 1 is equal.\n";
  const std::string flicker = "Flicker: mean |(A_t − A_t−1) − (B_t − B_t−1)| of luma in 0…1; 0 is equal.\n";
  const auto number = [](double value, int digits) {
    const std::string text = Fixed(value, digits);
    return text.empty() ? std::string("–") : text;
  };
  return {
      {"PSNR", DB(s.psnr), psnr + "The clip's value: of the mean MSE over all frames." + low + where},
      {"mean", s.identical_frames == static_cast<int64_t>(frames.size()) ? "identical" : DB(s.psnr_mean),
       psnr + "Mean over the frames that differ." + where},
      {"min", DB(s.psnr_min), psnr + "The worst frame's." + where},
      {"p5", DB(s.psnr_p5), psnr + "5th percentile over all frames, straight between neighbours." + where},
      {"SSIM", number(s.ssim_mean, 4), ssim + "Mean over all frames." + where},
      {"min", number(s.ssim_min, 4), ssim + "The worst frame's." + where},
      {"p5", number(s.ssim_p5, 4), ssim + "5th percentile over all frames." + where},
      {"flicker", number(s.flicker_mean, 5), flicker + "Mean over all frames but the first, which has none." + where},
      {"max", number(s.flicker_max, 5), flicker + "The worst frame's." + where},
      {"p95", number(s.flicker_p95, 5), flicker + "95th percentile." + where},
  };
}

std::vector<ui::Figure> SpeedsOf(const CompareResult& compared) {
  std::vector<ui::Figure> speeds;
  const Provenance& a = compared.sources[0].provenance;
  for (size_t i = 1; i < compared.sources.size(); ++i) {
    const Provenance& b = compared.sources[i].provenance;
    const std::string pair = "A → " + LetterOf(i);
    if (a.seconds() > 0 && b.seconds() > 0) {
      speeds.push_back({pair,
                        Fixed(a.seconds(), 1) + " s → " + Fixed(b.seconds(), 1) + " s (" +
                            Fixed(a.seconds() / b.seconds(), 2) + "×)",
                        "Seconds of the whole render, all stages: `timings_s.total` of the sidecars. In brackets A's "
                        "seconds over " +
                            LetterOf(i) + "'s."});
    }
    if (a.sparsity() >= 0 && b.sparsity() >= 0) {
      speeds.push_back({pair, Fixed(100 * a.sparsity(), 1) + " % → " + Fixed(100 * b.sparsity(), 1) + " % skipped",
                        "Share of the attention's work that was skipped: `attention.sparsity` of the sidecars, as the "
                        "paper counts it (blocks of Q·K and tiles of P·V)."});
    }
  }
  return speeds;
}

bool IsNoiseFloor(const CompareResult& compared, size_t other) {
  const nlohmann::json& job = compared.sources[0].provenance.job;
  if (!job.is_object() || job.value("attention.mode", nlohmann::json()) != "dense") return false;
  const std::vector<DifferingSetting> differing = DifferingSettings({compared.sources[0], compared.sources[other]});
  return differing.size() == 1 && differing[0].key == "attention.kernel";
}

std::vector<ui::CompareHeat> HeatsOf(const CompareResult& compared, size_t left, size_t right, std::string& note) {
  std::vector<ui::CompareHeat> heats;
  std::vector<std::optional<AttentionView>> views;
  std::vector<std::string> missing;
  for (const size_t i : {left, right}) {
    const nlohmann::json& sidecar = compared.sources[i].provenance.sidecar;
    const bool has = sidecar.is_object() && sidecar.contains("attention");
    views.push_back(has ? ViewOfRecord(sidecar["attention"]) : std::nullopt);
    if (!views.back()) missing.push_back(LetterOf(i));
  }
  note = missing.empty() ? "" : "No record of attention beside " + List(missing) + ": the sidecar is missing.";
  int64_t steps = 0;
  for (const auto& view : views) {
    if (view && !view->steps.empty()) steps = std::max(steps, view->steps.back().step + 1);
  }
  constexpr int64_t kMostSteps = 2000, kMostLayers = 2000;
  const char* const definition =
      "Share of the work skipped, all steps, layers, heads and passes together: blocks of Q·K and tiles of P·V, as "
      "the paper counts it.";
  for (size_t side = 0; side < 2; ++side) {
    const auto& view = views[side];
    if (!view || steps > kMostSteps || view->num_layers > kMostLayers) continue;
    ui::CompareHeat heat;
    heat.title = LetterOf(side == 0 ? left : right);
    heat.num_steps = static_cast<int>(steps);
    heat.num_layers = static_cast<int>(view->num_layers);
    heat.skipped = SkippedOf(*view, steps);
    heat.total = {heat.title + "  " + compared.labels[side == 0 ? left : right].title,
                  Fixed(100 * view->total.sparsity(), 1) + " % skipped", definition};
    heats.push_back(std::move(heat));
  }
  if (heats.size() != 2) return heats;
  if (heats[0].num_layers != heats[1].num_layers) {
    note = "The two have different numbers of layers: there is no difference to show.";
    return heats;
  }
  ui::CompareHeat difference = heats[1];
  difference.title = heats[1].title + " − " + heats[0].title;
  difference.is_difference = true;
  for (size_t i = 0; i < difference.skipped.size(); ++i) difference.skipped[i] -= heats[0].skipped[i];
  const double moved = views[1]->total.sparsity() - views[0]->total.sparsity();
  difference.total = {difference.title, (moved >= 0 ? "+" : "") + Fixed(100 * moved, 1) + " points",
                      std::string(definition) + "\nThe right clip's less the left one's, in points of 100 %."};
  heats.push_back(std::move(difference));
  return heats;
}

int64_t WorstFrame(const std::vector<FrameMetrics>& frames) {
  if (frames.empty()) return -1;
  const auto worse = [](const FrameMetrics& a, const FrameMetrics& b) {
    return a.mse != b.mse ? a.mse > b.mse : a.ssim < b.ssim;
  };
  return std::min_element(frames.begin(), frames.end(), worse) - frames.begin();
}

}  // namespace app
