#include "app/commands/info.h"

#include <cstdio>
#include <filesystem>

#include "app/commands/commands.h"
#include "app/console/errors.h"
#include "app/job/attention_door.h"
#include "app/job/job.h"
#include "app/job/model.h"
#include "app/seen/job_record.h"
#include "app/settings/flags.h"
#include "app/settings/help.h"
#include "app/settings/text.h"
#include "app/settings/yaml.h"
#include "pipeline/media/media.h"
#include "pipeline/pipeline.h"
#include "pipeline/weights/safetensors.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;
using nlohmann::json;

constexpr CommandFlag kFlags[] = {
    {"--json", "", "as JSON, for programs"},
};

json ComponentJSON(const pipeline::ComponentInfo& component) {
  json facts = json::array();
  for (const auto& [name, value] : component.facts) facts.push_back({name, value});
  json files = json::array();
  for (const std::string& file : component.weight_files) files.push_back(fs::path(file).filename().string());
  json dtypes = json::object();
  for (const auto& [dtype, tensors] : component.dtypes) dtypes[dtype] = tensors;
  return {{"name", component.name},
          {"class", component.class_name},
          {"parameters", component.parameters},
          {"bytes", component.bytes},
          {"dtypes", dtypes},
          {"weight_files", files},
          {"facts", facts}};
}

// What a job without flags would use, and who says so.
json DefaultsJSON(const pipeline::ModelInfo& model, const ModelNotes& notes) {
  const EffectiveSettings settings = EffectiveSettings::Resolve({FamilyLayer(model)}, {notes.settings});
  json defaults = json::object();
  for (const Setting& setting : Settings()) {
    const std::string key(setting.key);
    if (setting.group == "reserved" || key == "model") continue;
    defaults[key] = {{"value", settings.at(key)}, {"where", settings.where(key)}};
  }
  return defaults;
}

// Where the program would compute; what keeps it from that, if something does.
json WouldRunJSON(const pipeline::ModelInfo& model, const ModelNotes& notes) {
  const EffectiveSettings settings = EffectiveSettings::Resolve({FamilyLayer(model)}, {notes.settings});
  json run = {{"scheduler", settings.at("scheduler")},
              {"attention", settings.at("attention.mode")},
              {"kernels", KernelNames(settings.TextOr("attention.mode", "dense"))},
              {"device", nullptr},
              {"dtype", nullptr},
              {"error", nullptr}};
  try {
    const auto pipeline = pipeline::Pipeline::Open(model.path, RuntimeOptionsOf(settings));
    run["device"] = pipeline->device_name();
    run["dtype"] = pipeline->dtype_name();
  } catch (const base::Error& error) {
    run["error"] = error.what();
  }
  return run;
}

bool SameHash(const json& a, const json& b) {
  return a.is_object() && b.is_object() && a.contains("hash") && b.contains("hash") && a["hash"] == b["hash"];
}

// The job in the file, else that of its sidecar; statistics are the sidecar's, if it is of the same job.
void AddJob(json& info, const json& record, const std::string& path) {
  const std::string sidecar_path = pipeline::OutputStem(path) + ".json";
  json sidecar = ReadSidecar(sidecar_path);
  if (record.is_object() && !SameHash(record, sidecar)) sidecar = nullptr;
  info["record"] = record.is_object() ? record : sidecar;
  info["sidecar"] = sidecar.is_object() ? json(sidecar_path) : json(nullptr);
  for (const json& known : {record, sidecar}) {  // the sidecar says more
    if (known.is_object() && known.contains("from") && known["from"].is_object()) info["from"] = known["from"];
  }
  if (!sidecar.is_object()) return;
  for (const char* key : {"program", "timings_s", "peak_memory_bytes", "attention", "audit"}) {
    if (sidecar.contains(key)) info["statistics"][key] = sidecar[key];
  }
}

// How far a checkpoint is, from what the program writes into it beside its job; null where it is none, for the latents
// of a whole render too.
json CheckpointJSON(const std::string& denoising, const json& record) {
  const json state = json::parse(denoising, nullptr, false);
  const auto number = [&](const char* key) {
    const json value = state.is_object() ? state.value(key, json()) : json();
    return value.is_number_integer() ? value.get<int64_t>() : int64_t{0};
  };
  const int64_t step = number("step"), steps = number("steps");
  if (!record.is_object() || step < 1 || step >= steps) return nullptr;
  return {{"step", step}, {"steps", steps}, {"scheduler", state.value("scheduler", json())}};
}

}  // namespace

json DescribeModel(const std::string& folder) {
  const pipeline::ModelInfo model = pipeline::Inspect(folder);
  ErrorList errors;
  const ModelNotes notes = ReadModelNotes(model.path, errors);
  errors.ThrowIfAny();
  json components = json::array();
  for (const auto& component : model.components) components.push_back(ComponentJSON(component));
  json vocabulary = json::array();
  for (const auto& [category, words] : notes.vocabulary) {
    vocabulary.push_back({{"category", category}, {"words", words}});
  }
  return {{"kind", "model"},
          {"name", fs::path(model.path).filename().string()},
          {"path", model.path},
          {"class", model.pipeline_class},
          {"hash", ModelHash(model)},
          {"components", components},
          {"would_run", WouldRunJSON(model, notes)},
          {"size_rules",
           {{"width_multiple", model.size_rules.width_multiple},
            {"height_multiple", model.size_rules.height_multiple},
            {"frames_first", model.size_rules.frames_first},
            {"frames_multiple", model.size_rules.frames_multiple}}},
          {"layers", model.num_layers},
          {"heads", model.num_heads},
          {"defaults", DefaultsJSON(model, notes)},
          {"vocabulary", vocabulary},
          {"notes", notes.notes},
          {"notices", model.notices}};
}

json DescribeMedia(const std::string& path) {
  const pipeline::MediaInfo media = pipeline::ProbeMedia(path);
  json info = {{"kind", "media"},
               {"path", path},
               {"is_video", media.is_video},
               {"container", media.container},
               {"codec", media.codec},
               {"pixel_format", media.pixel_format},
               {"color",
                {{"space", media.color_space},
                 {"primaries", media.color_primaries},
                 {"transfer", media.color_transfer},
                 {"range", media.color_range}}},
               {"width", media.width_px},
               {"height", media.height_px},
               {"frames", media.num_frames},
               {"fps", media.fps},
               {"bytes", media.bytes}};
  const json record = ParseRecord(media.comment);
  if (record.is_null() && !media.comment.empty()) info["comment"] = media.comment;
  AddJob(info, record, path);
  return info;
}

json DescribeTensors(const std::string& path) {
  const auto file = pipeline::SafetensorsFile::Open(path);
  json tensors = json::array();
  int64_t parameters = 0;
  for (const auto& [name, entry] : file->tensors()) {
    tensors.push_back(
        {{"name", name}, {"dtype", pipeline::DTypeName(entry.dtype)}, {"shape", entry.shape}, {"bytes", entry.bytes}});
    parameters += entry.numel();
  }
  json metadata = json::object();
  json record;
  for (const auto& [key, value] : file->metadata()) {
    if (key == "sparge") record = ParseRecord(value);
    if (key != "sparge" || record.is_null()) metadata[key] = value;
  }
  json checkpoint;
  if (const auto state = file->metadata().find("denoising"); state != file->metadata().end()) {
    checkpoint = CheckpointJSON(state->second, record);
    if (checkpoint.is_object()) metadata.erase("denoising");
  }
  json info = {{"kind", "tensors"},        {"path", path},       {"bytes", file->mapping()->size()},
               {"parameters", parameters}, {"tensors", tensors}, {"metadata", metadata}};
  if (checkpoint.is_object()) info["checkpoint"] = checkpoint;
  AddJob(info, record, path);
  return info;
}

namespace {

json Describe(const std::string& target) {
  std::error_code error;
  const fs::path path(target);
  const bool is_file = fs::is_regular_file(path, error);
  if (is_file && LowerASCII(path.extension().string()) == ".safetensors") return DescribeTensors(target);
  if (is_file || target.find('%') != std::string::npos) return DescribeMedia(target);
  const bool is_folder = fs::is_directory(path, error);
  if (is_folder && !fs::exists(path / "model_index.json", error) && fs::exists(path / "0000.png", error)) {
    return DescribeMedia(target.ends_with('/') ? target : target + "/");
  }
  const bool like_a_file = path.has_extension() && !is_folder;
  base::Check(!like_a_file, ErrorCode::kInvalidInput, Quoted(target), ": no such file");
  return DescribeModel(FindModel(target));
}

}  // namespace

int RunInfo(const std::vector<std::string>& args) {
  ErrorList errors;
  const ParsedFlags parsed = ParseFlags(args, kFlags, false, errors);
  if (parsed.help) {
    std::fputs(
        CommandHelp("sparge info MODEL | CLIP | FILE.safetensors [--json]",
                    "Says what a model folder is and what would run, what a clip or an image is and which job made "
                    "it,\nor what tensors a file holds.",
                    kFlags, false)
            .c_str(),
        stdout);
    return kExitDone;
  }
  if (parsed.positionals.size() != 1) {
    errors.Add("info takes one model, clip or file, got " + std::to_string(parsed.positionals.size()));
  }
  errors.ThrowIfAny();
  const json info = Describe(parsed.positionals[0]);
  const std::string text = parsed.flags.count("--json") > 0
                               ? info.dump(2, ' ', false, json::error_handler_t::replace) + "\n"
                               : FormatInfo(info);
  std::fputs(text.c_str(), stdout);
  return kExitDone;
}

}  // namespace app
