#include "pipeline/attention_plan.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "attention/attention.h"
#include "attention/base/error.h"

namespace pipeline {
namespace {

using base::Check;
using base::ErrorCode;

constexpr const char* kDefaultMode = "sparge";

bool OneOf(const std::string& name, std::initializer_list<const char*> names) {
  return std::any_of(names.begin(), names.end(), [&](const char* known) { return name == known; });
}

void CheckNumber(const std::string& where, const char* name, const std::optional<double>& value, double low,
                 double high, const char* expected) {
  Check(!value || (*value >= low && *value <= high), ErrorCode::kInvalidInput, where, name, " is ", value.value_or(0),
        ", expected ", expected);
}

constexpr double kAboveZero = std::numeric_limits<float>::denorm_min();

// `mode`: of the calls that the choice is for, where it gives none itself.
void CheckChoice(const std::string& where, const AttentionChoice& choice, const std::string& mode) {
  try {
    attention::CheckOptions({choice.mode.value_or(mode), choice.kernel.value_or("auto")});
  } catch (const base::Error& error) {
    base::Fail(error.code(), where, error.what());
  }
  if (choice.dense_as) {
    Check(OneOf(*choice.dense_as, {"dense", "dense8"}), ErrorCode::kInvalidInput, where, "dense_as is '",
          *choice.dense_as, "', expected dense or dense8");
  }
  CheckNumber(where, "topk", choice.topk, kAboveZero, 1, "more than 0, at most 1");
  CheckNumber(where, "cdf", choice.cdf, kAboveZero, 1, "more than 0, at most 1");
  CheckNumber(where, "theta", choice.theta, 0, 1, "0 to 1");
  CheckNumber(where, "lambda", choice.lambda, std::numeric_limits<float>::lowest(), 0, "a finite number, 0 or less");
}

std::vector<bool> Marked(const std::string& where, const std::vector<int64_t>& indices, int64_t count) {
  std::vector<bool> marked(static_cast<size_t>(count), false);
  for (int64_t index : indices) {
    Check(index >= 0 && index < count, ErrorCode::kInvalidInput, where, ": ", index, " is out of range: 0 to ",
          count - 1);
    marked[static_cast<size_t>(index)] = true;
  }
  return marked;
}

std::vector<bool> MarkedOrAll(const std::string& where, const std::optional<std::vector<int64_t>>& indices,
                              int64_t count) {
  return indices ? Marked(where, *indices, count) : std::vector<bool>(static_cast<size_t>(count), true);
}

void CheckProfile(const std::map<int64_t, LayerProfile>& profile, const AttentionShape& shape) {
  for (const auto& [layer, said] : profile) {
    const std::string where = base::StrCat("attention.profile: layer ", layer, ": ");
    Check(layer >= 0 && layer < shape.layers, ErrorCode::kInvalidInput, "attention.profile: layer ", layer,
          " is out of range: 0 to ", shape.layers - 1);
    AttentionChoice choice;
    choice.mode = said.mode;
    CheckChoice(where, choice, kDefaultMode);
    const auto check = [&](const char* name, const std::vector<float>& values, auto field) {
      Check(values.empty() || static_cast<int64_t>(values.size()) == shape.heads, ErrorCode::kInvalidInput, where, name,
            " has ", values.size(), " values; this model has ", shape.heads, " heads");
      for (float value : values) {
        AttentionChoice one;
        if (!std::isnan(value)) one.*field = value;
        CheckChoice(where, one, kDefaultMode);
      }
    };
    check("topk", said.topk, &AttentionChoice::topk);
    check("cdf", said.cdf, &AttentionChoice::cdf);
    check("theta", said.theta, &AttentionChoice::theta);
    check("lambda", said.lambda, &AttentionChoice::lambda);
  }
}

std::string RuleName(size_t index) { return base::StrCat("attention.schedule, rule ", index + 1); }

}  // namespace

// What the levels so far say.
struct AttentionPlan::Level {
  PlannedAttention planned;
  std::string dense_as = "dense";
  bool as_dense_as = false;  // the mode is whatever dense_as is
};

AttentionPlan::AttentionPlan(AttentionSettings settings, const AttentionShape& shape) : settings_(std::move(settings)) {
  const AttentionSettings& s = settings_;
  const std::string mode = s.choice.mode.value_or(kDefaultMode);
  CheckChoice("attention: ", s.choice, mode);
  Check(OneOf(s.order, {"raster", "hilbert"}), ErrorCode::kInvalidInput, "attention.order is '", s.order,
        "', expected raster or hilbert");
  dense_step_ = Marked("attention.dense_steps", s.dense_steps, shape.steps);
  dense_layer_ = Marked("attention.dense_layers", s.dense_layers, shape.layers);
  CheckProfile(s.profile, shape);
  for (size_t i = 0; i < s.schedule.size(); ++i) {
    const AttentionRule& rule = s.schedule[i];
    CheckChoice(RuleName(i) + ": ", rule.choice, mode);
    scopes_.push_back({MarkedOrAll(RuleName(i) + ": steps", rule.steps, shape.steps),
                       MarkedOrAll(RuleName(i) + ": layers", rule.layers, shape.layers)});
  }
  if (s.block_maps.empty()) return;
  maps_ = BlockMaps::Open(s.block_maps);
  maps_->Check(shape.steps, shape.layers, shape.heads, shape.tokens);
}

void AttentionPlan::Apply(const AttentionChoice& choice, const std::string& why, Level& level) const {
  PlannedAttention& p = level.planned;
  if (choice.mode) {
    p.options.mode = *choice.mode;
    p.why = why;
    level.as_dense_as = false;
  }
  if (choice.kernel) p.options.kernel = *choice.kernel;
  if (choice.dense_as) level.dense_as = *choice.dense_as;
  if (choice.topk || choice.cdf) {
    p.options.topk = choice.topk;
    p.options.cdf = choice.cdf;
    p.topk.clear();
    p.cdf.clear();
  }
  if (choice.theta) {
    p.options.theta = choice.theta;
    p.theta.clear();
  }
  if (choice.lambda) {
    p.options.lambda = choice.lambda;
    p.lambda.clear();
  }
  if (choice.sink) p.options.sink = *choice.sink;
}

PlannedAttention AttentionPlan::At(int64_t step, int64_t layer) const {
  const size_t s = static_cast<size_t>(step), l = static_cast<size_t>(layer);
  Check(step >= 0 && s < dense_step_.size() && layer >= 0 && l < dense_layer_.size(), ErrorCode::kInternal,
        "no plan for attention at step ", step, ", layer ", layer);
  Level level;
  PlannedAttention& planned = level.planned;
  planned.options.mode = kDefaultMode;
  if (const auto said = settings_.profile.find(layer); said != settings_.profile.end()) {
    const LayerProfile& profile = said->second;
    if (profile.mode) {
      planned.options.mode = *profile.mode;
      planned.why = "as the profile says";
    }
    planned.topk = profile.topk;
    planned.cdf = profile.cdf;
    planned.theta = profile.theta;
    planned.lambda = profile.lambda;
  }
  Apply(settings_.choice, "", level);
  // A job in mode dense is exact throughout: its dense steps and layers are not made coarser.
  if ((dense_step_[s] || dense_layer_[l]) && planned.options.mode != "dense") {
    level.as_dense_as = true;
    planned.why = dense_step_[s] ? base::StrCat("step ", step, " is one of dense_steps")
                                 : base::StrCat("layer ", layer, " is one of dense_layers");
  }
  for (size_t i = 0; i < scopes_.size(); ++i) {
    if (scopes_[i].steps[s] && scopes_[i].layers[l]) Apply(settings_.schedule[i].choice, RuleName(i), level);
  }
  if (level.as_dense_as) planned.options.mode = level.dense_as;
  return planned;
}

}  // namespace pipeline
