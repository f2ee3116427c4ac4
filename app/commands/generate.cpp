#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <set>

#include "app/commands/commands.h"
#include "app/commands/numbers.h"
#include "app/console/errors.h"
#include "app/console/observer.h"
#include "app/console/signals.h"
#include "app/draw/heat_grid.h"
#include "app/job/files.h"
#include "app/job/kept_latents.h"
#include "app/job/model.h"
#include "app/job/reencode.h"
#include "app/job/run.h"
#include "app/seen/attention_text.h"
#include "app/seen/attention_view.h"
#include "app/settings/flags.h"
#include "app/settings/help.h"
#include "app/settings/text.h"
#include "app/settings/value.h"
#include "app/settings/yaml.h"
#include "attention/base/atomic_file.h"
#include "pipeline/attention_looks.h"
#include "pipeline/media/png.h"
#include "pipeline/pipeline.h"

namespace app {
namespace {

using base::ErrorCode;

constexpr CommandFlag kFlags[] = {
    {"--from-latents", "FILE",
     "decode and encode again what an earlier render kept, instead of rendering; a checkpoint: render the rest"},
    {"--from-clip", "FILE", "encode a clip again with other settings, instead of rendering; no model is needed"},
    {"--progress", "STYLE", "how to show progress", "auto bar plain json off"},
    {"--heatmap", "FILE.png", "picture of what attention skipped: step by layer, and layer by head of one step"},
    {"--heatmap-step", "N", "which step that is (the last)"},
    {"--audit", "", "measure the error of this render's attention, of skipping and of 8 bits, on the same inputs"},
    {"--audit-steps", "LIST", "at which steps: indices and ranges, negative from the end (first, middle and last)"},
    {"--audit-layers", "LIST", "in which layers (all)"},
    {"--dump", "DIR", "write attention calls as files that `sparge attend` reads"},
    {"--dump-what", "LIST", "which of q, k, v, o, lse, map (q,k,v)"},
    {"--dump-steps", "LIST", "of which steps (the last)"},
    {"--dump-layers", "LIST", "of which layers (all)"},
};

// Settings that still mean something once there are latents.
bool WorksOnLatents(const Setting& setting, bool job_known) {
  if (setting.group == "how" || setting.group == "encode" || setting.group == "outputs") return true;
  if (setting.key == "model" || setting.key == "fps") return true;
  return !job_known && (setting.key == "width" || setting.key == "height" || setting.key == "frames");
}

void CheckFlagsForLatents(const ParsedFlags& parsed, bool job_known, ErrorList& errors) {
  for (const auto& [key, assignment] : parsed.settings) {
    if (!WorksOnLatents(*FindSetting(key), job_known)) {
      errors.Add(assignment.where +
                 " has no effect on latents that are already made; with --from-latents there are model, "
                 "fps, encoding, outputs and how to run");
    }
  }
}

struct Prepared {
  ParsedFlags flags;
  std::optional<KeptLatents> kept;
  Job job;
};

// The model that flags or latents name, looked at; null after an error.
std::optional<pipeline::ModelInfo> InspectModel(const Prepared& prepared, ErrorList& errors) {
  const auto named = [](const Layer& layer) -> std::string {
    const auto it = layer.find("model");
    return it != layer.end() && it->second.value.is_string() ? it->second.value.get<std::string>() : "";
  };
  if (prepared.flags.failed.count("model") > 0) return std::nullopt;
  std::string model = named(prepared.flags.settings);
  const bool from_file = model.empty() && prepared.kept;
  if (from_file) model = named(prepared.kept->job);
  if (model.empty()) {
    const std::vector<std::string> names = ModelNames();
    errors.Add("no model: give a folder or a name with --model" +
               (names.empty() ? "" : "; names: " + Join(names, ", ")));
    return std::nullopt;
  }
  std::optional<pipeline::ModelInfo> info;
  errors.Try([&] { info = pipeline::Inspect(FindModel(model)); });
  if (!info && from_file) {
    errors.Add(prepared.kept->path + " names this model; if it lies elsewhere now, say where with --model");
  }
  return info;
}

Prepared Prepare(const std::vector<std::string>& args) {
  ErrorList errors;
  Prepared prepared;
  prepared.flags = ParseFlags(args, kFlags, true, errors);
  if (prepared.flags.help) return prepared;
  for (const std::string& argument : prepared.flags.positionals) {
    errors.Add("unexpected argument " + Quoted(argument) + "; a prompt of several words needs quotes: --prompt \"…\"");
  }
  const auto from = prepared.flags.flags.find("--from-latents");
  if (from != prepared.flags.flags.end()) {
    errors.Try([&] { prepared.kept = ReadKeptLatents(from->second); });
    CheckFlagsForLatents(prepared.flags, prepared.kept && !prepared.kept->job.empty(), errors);
  }
  if (from != prepared.flags.flags.end() && !prepared.kept) errors.ThrowIfAny();

  const std::optional<pipeline::ModelInfo> model = InspectModel(prepared, errors);
  if (!model) errors.ThrowIfAny();
  const ModelNotes notes = ReadModelNotes(model->path, errors);

  JobSource source;
  if (prepared.kept) {
    source.layers.push_back(prepared.kept->job);
    source.from_latents = std::filesystem::absolute(prepared.kept->path).lexically_normal().string();
    source.goes_on = prepared.kept->checkpoint.has_value();
  }
  Layer flags = prepared.flags.settings;
  if (prepared.flags.failed.count("prompt") > 0) flags["prompt"] = {"", "--prompt"};  // its error is said already
  source.layers.push_back(flags);
  errors.Try([&] { prepared.job = PrepareJob(source, *model, notes); });
  errors.ThrowIfAny();
  if (prepared.kept) {
    const std::string& made_by = prepared.kept->model_hash;
    for (const std::string& notice : prepared.kept->notices) prepared.job.notices.push_back(notice);
    if (!made_by.empty() && made_by != prepared.job.model_hash) {
      prepared.job.notices.push_back("the model " + prepared.job.model.path + " is not the one that made " +
                                     prepared.kept->path);
    }
  }
  return prepared;
}

// Audit and dump as the flags ask for them.
struct LookRequest {
  std::optional<pipeline::AttentionAudit> audit;
  std::optional<pipeline::AttentionDump> dump;
};

pipeline::Places PlacesOf(const Prepared& prepared, const std::string& flag, std::set<int64_t> default_steps) {
  const int64_t steps = prepared.job.settings.Int("steps"), layers = prepared.job.model.num_layers;
  const auto expand = [&](const std::string& name, int64_t count, const char* what, std::set<int64_t> otherwise) {
    const std::string* list = FlagText(prepared.flags, name.c_str());
    if (list == nullptr) return otherwise;
    std::set<int64_t> indices;
    try {
      for (const int64_t index : ExpandIndices(*list, count, what)) indices.insert(index);
    } catch (const base::Error& error) {
      base::Fail(error.code(), name, ": ", error.what());
    }
    return indices;
  };
  return {expand(flag + "-steps", steps, "steps", std::move(default_steps)),
          expand(flag + "-layers", layers, "layers", {})};
}

LookRequest LooksOf(const Prepared& prepared) {
  LookRequest request;
  const auto& flags = prepared.flags.flags;
  for (const char* flag : {"--audit", "--dump"}) {
    const bool there = flags.count(flag) > 0;
    base::Check(!there || !prepared.kept, ErrorCode::kInvalidInput, flag,
                " looks into a render; with --from-latents nothing is rendered");
    for (const char* part : {"-what", "-steps", "-layers"}) {
      base::Check(there || flags.count(std::string(flag) + part) == 0, ErrorCode::kInvalidInput, flag, part,
                  " has no effect without ", flag);
    }
  }
  const int64_t last = prepared.job.settings.Int("steps") - 1;
  if (flags.count("--audit") > 0) request.audit.emplace(PlacesOf(prepared, "--audit", {0, last / 2, last}));
  if (flags.count("--dump") > 0) {
    std::set<std::string> what = {"q", "k", "v"};
    if (const std::string* list = FlagText(prepared.flags, "--dump-what")) {
      what.clear();
      for (const std::string& name : Split(*list, ',')) {
        const bool known = name == "q" || name == "k" || name == "v" || name == "o" || name == "lse" || name == "map";
        base::Check(known, ErrorCode::kInvalidInput, "--dump-what ", Quoted(name),
                    ": expected some of q, k, v, o, lse, map");
        what.insert(name);
      }
    }
    request.dump.emplace(*FlagText(prepared.flags, "--dump"), std::move(what), PlacesOf(prepared, "--dump", {last}));
  }
  return request;
}

// Where the picture of the skipped blocks goes, and of which step its second half is.
struct HeatmapRequest {
  std::string path;  // empty: not wanted
  std::optional<int64_t> step;
};

HeatmapRequest HeatmapOf(const Prepared& prepared) {
  const auto& flags = prepared.flags.flags;
  HeatmapRequest request;
  const auto path = flags.find("--heatmap"), step = flags.find("--heatmap-step");
  base::Check(path != flags.end() || step == flags.end(), ErrorCode::kInvalidInput,
              "--heatmap-step says of which step --heatmap FILE.png shows the heads; there is no --heatmap");
  if (path == flags.end()) return request;
  base::Check(!prepared.kept, ErrorCode::kInvalidInput,
              "--heatmap shows the attention of a render; with --from-latents nothing is rendered");
  base::Check(LowerASCII(std::filesystem::path(path->second).extension().string()) == ".png", ErrorCode::kInvalidInput,
              "--heatmap ", Quoted(path->second), ": expected a file name that ends in .png");
  request.path = path->second;
  const std::filesystem::path absolute = std::filesystem::absolute(request.path).lexically_normal();
  for (const std::string& output : prepared.job.files.outputs) {
    base::Check(absolute != std::filesystem::absolute(output).lexically_normal(), ErrorCode::kInvalidInput,
                "--heatmap and --out both name ", Quoted(request.path));
  }
  base::Check(prepared.job.settings.On("overwrite") || !std::filesystem::exists(absolute), ErrorCode::kInvalidInput,
              "--heatmap: ", request.path, " exists; take another name, or replace it with --overwrite");
  if (step != flags.end()) {
    request.step = IntOf("--heatmap-step", step->second, 0, prepared.job.settings.Int("steps") - 1);
  }
  return request;
}

void WriteHeatmap(const HeatmapRequest& request, const Job& job, const nlohmann::json& sidecar, JobObserver& observer) {
  const std::optional<AttentionView> view = ViewOfRecord(sidecar["attention"]);
  base::Check(view.has_value(), ErrorCode::kInternal, "the render recorded no attention");
  std::string title = job.names.model + ", attention " + job.settings.TextOr("attention.mode", "as the profile says");
  Canvas picture = DrawAttention(*view, title, request.step);
  if (const std::optional<AuditView> audit = ViewOfAudit(sidecar["audit"])) {
    picture = Stacked({picture, DrawAudit(*audit, "Audit")});
  }
  base::AtomicFile file(request.path);
  file.Write(
      pipeline::EncodePng(picture.rgb.data(), picture.height_px, picture.width_px, CanonicalJSON(JobRecord(job))));
  file.Commit();
  observer.Output(request.path);
}

// What to say when a job ends early: what is kept of it.
std::string Remaining(const Job& job) {
  const std::string& kept = job.files.checkpoint;
  if (kept.empty()) return "";
  const LatentsOnDisk there = LookAtLatents(kept, job.hash);
  if (there.kind == LatentsOnDisk::Kind::kCheckpoint) {
    return base::StrCat("; step ", there.step, " of ", job.settings.Int("steps"),
                        " is kept: the same command goes on from there");
  }
  if (there.kind != LatentsOnDisk::Kind::kWhole) return "";
  return "; the latents are whole: the same command goes on from there, as does --from-latents " + kept;
}

}  // namespace

namespace {

// `--from-clip`: null where the flags do not say so.
std::optional<Reencoding> PrepareFromClip(const std::vector<std::string>& args) {
  ErrorList errors;
  const ParsedFlags flags = ParseFlags(args, kFlags, true, errors);
  const std::string* clip = FlagText(flags, "--from-clip");
  if (flags.help || clip == nullptr) return std::nullopt;
  for (const std::string& argument : flags.positionals) errors.Add("unexpected argument " + Quoted(argument));
  for (const auto& [flag, text] : flags.flags) {
    if (flag == "--from-clip" || flag == "--progress") continue;
    errors.Add(flag + " has no effect on a clip that is already made, as with --from-clip");
  }
  errors.ThrowIfAny();
  JobSource source;
  source.names.name = std::filesystem::path(pipeline::OutputStem(*clip)).filename().string();
  source.layers = {flags.settings};
  return PrepareReencoding(*clip, source);
}

int RunFromClip(const Reencoding& what, const std::vector<std::string>& args) {
  ErrorList none;
  const ParsedFlags flags = ParseFlags(args, kFlags, true, none);
  const Job& job = what.job;
  std::optional<LogFile> log;
  if (job.settings.IsSet("log")) log.emplace(job.settings.Text("log"));
  const std::string* style = FlagText(flags, "--progress");
  ConsoleObserver observer(ProgressStyleOf(style == nullptr ? "auto" : *style), log ? &*log : nullptr);
  const CancelOnSignal cancel(observer);
  try {
    Reencode(what, observer);
    return kExitDone;
  } catch (...) {
    const Failure failure = CurrentFailure();
    observer.Failed(CauseName(failure.code), failure.message);
    throw base::Error(failure.code, failure.message);
  }
}

}  // namespace

int RunGenerate(const std::vector<std::string>& args) {
  if (const std::optional<Reencoding> again = PrepareFromClip(args)) return RunFromClip(*again, args);
  const Prepared prepared = Prepare(args);
  if (prepared.flags.help) {
    std::fputs(
        CommandHelp(
            "sparge generate [--setting value …] --out FILE [--out FILE …] [--from-latents FILE | --from-clip FILE]",
            "Renders one clip or image. Kinds of --out, by extension: .mp4 .mkv .mov .webm .gif, .png "
            "(NAME_%04d.png or a\nfolder DIR/ for the frames of a clip), .safetensors (latents and frames).",
            kFlags, true)
            .c_str(),
        stdout);
    return kExitDone;
  }
  const Job& job = prepared.job;
  std::optional<LogFile> log;
  if (job.settings.IsSet("log")) log.emplace(job.settings.Text("log"));
  const auto style = prepared.flags.flags.find("--progress");
  ConsoleObserver observer(ProgressStyleOf(style == prepared.flags.flags.end() ? "auto" : style->second),
                           log ? &*log : nullptr);
  const CancelOnSignal cancel(observer);
  const HeatmapRequest heatmap = HeatmapOf(prepared);
  LookRequest looks = LooksOf(prepared);
  try {
    const auto pipeline = pipeline::Pipeline::Open(job.model.path, RuntimeOptionsOf(job.settings));
    observer.set_stats(&pipeline->attention_stats(), &pipeline->seconds());
    RunOptions options;
    options.looks = {looks.audit ? &*looks.audit : nullptr, looks.dump ? &*looks.dump : nullptr};
    const nlohmann::json sidecar = RunJob(job, *pipeline, prepared.kept ? &*prepared.kept : nullptr, observer, options);
    if (looks.audit) observer.Notice("audit\n" + AuditText(sidecar["audit"]));
    if (looks.dump) {
      observer.Notice(base::StrCat(looks.dump->files(), " attention calls in ", prepared.flags.flags.at("--dump")));
    }
    if (!heatmap.path.empty()) WriteHeatmap(heatmap, job, sidecar, observer);
    return kExitDone;
  } catch (...) {
    Failure failure = CurrentFailure();
    failure.message += Remaining(job);
    observer.Failed(CauseName(failure.code), failure.message);
    throw base::Error(failure.code, failure.message);
  }
}

}  // namespace app
