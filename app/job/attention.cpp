#include "app/job/attention.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "app/job/attention_door.h"
#include "app/job/attention_profile.h"
#include "app/settings/sha256.h"
#include "app/settings/text.h"
#include "pipeline/attention_plan.h"

namespace app {
namespace {

constexpr const char* kFiles[] = {"attention.profile", "attention.block_maps"};
constexpr const char* kDefault = "default";  // who sets what nobody else does
constexpr int64_t kStepsToSpare = 10;

std::optional<std::vector<int64_t>> Indices(const Value& list, int64_t count, const std::string& what,
                                            ErrorList& errors) {
  if (!list.is_string()) return std::nullopt;
  std::vector<int64_t> indices;
  errors.Try([&] { indices = ExpandIndices(list.get<std::string>(), count, what); });
  return indices;
}

// The settings that `value` looks up by their last names.
pipeline::AttentionChoice ChoiceOf(const std::function<Value(const char*)>& value) {
  pipeline::AttentionChoice choice;
  const auto text = [&](const char* key, std::optional<std::string>& field) {
    if (const Value v = value(key); v.is_string()) field = v.get<std::string>();
  };
  const auto number = [&](const char* key, std::optional<double>& field) {
    if (const Value v = value(key); v.is_number()) field = v.get<double>();
  };
  text("mode", choice.mode);
  text("kernel", choice.kernel);
  text("dense_as", choice.dense_as);
  number("topk", choice.topk);
  number("cdf", choice.cdf);
  number("theta", choice.theta);
  number("lambda", choice.lambda);
  if (const Value sink = value("sink"); sink.is_boolean()) choice.sink = sink.get<bool>();
  return choice;
}

std::vector<pipeline::AttentionRule> RulesOf(const Value& rules, int64_t steps, int64_t layers, ErrorList& errors) {
  std::vector<pipeline::AttentionRule> result;
  if (!rules.is_array()) return result;
  for (const Value& rule : rules) {
    const auto value = [&](const char* key) { return rule.value(key, Value(nullptr)); };
    const std::string name = "attention.schedule: rule " + std::to_string(result.size() + 1) + ": ";
    result.push_back({Indices(value("steps"), steps, name + "steps", errors),
                      Indices(value("layers"), layers, name + "layers", errors), ChoiceOf(value)});
  }
  return result;
}

}  // namespace

bool SetsAttention(const Layer& model_settings) {
  return std::any_of(model_settings.begin(), model_settings.end(), [](const auto& item) {
    return item.first.starts_with("attention.") && !item.second.value.is_null();
  });
}

void ResolveAttentionFiles(EffectiveSettings& settings) {
  for (const char* key : kFiles) {
    if (!settings.IsSet(key)) continue;
    const std::filesystem::path path = std::filesystem::absolute(settings.Text(key)).lexically_normal();
    settings.Set(key, path.string(), settings.where(key));
  }
  if (!settings.IsSet("attention.profile")) return;
  for (const char* key : {"attention.mode", "attention.theta", "attention.lambda"}) {
    if (settings.where(key) == kDefault) settings.Set(key, nullptr, kDefault);
  }
}

void StartUntuned(const std::vector<Layer>& layers, EffectiveSettings& settings, std::vector<std::string>& notices) {
  const std::string mode = settings.TextOr("attention.mode", "");
  if (settings.IsSet("attention.profile") || mode == "dense") return;
  std::vector<std::string> starts;
  const auto start = [&](const char* key, const char* what) {
    const bool said =
        std::any_of(layers.begin(), layers.end(), [&](const Layer& layer) { return layer.count(key) > 0; });
    if (said) return;
    settings.Set(key, "0", "untuned model");
    starts.emplace_back(what);
  };
  start("attention.dense_layers", "layer 0");
  if (settings.Int("steps") >= kStepsToSpare) start("attention.dense_steps", "step 0");
  notices.push_back("the model is untuned: no profile, and no sparge.yaml that sets attention" +
                    (starts.empty() ? ""
                                    : "; " + Join(starts, " and ") + (starts.size() > 1 ? " run" : " runs") + " " +
                                          settings.Text("attention.dense_as")));
}

pipeline::AttentionSettings AttentionOf(const EffectiveSettings& settings, const pipeline::ModelInfo& model,
                                        ErrorList& errors) {
  ErrorList wrong;
  const int64_t steps = settings.Int("steps");
  pipeline::AttentionSettings attention;
  attention.choice = ChoiceOf([&](const char* key) { return settings.at(std::string("attention.") + key); });
  attention.order = settings.Text("attention.order");
  const auto indices = [&](const char* key, int64_t count) {
    return Indices(settings.at(key), count, key, wrong).value_or(std::vector<int64_t>());
  };
  attention.dense_steps = indices("attention.dense_steps", steps);
  attention.dense_layers = indices("attention.dense_layers", model.num_layers);
  attention.schedule = RulesOf(settings.at("attention.schedule"), steps, model.num_layers, wrong);
  attention.block_maps = settings.TextOr("attention.block_maps", "");
  if (settings.IsSet("attention.profile")) {
    wrong.Try([&] { attention.profile = ReadAttentionProfile(settings.Text("attention.profile"), model, wrong); });
  }
  wrong.Try([&] { CheckKernel(attention.choice.mode.value_or("sparge"), attention.choice.kernel.value_or("auto")); });
  if (!attention.block_maps.empty()) {
    wrong.Try(
        [&] { pipeline::BlockMaps::Open(attention.block_maps)->Check(steps, model.num_layers, model.num_heads, 0); });
  }
  if (wrong.empty()) {  // what is left to check: kernels of rules
    wrong.Try([&] { pipeline::AttentionPlan(attention, {steps, model.num_layers, model.num_heads, 0}); });
  }
  errors.Try([&] { wrong.ThrowIfAny(); });
  return attention;
}

std::map<std::string, std::string> FilesInHash(const EffectiveSettings& settings) {
  std::map<std::string, std::string> hashes;
  for (const char* key : kFiles) {
    std::error_code error;
    if (!settings.IsSet(key) || !std::filesystem::is_regular_file(settings.Text(key), error)) continue;
    std::ifstream in(settings.Text(key), std::ios::binary);
    SHA256 sha;
    std::string piece(1 << 20, '\0');
    while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())) || in.gcount() > 0) {
      sha.Update(std::string_view(piece).substr(0, static_cast<size_t>(in.gcount())));
    }
    hashes[key] = sha.Hex();
  }
  return hashes;
}

}  // namespace app
