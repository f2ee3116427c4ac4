#include "pipeline/media/encode_plan.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "attention/base/error.h"

namespace pipeline {
namespace {

using base::ErrorCode;

const std::vector<const char*> kX26xPresets = {"ultrafast", "superfast", "veryfast", "faster",   "fast",
                                               "medium",    "slow",      "slower",   "veryslow", "placebo"};

const std::vector<CodecRule>& Codecs() {
  // clang-format off
  static const std::vector<CodecRule> rules = {
      // name, encoder, pixel format, crf, its maximum, whole, preset option, default, presets, sizes, needs even
      {"h264", "libx264", "yuv420p", 17, 51, false, "preset", "medium", kX26xPresets, 1, 16384, true},
      {"h265", "libx265", "yuv420p", 20, 51, false, "preset", "medium", kX26xPresets, 16, 8192, true},
      {"av1", "libaom-av1", "yuv420p", 20, 63, true, "cpu-used", "6", {"0", "1", "2", "3", "4", "5", "6"}, 1, 65535,
       false},
      {"vp9", "libvpx-vp9", "yuv420p", 20, 63, true, "cpu-used", "3", {"0", "1", "2", "3", "4", "5"}, 1, 65535, false},
      {"prores", "prores_ks", "yuv422p10le", -1, 0, false, nullptr, nullptr, {}, 2, 65535, false},
      {"ffv1", "ffv1", "bgr0", -1, 0, false, nullptr, nullptr, {}, 2, 65535, false},
      {"gif", "gif", "pal8", -1, 0, false, nullptr, nullptr, {}, 1, 65535, false},
  };
  // clang-format on
  return rules;
}

const std::vector<ContainerRule>& Containers() {
  static const std::vector<ContainerRule> rules = {
      {".mp4", "mp4", {"h264", "h265", "av1", "vp9"}},
      {".mkv", "matroska", {"h264", "h265", "av1", "vp9", "prores", "ffv1"}},
      {".mov", "mov", {"h264", "h265", "prores"}},
      {".webm", "webm", {"vp9", "av1"}},
      {".gif", "gif", {"gif"}},
  };
  return rules;
}

// What the converter (pixels.h) can fill.
constexpr const char* kPixelFormats[] = {"yuv420p",     "yuv422p",     "yuv444p",     "yuv420p10le", "yuv422p10le",
                                         "yuv444p10le", "yuv420p12le", "yuv422p12le", "yuv444p12le", "yuv420p16le",
                                         "yuv422p16le", "yuv444p16le", "gbrp",        "gbrp10le",    "gbrp12le",
                                         "gbrp14le",    "gbrp16le",    "bgr0",        "pal8"};

std::string Join(const std::vector<std::string>& words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) text += (i == 0 ? "" : ", ") + words[i];
  return text;
}

std::string Join(const std::vector<const char*>& words) {
  return Join(std::vector<std::string>(words.begin(), words.end()));
}

bool Contains(const std::vector<const char*>& words, const std::string& word) {
  return std::any_of(words.begin(), words.end(), [&](const char* w) { return word == w; });
}

const CodecRule& ChooseCodec(const std::string& path, const std::string& wanted, const ContainerRule& container) {
  const std::string name = wanted.empty() ? container.codecs.front() : wanted;
  std::vector<std::string> known, homes;
  const CodecRule* found = nullptr;
  for (const CodecRule& rule : Codecs()) {
    known.push_back(rule.name);
    if (name == rule.name) found = &rule;
  }
  base::Check(found != nullptr, ErrorCode::kInvalidInput, "encode.codec is '", name, "'; it must be one of ",
              Join(known));
  for (const ContainerRule& c : Containers()) {
    if (Contains(c.codecs, name)) homes.push_back(c.extension);
  }
  base::Check(Contains(container.codecs, name), ErrorCode::kInvalidInput, "encode.codec ", name, " does not go into '",
              path, "': a ", container.extension, " file holds ", Join(container.codecs), "; ", name, " goes into ",
              Join(homes));
  return *found;
}

AVPixelFormat ChoosePixelFormat(const CodecRule& codec, const AVCodec& encoder, const std::string& wanted) {
  const AVPixelFormat format = av_get_pix_fmt(wanted.empty() ? codec.default_pixel_format : wanted.c_str());
  std::vector<std::string> possible;
  for (const char* name : kPixelFormats) {
    const AVPixelFormat candidate = av_get_pix_fmt(name);
    for (const AVPixelFormat* f = encoder.pix_fmts; f != nullptr && *f != AV_PIX_FMT_NONE; ++f) {
      if (*f != candidate) continue;
      if (candidate == format) return format;
      possible.push_back(name);
    }
  }
  base::Fail(ErrorCode::kInvalidInput, "encode.pixel_format is '", wanted, "'; with codec ", codec.name,
             " it must be one of ", Join(possible));
}

double ChooseCrf(const CodecRule& codec, const std::optional<double>& wanted) {
  if (!wanted) return codec.crf_default;
  base::Check(codec.crf_default >= 0, ErrorCode::kInvalidInput, "encode.crf is ", *wanted, ", but codec ", codec.name,
              " has no such setting; leave it out (h264, h265, av1 and vp9 have it)");
  base::Check(*wanted >= 0 && *wanted <= codec.crf_max, ErrorCode::kInvalidInput, "encode.crf is ", *wanted,
              "; with codec ", codec.name, " it must be in 0…", codec.crf_max, " (smaller is better)");
  base::Check(!codec.crf_whole || *wanted == std::floor(*wanted), ErrorCode::kInvalidInput, "encode.crf is ", *wanted,
              "; with codec ", codec.name, " it must be a whole number");
  return *wanted;
}

std::string ChoosePreset(const CodecRule& codec, const std::string& wanted) {
  if (wanted.empty()) return codec.preset_default == nullptr ? "" : codec.preset_default;
  base::Check(codec.preset_option != nullptr, ErrorCode::kInvalidInput, "encode.preset is '", wanted, "', but codec ",
              codec.name, " has no presets; leave it out (h264, h265, av1 and vp9 have them)");
  base::Check(Contains(codec.presets, wanted), ErrorCode::kInvalidInput, "encode.preset is '", wanted, "'; with codec ",
              codec.name, " it must be one of ", Join(codec.presets), " (from ",
              codec.presets.front() == std::string("0") ? "slow to fast" : "fast to slow", ")");
  return wanted;
}

// Options of each encoder. Thread counts are fixed because they change the bytes: the same clip on any machine is the
// same file, given the same encoder library.
void SetEncoderOptions(const EncodePlan& plan, av::Options& options) {
  const std::string encoder = plan.codec->encoder;
  if (plan.crf >= 0) options.Set("crf", std::to_string(plan.crf));
  if (!plan.preset.empty()) options.Set(plan.codec->preset_option, plan.preset);
  options.Set("threads", "4");
  if (encoder == "libx264") {
    options.Set("x264-params", "cpu-independent=1");
  } else if (encoder == "libx265") {
    options.Set("x265-params", "log-level=none:pools=4:frame-threads=2:repeat-headers=0:info=0");
  } else if (encoder == "libvpx-vp9") {
    options.Set("b", "0");
    options.Set("deadline", "good");
    options.Set("row-mt", "1");
  } else if (encoder == "libaom-av1") {
    options.Set("b", "0");
    options.Set("row-mt", "1");
  } else if (encoder == "ffv1") {
    options.Set("level", "3");
    options.Set("g", "1");
    // Its own choice of slices fails on few pixels.
    if (plan.width_px <= 352 && plan.height_px <= 288) options.Set("slices", "1");
    options.Set("slicecrc", "1");
  } else if (encoder == "prores_ks") {
    options.Set("vendor", "apl0");
  }
}

}  // namespace

std::string ExtensionOf(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos || dot == 0) return "";
  std::string extension = name.substr(dot);
  for (char& c : extension) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return extension;
}

const ContainerRule* FindContainer(const std::string& extension) {
  for (const ContainerRule& rule : Containers()) {
    if (extension == rule.extension) return &rule;
  }
  return nullptr;
}

AVRational FrameRate(double fps) {
  base::Check(fps >= 0.01 && fps <= 1000, ErrorCode::kInvalidInput, "fps is ", fps, "; it must be in 0.01…1000");
  for (int whole : {24, 30, 48, 60, 120, 240}) {
    if (std::abs(fps - whole * 1000.0 / 1001.0) < 5e-4) return {whole * 1000, 1001};
  }
  return av_d2q(fps, 100000);
}

EncodePlan PlanVideo(const std::string& path, const VideoOptions& options, int64_t height_px, int64_t width_px) {
  av::SilenceLog();
  EncodePlan plan{};
  plan.container = FindContainer(ExtensionOf(path));
  base::Check(plan.container != nullptr, ErrorCode::kInternal, "PlanVideo: '", path, "' is not a video file");
  plan.codec = &ChooseCodec(path, options.codec, *plan.container);
  const CodecRule& codec = *plan.codec;
  const AVCodec* encoder = avcodec_find_encoder_by_name(codec.encoder);
  base::Check(
      encoder != nullptr, ErrorCode::kUnsupported, "encode.codec ", codec.name, " needs the encoder ", codec.encoder,
      ", which the FFmpeg libraries on this machine do not have; install a full FFmpeg or choose another codec");
  plan.pixel_format = ChoosePixelFormat(codec, *encoder, options.pixel_format);
  plan.crf = ChooseCrf(codec, options.crf);
  plan.preset = ChoosePreset(codec, options.preset);
  plan.fps = FrameRate(options.fps);
  base::Check(
      codec.name != std::string("gif") || options.fps <= 50, ErrorCode::kInvalidInput, "fps is ", options.fps,
      ", but a GIF plays at most 50 frames a second (its delays count 1/100 s and players slow down those below 2); "
      "choose a lower rate or another container");
  base::Check(options.comment.find('\0') == std::string::npos, ErrorCode::kInternal,
              "VideoOptions::comment holds a NUL character");
  base::Check(width_px >= codec.size_min && height_px >= codec.size_min && width_px <= codec.size_max &&
                  height_px <= codec.size_max,
              ErrorCode::kInvalidInput, "cannot write '", path, "' at ", width_px, "x", height_px, ": codec ",
              codec.name, " takes sides of ", codec.size_min, "…", codec.size_max,
              " pixels; choose another size or codec");
  plan.width_px = static_cast<int>(width_px);
  plan.height_px = static_cast<int>(height_px);
  const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(plan.pixel_format);
  if (codec.needs_even) {
    if (format->log2_chroma_w > 0) plan.width_px += plan.width_px % 2;
    if (format->log2_chroma_h > 0) plan.height_px += plan.height_px % 2;
  }
  return plan;
}

av::CodecContext OpenEncoder(const EncodePlan& plan, const std::string& path) {
  av::SilenceLog();
  av::ClearLog();
  const AVCodec* encoder = avcodec_find_encoder_by_name(plan.codec->encoder);
  av::CodecContext context = av::NewCodecContext(encoder);
  context->width = plan.width_px;
  context->height = plan.height_px;
  context->pix_fmt = plan.pixel_format;
  context->time_base = av_inv_q(plan.fps);
  context->framerate = plan.fps;
  context->sample_aspect_ratio = {1, 1};
  context->flags |= AV_CODEC_FLAG_BITEXACT;
  const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(plan.pixel_format);
  const bool rgb = (format->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL)) != 0;
  context->color_primaries = AVCOL_PRI_BT709;
  context->color_trc = AVCOL_TRC_BT709;
  context->colorspace = rgb ? AVCOL_SPC_RGB : AVCOL_SPC_BT709;
  context->color_range = rgb ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
  if (format->log2_chroma_w > 0) context->chroma_sample_location = AVCHROMA_LOC_LEFT;
  const AVOutputFormat* muxer = av_guess_format(plan.container->muxer, nullptr, nullptr);
  base::Check(muxer != nullptr, ErrorCode::kUnsupported, "the FFmpeg libraries on this machine cannot write ",
              plan.container->extension, " files; install a full FFmpeg or choose another container");
  if (muxer->flags & AVFMT_GLOBALHEADER) context->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  av::Options options;
  SetEncoderOptions(plan, options);
  const int result = avcodec_open2(context.get(), encoder, options.get());
  base::Check(result >= 0, ErrorCode::kInvalidInput, "cannot write '", path, "': the ", plan.codec->name, " encoder (",
              plan.codec->encoder, ") refuses ", plan.width_px, "x", plan.height_px, " ", format->name, ": ",
              av::Explain(result), "; choose another size, pixel format or codec");
  base::Check(options.Unused().empty(), ErrorCode::kUnsupported, "the encoder ", plan.codec->encoder,
              " on this machine has no option '", options.Unused(),
              "'; install another FFmpeg or choose another codec");
  return context;
}

}  // namespace pipeline
