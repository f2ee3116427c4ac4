#include "app/jobs/clip_job.h"

#include <filesystem>
#include <fstream>

#include "app/jobs/planner.h"
#include "app/jobs/sets.h"
#include "app/seen/job_record.h"
#include "app/settings/text.h"
#include "pipeline/media/media.h"
#include "pipeline/weights/safetensors.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;
using nlohmann::json;

json RecordOf(const std::string& path) {
  const std::string extension = LowerASCII(fs::path(path).extension().string());
  json record;
  if (extension == ".json") {
    record = ReadSidecar(path);
  } else if (extension == ".safetensors") {
    const auto file = pipeline::SafetensorsFile::Open(path);
    const auto it = file->metadata().find("sparge");
    if (it != file->metadata().end()) record = ParseRecord(it->second);
  } else {
    record = ParseRecord(pipeline::ProbeMedia(path).comment);
  }
  if (record.is_null() && extension != ".json") record = ReadSidecar(pipeline::OutputStem(path) + ".json");
  base::Check(record.is_object(), ErrorCode::kInvalidInput, path,
              ": neither the file nor its sidecar records a job that could be rendered again");
  const json schema = record.value("schema", json());
  base::Check(schema.is_number_integer() && schema.get<int64_t>() >= 1, ErrorCode::kInvalidInput, path,
              ": what it records is no job: there is no `schema`");
  base::Check(schema.get<int64_t>() <= kSchema, ErrorCode::kInvalidInput, path, ": schema ", schema.dump(),
              " is newer than this program, which reads up to ", kSchema);
  return record;
}

}  // namespace

bool IsClip(const std::string& path) {
  const std::string extension = LowerASCII(fs::path(path).extension().string());
  for (const char* known : {".mp4", ".mkv", ".mov", ".webm", ".gif", ".png", ".safetensors"}) {
    if (extension == known) return true;
  }
  std::error_code error;
  return path.ends_with('/') || fs::is_directory(path, error);
}

bool IsJobRecordFile(const std::string& path) {
  // A sidecar begins with its keys in order, `attention` first; a plan has `jobs`. Either may have been changed.
  constexpr size_t kLooked = 64 << 10;
  std::ifstream in(path, std::ios::binary);
  std::string head(kLooked, '\0');
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(in.gcount()));
  if (head.find("\"jobs\"") != std::string::npos) return false;
  return ReadSidecar(path).is_object();
}

Plan ReadClipJob(const std::string& given, const SetFlags& sets, const InspectModelFolder& inspect) {
  std::error_code error;
  const std::string path = !given.ends_with('/') && fs::is_directory(given, error) ? given + "/" : given;
  ErrorList errors;
  Plan plan;
  plan.source = fs::absolute(path).lexically_normal().string();
  const Layer set_layer = LayerOfSets(sets, errors);
  Layer job;
  errors.Try([&] {
    std::vector<std::string> unknown;
    job = LayerFromJSON(RecordOf(path)["job"], path, &unknown);
    for (const std::string& key : unknown) plan.notices.push_back(path + ": ignored unknown setting " + Quoted(key));
  });
  errors.ThrowIfAny();
  std::erase_if(job, [](const auto& item) { return FindSetting(item.first)->group == "outputs"; });

  const ReportError report = [&](const std::string& where, const std::string& fallback, const std::string& message) {
    errors.Add((where.starts_with("--") ? where : fallback) + ": " + message);
  };
  Planner planner(inspect, fs::current_path().string(), errors, report);
  const auto set_model = set_layer.find("model");
  const Assignment* model = set_model != set_layer.end() ? &set_model->second : nullptr;
  if (model == nullptr && job.count("model") > 0) model = &job["model"];
  FoundModel found;
  if (model == nullptr || !model->value.is_string()) {
    errors.Add(path + ": its job names no model; say which with --set model=…");
  } else {
    found = planner.Model(model->value.get<std::string>(), "", model->where, path);
    if (!found.good && set_model == set_layer.end()) {
      errors.Add(path + " names this model; if it lies elsewhere now, say where with --set model=…");
    }
  }
  if (found.good) {
    EntryDraft draft;
    draft.name = (IsClip(path) ? fs::path(pipeline::OutputStem(path)).filename() : fs::path(path).stem()).string();
    if (draft.name.empty()) draft.name = "clip";
    draft.variant = "main";
    draft.where = path;
    draft.base = planner.AddBase(found.index, {&job, &set_layer});
    if (planner.ValueOf(draft, "seed").value == "random") {
      draft.own["seed"] = {DrawSeed() >> 10, "drawn"};
      plan.drew_seeds = true;
    }
    planner.Add(std::move(draft));
  }
  planner.Finish(plan);
  return plan;
}

}  // namespace app
