#include "app/report/statistics.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "app/settings/text.h"
#include "attention/base/error.h"

namespace app {
namespace {

// SplitMix64 (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", 2014): small, and the same
// on every machine.
class Random {
 public:
  uint64_t Next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  // 0…n−1.
  size_t Below(size_t n) { return static_cast<size_t>((static_cast<unsigned __int128>(Next()) * n) >> 64); }

 private:
  uint64_t state_ = 20261124;
};

double QuantileOf(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto i = static_cast<size_t>(at);
  const double f = at - static_cast<double>(i);
  return i + 1 < sorted.size() ? sorted[i] * (1 - f) + sorted[i + 1] * f : sorted.back();
}

// An axis, and the names of what it is made of: settings that go together are one.
struct Candidate {
  std::vector<std::string> keys;
  std::vector<ReportAxis> axes;
  const std::vector<size_t>& of_job() const { return axes[0].of_job; }
  size_t count() const { return axes[0].values.size(); }
};

// Whether b is known where a is.
bool Determines(const std::vector<size_t>& a, const std::vector<size_t>& b) {
  std::map<size_t, size_t> image;
  for (size_t i = 0; i < a.size(); ++i) {
    if (image.emplace(a[i], b[i]).first->second != b[i]) return false;
  }
  return true;
}

// A setting that follows from an axis goes into its label; what makes a variant stays with its name.
void AddTo(Candidate& candidate, const std::string& key, const ReportAxis& axis) {
  if (candidate.keys[0] == "variant" || candidate.keys.size() >= 3) return;
  candidate.keys.push_back(key);
  candidate.axes.push_back(axis);
}

std::vector<Candidate> CandidatesOf(const std::vector<const ReportJob*>& jobs,
                                    const std::vector<std::string>& varying) {
  std::vector<std::string> keys = {"variant"};
  keys.insert(keys.end(), varying.begin(), varying.end());
  std::vector<Candidate> found;
  for (const std::string& key : keys) {
    ReportAxis axis = AxisOf(jobs, key);
    if (axis.values.size() < 2) continue;
    bool taken = false;
    for (Candidate& other : found) {
      if (!Determines(other.of_job(), axis.of_job)) continue;
      taken = true;
      AddTo(other, key, axis);
      break;
    }
    if (taken) continue;
    // What it determines goes with it.
    Candidate fresh{{key}, {std::move(axis)}};
    std::erase_if(found, [&](const Candidate& other) {
      if (other.keys[0] == "variant" || !Determines(fresh.of_job(), other.of_job())) return false;
      for (size_t i = 0; i < other.keys.size(); ++i) AddTo(fresh, other.keys[i], other.axes[i]);
      return true;
    });
    found.push_back(std::move(fresh));
  }
  return found;
}

std::string LabelOf(const Candidate& candidate, size_t value) {
  std::vector<std::string> parts;
  const auto job = static_cast<size_t>(std::find(candidate.of_job().begin(), candidate.of_job().end(), value) -
                                       candidate.of_job().begin());
  for (size_t i = 0; i < candidate.keys.size(); ++i) {
    const std::string& text = candidate.axes[i].values[candidate.axes[i].of_job[job]];
    const bool bare = candidate.keys[i] == "variant" || candidate.keys[i] == "prompt";
    parts.push_back(bare ? text : candidate.keys[i] + " " + (text.empty() ? "none" : text));
  }
  return Join(parts, " · ");
}

}  // namespace

MeanInterval BootstrapMean(const std::vector<double>& values) {
  MeanInterval result;
  result.n = static_cast<int64_t>(values.size());
  if (values.empty()) return result;
  const auto n = static_cast<double>(values.size());
  result.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  if (values.size() < 2) return result;
  Random random;
  std::vector<double> means(values.size() > 1000 ? 400 : 2000);
  for (double& mean : means) {
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += values[random.Below(values.size())];
    mean = sum / n;
  }
  std::sort(means.begin(), means.end());
  result.low = QuantileOf(means, 0.025);
  result.high = QuantileOf(means, 0.975);
  return result;
}

const std::vector<Measure>& Measures() {
  static const std::vector<Measure> kMeasures = {
      {"seconds", "s", 2, true, [](const ReportJob& job) { return job.Seconds(); }},
      {"denoising", "s", 2, true, [](const ReportJob& job) { return job.denoise_s; }},
      {"speed-up", "×", 2, false, [](const ReportJob& job) { return job.speedup; }},
      {"skipped", "%", 1, false,
       [](const ReportJob& job) { return job.sparsity ? std::optional(100 * *job.sparsity) : std::nullopt; }},
      {"PSNR", "dB", 2, false, [](const ReportJob& job) { return job.psnr_db; }},
      {"SSIM", "", 4, false, [](const ReportJob& job) { return job.ssim; }},
      {"flicker", "", 5, true, [](const ReportJob& job) { return job.flicker; }},
  };
  return kMeasures;
}

ReportAxis AxisOf(const std::vector<const ReportJob*>& jobs, const std::string& key) {
  ReportAxis axis;
  axis.title = key;
  std::map<std::string, size_t> known;
  for (const ReportJob* job : jobs) {
    const std::string value = key == "job" ? job->name : key == "variant" ? job->variant : job->Setting(key);
    const auto [it, fresh] = known.emplace(value, axis.values.size());
    if (fresh) axis.values.push_back(value);
    axis.of_job.push_back(it->second);
  }
  return axis;
}

ClipGrid LayOut(const std::vector<const ReportJob*>& jobs, const std::vector<std::string>& varying) {
  constexpr size_t kMostColumns = 16;
  std::vector<Candidate> axes = CandidatesOf(jobs, varying);
  // The columns: what leaves the fewest holes, the variants of a comparison before anything else.
  size_t best = axes.size();
  double best_fill = 0.5;
  for (size_t c = 0; c < axes.size(); ++c) {
    if (axes[c].count() > kMostColumns || axes.size() < 2) continue;
    std::set<std::vector<size_t>> rows;
    for (size_t i = 0; i < jobs.size(); ++i) {
      std::vector<size_t> row;
      for (size_t a = 0; a < axes.size(); ++a) row.push_back(a == c ? 0 : axes[a].of_job()[i]);
      rows.insert(row);
    }
    const bool variants = axes[c].keys[0] == "variant";
    const double fill =
        static_cast<double>(jobs.size()) / static_cast<double>(rows.size() * axes[c].count()) + (variants ? 1 : 0);
    if (fill < best_fill || (fill == best_fill && best < axes.size() && axes[best].count() >= axes[c].count()))
      continue;
    best_fill = fill;
    best = c;
  }
  ClipGrid grid;
  if (best == axes.size()) {
    for (size_t i = 0; i < jobs.size(); ++i) {
      std::vector<std::string> parts;
      for (const Candidate& axis : axes) parts.push_back(LabelOf(axis, axis.of_job()[i]));
      grid.flow.emplace_back(parts.empty() ? jobs[i]->Title() : Join(parts, " · "), jobs[i]);
    }
    return grid;
  }
  for (size_t value = 0; value < axes[best].count(); ++value) grid.columns.push_back(LabelOf(axes[best], value));
  std::map<std::vector<size_t>, size_t> rows;
  for (size_t i = 0; i < jobs.size(); ++i) {
    std::vector<size_t> row;
    std::vector<std::string> labels;
    for (size_t a = 0; a < axes.size(); ++a) {
      if (a == best) continue;
      row.push_back(axes[a].of_job()[i]);
      labels.push_back(LabelOf(axes[a], row.back()));
    }
    const auto [it, fresh] = rows.emplace(row, grid.rows.size());
    if (fresh) {
      grid.rows.push_back(labels);
      grid.cells.emplace_back(grid.columns.size(), nullptr);
    }
    const ReportJob*& cell = grid.cells[it->second][axes[best].of_job()[i]];
    if (cell == nullptr) {
      cell = jobs[i];
    } else {
      grid.flow.emplace_back(jobs[i]->Title(), jobs[i]);
    }
  }
  return grid;
}

}  // namespace app
