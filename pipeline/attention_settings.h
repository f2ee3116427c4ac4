#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

// A job's attention settings (docs/interfaces.md, `attention.`) as the pipeline takes them. No torch here.
namespace pipeline {

// How calls are to run, each field given or left to a lower level. topk and cdf are a pair: a level that gives one of
// them takes neither from below.
struct AttentionChoice {
  std::optional<std::string> mode;      // dense, dense8, sparge, sparge_exact
  std::optional<std::string> kernel;    // auto or a name
  std::optional<std::string> dense_as;  // dense, dense8: what dense steps and layers run as
  std::optional<double> topk, cdf, theta, lambda;
  std::optional<bool> sink;
};

// One rule of `schedule`: the choice at those steps and layers. Absent: all of them. Indices count from 0.
struct AttentionRule {
  std::optional<std::vector<int64_t>> steps, layers;
  AttentionChoice choice;
};

// What a profile says of one layer. Per head, or empty: not given; NaN: not given for that head.
struct LayerProfile {
  std::optional<std::string> mode;
  std::vector<float> topk, cdf, theta, lambda;
};

// Levels, later ones win: the defaults of docs/attention_spec.md (mode sparge, dense_as dense), profile, choice,
// dense_steps and dense_layers, the rules of schedule in their order.
struct AttentionSettings {
  AttentionChoice choice;
  std::string order = "hilbert";                   // of the tokens: raster, hilbert
  std::vector<int64_t> dense_steps, dense_layers;  // from 0
  std::vector<AttentionRule> schedule;
  std::map<int64_t, LayerProfile> profile;  // by layer
  std::string block_maps;                   // a safetensors file that replaces stage one; "": none
};

// Attention in mode dense throughout.
inline AttentionSettings DenseAttention() {
  AttentionSettings settings;
  settings.choice.mode = "dense";
  return settings;
}

}  // namespace pipeline
