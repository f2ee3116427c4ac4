#include "ui/view.h"

#include <algorithm>

namespace ui {

namespace {
double Share(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}
}  // namespace

void SkipCounts::Add(const SkipCounts& other) {
  if (!other.known) return;
  visible_blocks += other.visible_blocks;
  kept_blocks += other.kept_blocks;
  pv_tiles += other.pv_tiles;
  pv_skipped += other.pv_skipped;
  ms += other.ms;
  known = true;
}

double SkipCounts::block_skip() const { return visible_blocks > 0 ? 1 - Share(kept_blocks, visible_blocks) : 0; }

double SkipCounts::pv_skip() const { return Share(pv_skipped, pv_tiles); }

// Q·K and P·V cost the same: half of the work each.
double SkipCounts::total() const {
  const double kept = 1 - block_skip();
  return 1 - kept * (1 - pv_skip() / 2);
}

void SkipGrid::Resize(int steps, int layers, int heads_a_layer) {
  num_steps = steps;
  num_layers = layers;
  num_heads = heads_a_layer;
  heads.assign(static_cast<size_t>(steps) * static_cast<size_t>(layers) * static_cast<size_t>(heads_a_layer), {});
  sums.clear();
}

const SkipCounts& SkipGrid::at(int step, int layer, int head) const {
  return heads.at((static_cast<size_t>(step) * static_cast<size_t>(num_layers) + static_cast<size_t>(layer)) *
                      static_cast<size_t>(num_heads) +
                  static_cast<size_t>(head));
}

SkipCounts& SkipGrid::at(int step, int layer, int head) {
  sums.clear();
  return const_cast<SkipCounts&>(static_cast<const SkipGrid*>(this)->at(step, layer, head));
}

SkipCounts SkipGrid::Layer(int step, int layer) const {
  if (!sums.empty())
    return sums.at(static_cast<size_t>(step) * static_cast<size_t>(num_layers) + static_cast<size_t>(layer));
  SkipCounts sum;
  for (int head = 0; head < num_heads; ++head) sum.Add(at(step, layer, head));
  return sum;
}

SkipCounts SkipGrid::Total() const {
  if (!sums.empty()) return total;
  SkipCounts sum;
  for (const SkipCounts& head : heads) sum.Add(head);
  return sum;
}

double SkipGrid::MostMilliseconds() const {
  if (!sums.empty()) return most_ms;
  double most = 0;
  for (int step = 0; step < num_steps; ++step) {
    for (int layer = 0; layer < num_layers; ++layer) most = std::max(most, Layer(step, layer).ms);
  }
  return most;
}

void SkipGrid::Summarise() {
  sums.clear();
  std::vector<SkipCounts> layers;
  for (int step = 0; step < num_steps; ++step) {
    for (int layer = 0; layer < num_layers; ++layer) layers.push_back(Layer(step, layer));
  }
  total = Total();
  most_ms = MostMilliseconds();
  sums = std::move(layers);
}

void ErrorSums::Add(const ErrorSums& other) {
  total += other.total;
  skipping += other.skipping;
  eight_bit += other.eight_bit;
  dense8 += other.dense8;
  calls += other.calls;
}

void ErrorGrid::Resize(int steps, int layers, int heads_a_layer) {
  std::vector<ErrorSums> larger(static_cast<size_t>(steps) * static_cast<size_t>(layers) *
                                static_cast<size_t>(heads_a_layer));
  const ErrorGrid old = *this;
  num_steps = steps;
  num_layers = layers;
  num_heads = heads_a_layer;
  heads = std::move(larger);
  for (int step = 0; step < std::min(steps, old.num_steps); ++step) {
    for (int layer = 0; layer < std::min(layers, old.num_layers); ++layer) {
      for (int head = 0; head < std::min(heads_a_layer, old.num_heads); ++head)
        at(step, layer, head) = old.at(step, layer, head);
    }
  }
}

const ErrorSums& ErrorGrid::at(int step, int layer, int head) const {
  return heads.at((static_cast<size_t>(step) * static_cast<size_t>(num_layers) + static_cast<size_t>(layer)) *
                      static_cast<size_t>(num_heads) +
                  static_cast<size_t>(head));
}

ErrorSums& ErrorGrid::at(int step, int layer, int head) {
  return const_cast<ErrorSums&>(static_cast<const ErrorGrid*>(this)->at(step, layer, head));
}

ErrorSums ErrorGrid::Layer(int step, int layer) const {
  ErrorSums sum;
  for (int head = 0; head < num_heads; ++head) sum.Add(at(step, layer, head));
  return sum;
}

ErrorSums ErrorGrid::Total() const {
  ErrorSums sum;
  for (const ErrorSums& head : heads) sum.Add(head);
  return sum;
}

const SettingRow* StudioView::Find(const std::string& key) const {
  const auto it = std::find_if(settings.begin(), settings.end(), [&](const SettingRow& row) { return row.key == key; });
  return it == settings.end() ? nullptr : &*it;
}

const JobRow* StudioView::FindJob(uint64_t id) const {
  const auto it = std::find_if(jobs.begin(), jobs.end(), [&](const JobRow& job) { return job.id == id; });
  return it == jobs.end() ? nullptr : &*it;
}

const JobRow* StudioView::Running() const {
  const auto it = std::find_if(jobs.begin(), jobs.end(), [](const JobRow& job) {
    return job.state == JobState::kRunning || job.state == JobState::kPausing || job.state == JobState::kPaused;
  });
  return it == jobs.end() ? nullptr : &*it;
}

}  // namespace ui
