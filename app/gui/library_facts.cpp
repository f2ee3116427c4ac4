#include "app/gui/library_facts.h"

#include <cmath>
#include <filesystem>
#include <new>
#include <optional>

#include "app/compare/label.h"
#include "app/compare/record.h"
#include "app/gui/event_json.h"
#include "app/settings/text.h"
#include "app/settings/value.h"
#include "attention/base/error.h"
#include "pipeline/media/media.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string TextOf(const json& job, const char* key) {
  if (!job.is_object() || !job.contains(key) || job[key].is_null() || job[key].is_structured()) return "";
  return ToText(job[key]);
}

json PartOf(const json& object, const char* key) {
  return object.is_object() && object.contains(key) ? object[key] : json();
}

std::string Bytes(double bytes) {
  if (bytes >= 1 << 30) return Fixed(bytes / (1 << 30), 2) + " GiB";
  if (bytes >= 1 << 20) return Fixed(bytes / (1 << 20), 1) + " MiB";
  return Fixed(bytes / 1024, 1) + " KiB";
}

class Facts {
 public:
  void Add(const std::string& label, const std::string& text, const std::string& definition) {
    if (!text.empty()) out.push_back({label, text, definition});
  }
  void Seconds(const char* label, const std::optional<double>& s, const std::string& definition) {
    if (s && *s >= 0) Add(label, Fixed(*s, *s < 10 ? 2 : 1) + " s", definition);
  }
  std::vector<ui::Figure> out;
};

void AddFile(const pipeline::MediaInfo& media, Facts& facts) {
  facts.Add("size", base::StrCat(media.width_px, " × ", media.height_px), "Width and height in pixels, of the file.");
  facts.Add("frames", std::to_string(media.num_frames), "Frames in the file, counted.");
  if (media.fps > 0) {
    facts.Add("rate", Fixed(media.fps, media.fps == std::floor(media.fps) ? 0 : 3) + " fps",
              "Frames a second that the file says.");
    facts.Add("length", Fixed(static_cast<double>(media.num_frames) / media.fps, 2) + " s", "Frames over their rate.");
  }
  facts.Add("file", Bytes(static_cast<double>(media.bytes)), base::StrCat(media.bytes, " bytes on the disk."));
  facts.Add("encoding",
            media.is_video ? media.codec + " " + media.pixel_format + " in " + media.container : media.codec,
            "Codec, pixel format and container of the file, as FFmpeg names them.");
}

void AddRender(const json& sidecar, const Provenance& known, Facts& facts) {
  const json times = PartOf(sidecar, "timings_s"), attention = PartOf(sidecar, "attention");
  if (known.seconds() >= 0) facts.Seconds("render", known.seconds(), SecondsDefinition());
  facts.Seconds("denoising", NumberIn(times, "denoise"), "Seconds of all steps together: `timings_s.denoise`.");
  facts.Seconds("decoding", NumberIn(times, "decode"), "Seconds of the VAE: `timings_s.decode`.");
  facts.Seconds("writing", NumberIn(times, "write"), "Seconds of encoding and writing its files: `timings_s.write`.");
  if (known.sparsity() >= 0) facts.Add("skipped", Fixed(100 * known.sparsity(), 1) + " %", SkippedDefinition());
  if (const auto share = NumberIn(attention, "share_of_time"); share && *share >= 0 && *share <= 1) {
    facts.Add("attention", Fixed(100 * *share, 1) + " %",
              "Attention's share of the time of text encoder, steps and VAE: `attention.share_of_time`.");
  }
  if (const auto peak = NumberIn(sidecar, "peak_memory_bytes"); peak && *peak > 0) {
    facts.Add("memory", Bytes(*peak), "Highest resident memory of the process that rendered it: `peak_memory_bytes`.");
  }
}

void AddJob(const json& job, Facts& facts) {
  const auto add = [&](const char* label, const char* key) {
    facts.Add(label, TextOf(job, key), base::StrCat("Setting `", key, "` of the job that made it."));
  };
  add("mode", "attention.mode");
  add("top-k", "attention.topk");
  add("seed", "seed");
  add("steps", "steps");
  add("guidance", "guidance");
}

}  // namespace

const char* SecondsDefinition() {
  return "Seconds of the whole render, all stages, on the machine that made it: `timings_s.total` of the sidecar.";
}

const char* SkippedDefinition() {
  return "Share of the attention's work that was skipped, all steps, layers and heads together, as the paper counts it "
         "(blocks of Q·K and tiles of P·V): `attention.sparsity` of the sidecar.";
}

ClipFacts FactsOf(const std::string& path) {
  ClipFacts clip;
  Facts facts;
  try {
    std::string comment;
    try {
      const pipeline::MediaInfo media = pipeline::ProbeMedia(path);
      comment = media.comment;
      clip.width_px = media.width_px;
      clip.height_px = media.height_px;
      clip.num_frames = media.num_frames;
      AddFile(media, facts);
    } catch (const base::Error& error) {
      clip.shown.error = error.what();
    }
    const Provenance known = ReadProvenance(path, comment);
    clip.hash = known.hash;
    clip.model = TextOf(known.job, "model");
    AddRender(known.sidecar, known, facts);
    AddJob(known.job, facts);
    facts.Add("hash", known.hash.substr(0, 8),
              "The first 8 digits of the job's hash: SHA-256 over its settings and the model (docs/interfaces.md).");
    const json from = PartOf(known.sidecar, "from");
    const std::string kind = TextIn(from, "kind"), name = TextIn(from, "name");
    if (kind == "clip")
      clip.shown.note = "Encoded again from the clip " + name + ": not rendered, decoded and encoded.";
    if (kind == "latents")
      clip.shown.note = "Decoded and encoded from the kept latents " + name + ": not rendered again.";
  } catch (const std::bad_alloc&) {
    clip.shown.error = path + ": no memory";
  }
  clip.shown.figures = std::move(facts.out);
  return clip;
}

}  // namespace app
