#include "app/job/job.h"

#include <algorithm>
#include <filesystem>
#include <random>

#include "app/job/attention.h"
#include "app/job/files.h"
#include "app/job/model.h"
#include "app/settings/text.h"

namespace app {
namespace {

using base::ErrorCode;

// Values that a model makes: first + n·multiple, up to max (0: no limit).
struct Steps {
  int64_t first, multiple, max;

  bool Has(int64_t value) const { return value == Nearest(value); }
  int64_t Nearest(int64_t value) const {
    if (value <= first) return first;
    const int64_t step = std::max<int64_t>(multiple, 1), down = first + (value - first) / step * step;
    const int64_t nearest = value - down > step / 2 ? down + step : down;
    return max > 0 && nearest > max ? first + (max - first) / step * step : nearest;
  }
};

void CheckSide(const EffectiveSettings& settings, const char* key, int64_t multiple, int64_t max, ErrorList& errors) {
  const Steps steps{multiple, multiple, max};
  const int64_t value = settings.Int(key);
  if (steps.Has(value)) return;
  errors.Add(base::StrCat(key, ": ", steps.Nearest(value), " px, not ", value, ": this model makes multiples of ",
                          multiple, max > 0 ? base::StrCat(" up to ", max) : "", " (", settings.where(key), ")"));
}

void CheckFrames(const EffectiveSettings& settings, const pipeline::SizeRules& rules, ErrorList& errors) {
  const Steps steps{rules.frames_first, rules.frames_multiple, rules.max_frames};
  const int64_t frames = settings.Int("frames");
  if (steps.Has(frames)) return;
  errors.Add(base::StrCat("frames: ", steps.Nearest(frames), " frames, not ", frames, ": this model makes ",
                          rules.frames_multiple, "n + ", rules.frames_first,
                          rules.max_frames > 0 ? base::StrCat(" up to ", rules.max_frames) : "", " (",
                          settings.where("frames"), ")"));
}

void CheckModelFits(const EffectiveSettings& settings, const pipeline::ModelInfo& model, ErrorList& errors) {
  CheckSide(settings, "width", model.size_rules.width_multiple, model.size_rules.max_width, errors);
  CheckSide(settings, "height", model.size_rules.height_multiple, model.size_rules.max_height, errors);
  CheckFrames(settings, model.size_rules, errors);
  const int64_t limit = model.max_sequence_length_limit;
  if (limit > 0 && settings.Int("max_sequence_length") > limit) {
    errors.Add(base::StrCat("max_sequence_length: ", settings.Int("max_sequence_length"),
                            " tokens, but this model reads ", limit, " at most"));
  }
}

}  // namespace

void CheckSettings(const EffectiveSettings& settings, const pipeline::ModelInfo& model, bool from_latents,
                   ErrorList& errors) {
  for (const Setting& setting : Settings()) {
    if (!setting.missing.empty()) errors.Try([&] { CheckThere(setting, settings.at(setting.key)); });
  }
  if (!from_latents && !settings.IsSet("prompt")) {
    errors.Add("no prompt: say what the clip shows with --prompt \"…\"");
  }
  CheckModelFits(settings, model, errors);
}

int64_t DrawSeed() {
  std::random_device device;
  const uint64_t bits = (static_cast<uint64_t>(device()) << 32) ^ device();
  return static_cast<int64_t>(bits >> 1);
}

void AddVocabularyNotice(const ModelNotes& notes, const EffectiveSettings& settings,
                         std::vector<std::string>& notices) {
  const std::vector<std::string> unknown = UnknownWords(notes, settings.TextOr("prompt", ""));
  if (unknown.empty()) return;
  const std::vector<std::string> known = KnownWords(notes);
  std::vector<std::string> said;
  for (const std::string& word : unknown) said.push_back(Quoted(word) + DidYouMean(word, known));
  constexpr size_t kShown = 8;
  if (said.size() > kShown) said.resize(kShown);
  notices.push_back("the model does not know the word" + std::string(said.size() > 1 ? "s " : " ") + List(said) +
                    (unknown.size() > kShown ? ", …" : "") + "; see the vocabulary with `sparge info`");
}

Layer FamilyLayer(const pipeline::ModelInfo& model) {
  const pipeline::FamilyDefaults& d = model.defaults;
  const std::string where = model.pipeline_class.empty() ? "the model's class" : model.pipeline_class;
  return {{"width", {d.width_px, where}},
          {"height", {d.height_px, where}},
          {"frames", {d.num_frames, where}},
          {"fps", {d.fps, where}},
          {"steps", {d.num_steps, where}},
          {"guidance", {d.guidance, where}},
          {"max_sequence_length", {d.max_sequence_length, where}},
          {"scheduler", {model.scheduler.empty() ? Value(nullptr) : Value(model.scheduler), where}},
          {"negative_prompt", {"", where}}};
}

pipeline::RuntimeOptions RuntimeOptionsOf(const EffectiveSettings& settings) {
  pipeline::RuntimeOptions options;
  options.device = settings.TextOr("device", "auto");
  options.dtype = settings.TextOr("dtype", "auto");
  options.threads = settings.IsSet("threads") ? static_cast<int>(settings.Int("threads")) : 0;
  return options;
}

Job PrepareJob(const JobSource& source, const pipeline::ModelInfo& model, const ModelNotes& notes) {
  Job job;
  job.names = source.names;
  job.names.model = std::filesystem::path(model.path).filename().string();
  job.model = model;
  job.from_latents = source.from_latents;
  job.notices = model.notices;

  std::vector<Layer> layers = {notes.settings};
  layers.insert(layers.end(), source.layers.begin(), source.layers.end());
  job.settings = EffectiveSettings::Resolve({FamilyLayer(model)}, layers);
  job.settings.Set("model", model.path, job.settings.where("model"));
  ResolveAttentionFiles(job.settings);
  if (job.settings.at("seed") == "random") job.settings.Set("seed", DrawSeed(), "random");

  ErrorList errors;
  const bool renders = source.from_latents.empty() || source.goes_on;
  job.goes_on = source.goes_on;
  CheckSettings(job.settings, model, !renders, errors);
  if (renders) {
    AddVocabularyNotice(notes, job.settings, job.notices);
    if (!SetsAttention(notes.settings)) StartUntuned(layers, job.settings, job.notices);
    job.attention = AttentionOf(job.settings, model, errors);
  }
  job.model_hash = source.model_hash.empty() ? ModelHash(model) : source.model_hash;
  job.hash = JobHash(job.settings, job.model_hash, FilesInHash(job.settings));
  errors.Try([&] { job.files = PlanFiles(job, source.existing_is_error, source.outputs); });
  errors.ThrowIfAny();
  return job;
}

nlohmann::json JobRecord(const Job& job) {
  return {{"schema", kSchema},
          {"hash", job.hash},
          {"job", job.settings.ToJSON()},
          {"model", {{"class", job.model.pipeline_class}, {"name", job.names.model}, {"hash", job.model_hash}}}};
}

}  // namespace app
