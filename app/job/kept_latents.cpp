#include "app/job/kept_latents.h"

#include <cmath>
#include <filesystem>

#include "app/job/stats_json.h"
#include "app/settings/text.h"
#include "pipeline/weights/safetensors.h"

namespace app {
namespace {

using base::ErrorCode;
using nlohmann::json;

constexpr const char* kJob = "sparge";            // metadata: the job's record
constexpr const char* kDenoising = "denoising";   // metadata: how far it is, what it took and did
constexpr const char* kScheduler = "scheduler.";  // tensors of its state
constexpr int kDenoisingSchema = 1;

void ReadRecord(const std::string& text, KeptLatents& kept) {
  constexpr size_t kMaxBytes = 8 << 20;
  base::Check(text.size() <= kMaxBytes, ErrorCode::kInvalidInput, kept.path,
              ": metadata 'sparge' is larger than 8 MiB");
  const json record = json::parse(text, nullptr, false);
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
  const auto text_at = [](const json& object, const char* key) {
    return object.is_object() && object.contains(key) && object[key].is_string() ? object[key].get<std::string>() : "";
  };
  kept.hash = text_at(record, "hash");
  if (record.contains("model")) kept.model_hash = text_at(record["model"], "hash");
}

// How far a file's latents are: {step, steps} of its metadata.
struct Position {
  int64_t step = 0, steps = 0;
  bool whole() const { return step == steps; }
};

Position PositionOf(const json& denoising) {
  const auto number = [&](const char* key) {
    const bool there = denoising.is_object() && denoising.contains(key) && denoising[key].is_number_integer();
    base::Check(there, ErrorCode::kInvalidInput, "metadata 'denoising' has no ", key);
    return denoising[key].get<int64_t>();
  };
  base::Check(number("schema") >= 1 && number("schema") <= kDenoisingSchema, ErrorCode::kInvalidInput,
              "metadata 'denoising' has schema ", number("schema"), ", which is newer than this program");
  const Position at = {number("step"), number("steps")};
  base::Check(at.step >= 1 && at.step <= at.steps, ErrorCode::kInvalidInput, "metadata 'denoising' is at step ",
              at.step, " of ", at.steps);
  return at;
}

void ReadState(const pipeline::SafetensorsFile& file, const json& denoising, const Position& at, KeptLatents& kept) {
  const auto dtypes = denoising.at("dtypes").get<std::map<std::string, std::string>>();
  pipeline::DenoiseState state;
  state.step = at.step;
  state.scheduler = denoising.at("scheduler").get<std::string>();
  state.latents = {kept.latents, dtypes.at("latents")};
  for (const auto& [name, entry] : file.tensors()) {
    if (name.starts_with(kScheduler)) {
      state.sampler[name.substr(std::string(kScheduler).size())] = {file.ReadFloat(name), dtypes.at(name)};
    }
  }
  state.seconds = kept.record->seconds;
  state.attention = kept.record->attention;
  state.notices = kept.record->notices;
  state.redone_steps = kept.record->redone_steps;
  kept.checkpoint = std::move(state);
  kept.steps = at.steps;
}

void ReadDenoising(const pipeline::SafetensorsFile& file, const std::string& text, KeptLatents& kept) {
  try {
    const json denoising = json::parse(text);
    const Position at = PositionOf(denoising);
    DenoisingRecord record;
    record.seconds = SecondsFromJSON(denoising.at("seconds"));
    record.attention = StatsFromJSON(denoising.at("attention"));
    record.sigmas = denoising.at("sigmas").get<std::vector<double>>();
    record.notices = denoising.at("notices").get<std::vector<std::string>>();
    record.redone_steps = denoising.at("redone_steps").get<std::vector<int64_t>>();
    kept.record = std::move(record);
    if (!at.whole()) ReadState(file, denoising, at, kept);
  } catch (const base::Error& error) {
    base::Fail(ErrorCode::kInvalidInput, kept.path, ": ", error.what());
  } catch (const std::exception& error) {
    base::Fail(ErrorCode::kInvalidInput, kept.path, ": metadata 'denoising' is damaged: ", error.what());
  }
}

json DenoisingJSON(const DenoisingRecord& record, const Position& at) {
  return {{"schema", kDenoisingSchema},
          {"step", at.step},
          {"steps", at.steps},
          {"seconds", SecondsJSON(record.seconds)},
          {"attention", StatsJSON(record.attention)},
          {"sigmas", record.sigmas},
          {"notices", record.notices},
          {"redone_steps", record.redone_steps}};
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
  const auto& metadata = file->metadata();
  if (const auto record = metadata.find(kJob); record != metadata.end()) ReadRecord(record->second, kept);
  if (const auto denoising = metadata.find(kDenoising); denoising != metadata.end()) {
    ReadDenoising(*file, denoising->second, kept);
  }
  base::Check(!kept.checkpoint || !kept.job.empty(), ErrorCode::kInvalidInput, path,
              ": a checkpoint without the job that it is of");
  return kept;
}

void WriteKeptLatents(const std::string& path, const pipeline::HostTensor& latents, const DenoisingRecord* record,
                      const Job& job) {
  std::map<std::string, std::string> metadata = {{kJob, CanonicalJSON(JobRecord(job))}};
  const int64_t steps = job.settings.Int("steps");
  if (record != nullptr) metadata[kDenoising] = CanonicalJSON(DenoisingJSON(*record, {steps, steps}));
  pipeline::WriteSafetensors(path, {{"latents", &latents}}, metadata);
}

void WriteCheckpoint(const std::string& path, const pipeline::DenoiseState& state, const Job& job) {
  const DenoisingRecord record = {state.seconds, state.attention, {}, state.notices, state.redone_steps};
  json denoising = DenoisingJSON(record, {state.step, job.settings.Int("steps")});
  denoising["scheduler"] = state.scheduler;
  json dtypes = {{"latents", state.latents.dtype}};
  std::vector<std::pair<std::string, const pipeline::HostTensor*>> tensors = {{"latents", &state.latents.values}};
  for (const auto& [name, tensor] : state.sampler) {
    tensors.emplace_back(kScheduler + name, &tensor.values);
    dtypes[kScheduler + name] = tensor.dtype;
  }
  denoising["dtypes"] = dtypes;
  pipeline::WriteSafetensors(path, tensors,
                             {{kJob, CanonicalJSON(JobRecord(job))}, {kDenoising, CanonicalJSON(denoising)}});
}

LatentsOnDisk LookAtLatents(const std::string& path, const std::string& hash) {
  using Kind = LatentsOnDisk::Kind;
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return {};
  try {
    const auto file = pipeline::SafetensorsFile::Open(path);
    const auto& metadata = file->metadata();
    const auto record = metadata.find(kJob), denoising = metadata.find(kDenoising);
    const json job = record == metadata.end() ? json() : json::parse(record->second, nullptr, false);
    if (!job.is_object() || job.value("hash", json()) != hash) return {Kind::kOther};
    if (denoising == metadata.end()) return {Kind::kWhole};
    const Position at = PositionOf(json::parse(denoising->second, nullptr, false));
    return {at.whole() ? Kind::kWhole : Kind::kCheckpoint, at.step};
  } catch (const base::Error&) {
    return {Kind::kOther};
  }
}

}  // namespace app
