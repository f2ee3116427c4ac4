#include "app/job/attention_profile.h"

#include <cmath>
#include <set>

#include "app/settings/text.h"
#include "app/settings/yaml.h"

namespace app {
namespace {

using pipeline::LayerProfile;

class ProfileReader {
 public:
  ProfileReader(YAMLFile& file, const pipeline::ModelInfo& model) : file_(file), model_(model) {}

  std::map<int64_t, LayerProfile> Read() {
    const YAML::Node& root = file_.root();
    if (!root || !root.IsMap()) {
      file_.Error(root ? root.Mark() : YAML::Mark(), "expected a profile: version, model, layers");
      return {};
    }
    std::map<int64_t, LayerProfile> layers;
    CheckKeys(root, {"version", "model", "tuned_on", "layers"}, {"version", "model", "layers"}, "the profile");
    if (const YAML::Node version = root["version"]) {
      if (Int(version) != 1) file_.Error(version.Mark(), "version: this program reads profiles of version 1");
    }
    if (const YAML::Node model = root["model"]) CheckModel(model);
    if (const YAML::Node node = root["layers"]) layers = Layers(node);
    return layers;
  }

 private:
  void CheckKeys(const YAML::Node& map, const std::vector<std::string>& known, const std::vector<std::string>& needed,
                 const std::string& where) {
    std::set<std::string> seen;
    for (const auto& item : map) {
      const std::string key = item.first.IsScalar() ? item.first.Scalar() : "";
      if (std::find(known.begin(), known.end(), key) == known.end()) {
        file_.Error(item.first.Mark(),
                    "unknown key " + Quoted(key) + DidYouMean(key, known) + "; " + where + " has " + Join(known, ", "));
      } else if (!seen.insert(key).second) {
        file_.Error(item.first.Mark(), "duplicate key " + Quoted(key));
      }
    }
    for (const std::string& key : needed) {
      if (seen.count(key) == 0) file_.Error(map.Mark(), where + " has no " + key);
    }
  }

  static std::optional<int64_t> Int(const YAML::Node& node) {
    int64_t value = 0;
    if (node.IsScalar() && YAML::convert<int64_t>::decode(node, value)) return value;
    return std::nullopt;
  }

  void CheckModel(const YAML::Node& node) {
    if (!node.IsMap()) return file_.Error(node.Mark(), "model: expected {class, layers, heads, head_dim}");
    CheckKeys(node, {"class", "layers", "heads", "head_dim"}, {"class", "layers", "heads", "head_dim"}, "model");
    std::vector<std::string> classes = {model_.pipeline_class};
    for (const pipeline::ComponentInfo& component : model_.components) {
      if (component.name == "transformer") classes.insert(classes.begin(), component.class_name);
    }
    const YAML::Node name = node["class"];
    if (name && !(name.IsScalar() && std::find(classes.begin(), classes.end(), name.Scalar()) != classes.end())) {
      file_.Error(name.Mark(), "model.class: the profile is for " + (name.IsScalar() ? Quoted(name.Scalar()) : "?") +
                                   ", the model is a " + classes[0]);
    }
    CheckCount(node, "layers", model_.num_layers);
    CheckCount(node, "heads", model_.num_heads);
    CheckCount(node, "head_dim", model_.head_dim);
  }

  void CheckCount(const YAML::Node& model, const std::string& key, int64_t actual) {
    const YAML::Node node = model[key];
    if (!node || Int(node) == actual) return;
    file_.Error(node.Mark(), "model." + key + ": the profile is for " +
                                 (node.IsScalar() ? Quoted(node.Scalar()) : "?") + ", the model has " +
                                 std::to_string(actual));
  }

  std::map<int64_t, LayerProfile> Layers(const YAML::Node& node) {
    std::map<int64_t, LayerProfile> layers;
    if (node.IsNull()) return layers;
    if (!node.IsMap()) {
      file_.Error(node.Mark(), "layers: expected {layer: {mode, topk, cdf, theta, lambda}}");
      return layers;
    }
    for (const auto& item : node) {
      const std::optional<int64_t> layer = Int(item.first);
      if (!layer || *layer < 0 || *layer >= model_.num_layers) {
        file_.Error(item.first.Mark(), "layers: " + (item.first.IsScalar() ? Quoted(item.first.Scalar()) : "a list") +
                                           " is not one of the model's layers, 0 to " +
                                           std::to_string(model_.num_layers - 1));
      } else if (layers.count(*layer) > 0) {
        file_.Error(item.first.Mark(), "layers: duplicate layer " + std::to_string(*layer));
      } else {
        layers[*layer] = Layer(item.second, "layer " + std::to_string(*layer));
      }
    }
    return layers;
  }

  LayerProfile Layer(const YAML::Node& node, const std::string& where) {
    LayerProfile layer;
    if (!node.IsMap()) {
      file_.Error(node.Mark(), where + ": expected {mode, topk, cdf, theta, lambda}");
      return layer;
    }
    CheckKeys(node, {"mode", "topk", "cdf", "theta", "lambda"}, {}, where);
    if (const YAML::Node mode = node["mode"]; mode && !mode.IsNull()) {
      const Value value = Scalar("attention.mode", mode);
      if (value.is_string()) layer.mode = value.get<std::string>();
    }
    layer.topk = PerHead(node, "topk");
    layer.cdf = PerHead(node, "cdf");
    layer.theta = PerHead(node, "theta");
    layer.lambda = PerHead(node, "lambda");
    return layer;
  }

  // A value as the setting `key` takes it; null after an error.
  Value Scalar(const std::string& key, const YAML::Node& node) {
    try {
      base::Check(node.IsScalar(), base::ErrorCode::kInvalidInput, key, ": expected ", DescribeType(*FindSetting(key)));
      return ParseText(*FindSetting(key), node.Scalar());
    } catch (const base::Error& error) {
      file_.Error(node.Mark(), std::string(error.what()).substr(std::string("attention.").size()));
      return nullptr;
    }
  }

  // A number for all heads or one a head (null: not given). Empty: not given.
  std::vector<float> PerHead(const YAML::Node& layer, const std::string& name) {
    const YAML::Node node = layer[name];
    if (!node || node.IsNull()) return {};
    const auto number = [&](const YAML::Node& one) {
      const Value value = one.IsNull() ? Value(nullptr) : Scalar("attention." + name, one);
      return value.is_number() ? static_cast<float>(value.get<double>()) : NAN;
    };
    const size_t heads = static_cast<size_t>(model_.num_heads);
    if (!node.IsSequence()) return std::vector<float>(heads, number(node));
    std::vector<float> values;
    for (const auto& item : node) values.push_back(number(item));
    if (values.size() != heads) {
      file_.Error(node.Mark(), name + ": " + std::to_string(values.size()) + " values, but the model has " +
                                   std::to_string(heads) + " heads");
    }
    return values;
  }

  YAMLFile& file_;
  const pipeline::ModelInfo& model_;
};

}  // namespace

std::map<int64_t, LayerProfile> ReadAttentionProfile(const std::string& path, const pipeline::ModelInfo& model,
                                                     ErrorList& errors) {
  ErrorList wrong;
  YAMLFile file(path, wrong);
  std::map<int64_t, LayerProfile> layers;
  if (wrong.empty()) layers = ProfileReader(file, model).Read();
  errors.Try([&] { wrong.ThrowIfAny(); });
  return layers;
}

}  // namespace app
