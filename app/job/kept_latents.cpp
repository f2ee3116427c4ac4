#include "app/job/kept_latents.h"

#include <cmath>

#include "app/settings/text.h"
#include "pipeline/weights/safetensors.h"

namespace app {
namespace {

using base::ErrorCode;

void ReadRecord(const std::string& text, KeptLatents& kept) {
  constexpr size_t kMaxBytes = 8 << 20;
  base::Check(text.size() <= kMaxBytes, ErrorCode::kInvalidInput, kept.path,
              ": metadata 'sparge' is larger than 8 MiB");
  const nlohmann::json record = nlohmann::json::parse(text, nullptr, false);
  base::Check(record.is_object() && record.contains("schema") && record["schema"].is_number_integer(),
              ErrorCode::kInvalidInput, kept.path, ": metadata 'sparge' is not the record of a job");
  const int64_t schema = record["schema"].get<int64_t>();
  base::Check(schema >= 1 && schema <= kSchema, ErrorCode::kInvalidInput, kept.path, ": schema ", schema,
              " is newer than this program, which reads up to ", kSchema);
  base::Check(record.contains("job"), ErrorCode::kInvalidInput, kept.path, ": metadata 'sparge' has no job");
  std::vector<std::string> unknown;
  kept.job = LayerFromJSON(record["job"], kept.path, &unknown);
  for (const std::string& key : unknown) kept.notices.push_back(kept.path + ": ignored unknown setting " + Quoted(key));
  std::erase_if(kept.job, [](const auto& item) { return FindSetting(item.first)->group == "outputs"; });
  if (record.contains("model") && record["model"].is_object() && record["model"].contains("hash") &&
      record["model"]["hash"].is_string()) {
    kept.model_hash = record["model"]["hash"].get<std::string>();
  }
}

}  // namespace

KeptLatents ReadKeptLatents(const std::string& path) {
  KeptLatents kept;
  kept.path = path;
  const auto file = pipeline::SafetensorsFile::Open(path);
  kept.latents = file->ReadFloat("latents");
  base::Check(kept.latents.shape.size() == 4 && kept.latents.numel() > 0, ErrorCode::kInvalidInput, path,
              ": tensor 'latents' has ", kept.latents.shape.size(), " dimensions, expected [C, T, h, w]");
  for (float value : kept.latents.data) {
    base::Check(std::isfinite(value), ErrorCode::kInvalidInput, path, ": tensor 'latents' holds NaN or infinity");
  }
  const auto record = file->metadata().find("sparge");
  if (record != file->metadata().end()) ReadRecord(record->second, kept);
  return kept;
}

void WriteKeptLatents(const std::string& path, const pipeline::HostTensor& latents, const Job& job) {
  pipeline::WriteSafetensors(path, {{"latents", &latents}}, {{"sparge", CanonicalJSON(JobRecord(job))}});
}

}  // namespace app
