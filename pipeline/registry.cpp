#include "pipeline/registry.h"

#include <filesystem>

#include "attention/base/error.h"
#include "pipeline/models/wan_pipeline.h"
#include "pipeline/weights/config.h"

namespace pipeline {

using base::Check;
using base::ErrorCode;

const std::vector<Family>& Families() {
  static const std::vector<Family> families = {
      {"WanPipeline", InspectWan, OpenWan},
  };
  return families;
}

const Family& FamilyOf(const std::string& model_dir) {
  namespace fs = std::filesystem;
  Check(fs::exists(model_dir), ErrorCode::kInvalidInput, model_dir, ": there is no such model folder");
  Check(fs::is_directory(model_dir), ErrorCode::kInvalidInput, model_dir,
        ": is no folder; a model is a diffusers folder with a model_index.json");
  const std::string path = model_dir + "/model_index.json";
  Check(fs::exists(path), ErrorCode::kInvalidInput, model_dir,
        ": has no model_index.json; a model is a diffusers folder as save_pretrained writes it");
  const nlohmann::json index = ReadJsonFile(path);
  const bool named = index.is_object() && index.contains("_class_name") && index["_class_name"].is_string();
  Check(named, ErrorCode::kInvalidInput, path, ": has no _class_name");
  const std::string name = index["_class_name"].get<std::string>();
  std::string known;
  for (const Family& family : Families()) {
    if (family.pipeline_class == name) return family;
    known += (known.empty() ? "" : ", ") + family.pipeline_class;
  }
  base::Fail(ErrorCode::kUnsupported, path, ": pipeline '", name, "' is not supported; there is: ", known);
}

ModelInfo Inspect(const std::string& model_dir) { return FamilyOf(model_dir).inspect(model_dir); }

std::unique_ptr<Pipeline> Pipeline::Open(const std::string& model_dir, const RuntimeOptions& options) {
  return FamilyOf(model_dir).open(model_dir, options);
}

}  // namespace pipeline
