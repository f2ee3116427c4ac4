#include <algorithm>
#include <filesystem>

#include "app/compare/record.h"
#include "app/gui/controller.h"
#include "app/job/kept_latents.h"
#include "app/job/model.h"
#include "app/settings/text.h"
#include "attention/base/error.h"
#include "pipeline/media/media.h"

// A clip of the library in another encoding, made by the worker: from its kept latents, or from the clip itself.
namespace app {
namespace {

namespace fs = std::filesystem;
using ui::Level;

constexpr const char* kEncoding[] = {"encode.codec", "encode.crf", "encode.preset", "encode.pixel_format", "fps"};

// Why the latents beside a clip are not those that it shows; "" if they are.
std::string WhyNotLatents(const std::string& path, const ClipFacts& facts) {
  const std::string latents = StemOf(path) + ".latents.safetensors";
  if (facts.hash.empty()) return "The clip records no job of ours.";
  switch (LookAtLatents(latents, facts.hash).kind) {
    case LatentsOnDisk::Kind::kNone:
      return "No latents are kept beside it (setting keep_latents).";
    case LatentsOnDisk::Kind::kOther:
      return "The latents beside it are of another job.";
    case LatentsOnDisk::Kind::kCheckpoint:
      return "The latents beside it are a checkpoint, not whole.";
    case LatentsOnDisk::Kind::kWhole:
      break;
  }
  try {
    FindModel(facts.model);
    return "";
  } catch (const base::Error& error) {
    return error.what();
  }
}

// STEM_TAG.EXTENSION, where neither it nor its sidecar is there.
std::string FreshOut(const std::string& path, const std::string& tag, const std::string& extension) {
  const std::string stem = StemOf(path) + "_" + tag;
  for (int i = 1;; ++i) {
    const std::string one = i == 1 ? stem : stem + "_" + std::to_string(i);
    const std::string out = extension == "png" ? one + "/" : one + "." + extension;
    std::error_code error;
    if (!fs::exists(out, error) && !fs::exists(one + ".json", error)) return out;
  }
}

}  // namespace

ui::LibraryEncodePlan Controller::PlanEncode(const std::string& path, const ClipFacts& facts,
                                             const ui::LibraryPlanEncode& wanted) const {
  ui::LibraryEncodePlan plan;
  plan.extension = wanted.extension;
  plan.why_not_latents = WhyNotLatents(path, facts);
  plan.from_clip = wanted.from_clip || !plan.why_not_latents.empty();
  plan.source = plan.from_clip ? "Decoded from the clip: what its encoding lost stays lost."
                               : "Decoded from the kept latents by the model's VAE: nothing is lost before encoding.";
  const ExplicitSettings settings = form_.Settings();
  const auto given = [&](const char* key) {
    const auto it = settings.find(key);
    return it == settings.end() ? Value(nullptr) : it->second;
  };
  pipeline::VideoOptions options;
  if (given("encode.codec").is_string()) options.codec = given("encode.codec").get<std::string>();
  if (given("encode.crf").is_number()) options.crf = given("encode.crf").get<double>();
  if (given("encode.preset").is_string()) options.preset = given("encode.preset").get<std::string>();
  if (given("encode.pixel_format").is_string()) options.pixel_format = given("encode.pixel_format").get<std::string>();
  if (given("fps").is_number()) options.fps = given("fps").get<double>();
  const bool pictures = wanted.extension == "png";
  const std::string codec = pictures ? "frames" : options.codec.empty() ? "again" : options.codec;
  plan.out = FreshOut(path, codec, wanted.extension);
  plan.encoding = pictures ? "PNG frames in a folder" : options.codec.empty() ? "the container's codec" : options.codec;
  if (options.crf && !pictures) plan.encoding += ", crf " + TypedText(given("encode.crf"));
  if (!options.preset.empty() && !pictures) plan.encoding += ", " + options.preset;
  if (!options.pixel_format.empty() && !pictures) plan.encoding += ", " + options.pixel_format;
  plan.encoding += given("fps").is_number() ? ", " + TypedText(given("fps")) + " fps" : ", the clip's frame rate";
  for (const char* key : kEncoding) {
    const ui::SettingRow* row = view_.Find(key);
    if (row != nullptr && !row->error.empty() && plan.why_not.empty()) plan.why_not = row->error;
  }
  if (plan.why_not.empty() && plan.from_clip && !facts.shown.error.empty()) plan.why_not = facts.shown.error;
  if (!plan.why_not.empty()) return plan;
  try {
    const auto whole = [](int64_t value) { return std::max<int64_t>(value, 16); };
    pipeline::ValidateOutput(plan.out, options, std::max<int64_t>(facts.num_frames, 1), whole(facts.height_px),
                             whole(facts.width_px));
  } catch (const base::Error& error) {
    plan.why_not = error.what();
  }
  return plan;
}

void Controller::EncodeAgain(const std::string& path, const ui::LibraryEncode& wanted) {
  const ExplicitSettings form = form_.Settings();
  ExplicitSettings settings;
  for (const char* key : kEncoding) {
    const auto it = form.find(key);
    // Nothing given: the container's default, not what the clip's own job said; its frame rate stays.
    if (it != form.end() || std::string_view(key) != "fps") settings[key] = it == form.end() ? Value() : it->second;
  }
  ui::JobRow row;
  row.title = "Encode again: " + fs::path(StemOf(path)).filename().string();
  const fs::path out = wanted.out;
  row.detail = (out.has_filename() ? out.filename() : out.parent_path().filename()).string() +
               (wanted.from_clip ? " · from the clip" : " · from the kept latents");
  AddAgain(row, settings,
           {wanted.from_clip ? path : StemOf(path) + ".latents.safetensors", wanted.from_clip, wanted.out});
  Notify(Level::kInfo, "In the queue: " + row.detail);
}

void Controller::AddAgain(const ui::JobRow& like, const ExplicitSettings& settings, const Again& again) {
  Job& job = Add(settings, jobs_.size());
  job.row.title = like.title;
  job.row.detail = like.detail;
  job.again = again;
  changed_ = true;
}

}  // namespace app
