#include "app/report/pictures.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/frame.h>
}

#include "app/draw/heat_grid.h"
#include "app/settings/text.h"
#include "attention/base/error.h"
#include "pipeline/media/media.h"
#include "pipeline/media/png.h"

namespace app {
namespace {

using base::Check;
using base::ErrorCode;

constexpr int64_t kPosterWidth = 320;
constexpr int64_t kMostPixels = int64_t{1} << 26;
constexpr int kQuality = 4;  // quantiser, 2…31: small is good

struct FreeContext {
  void operator()(AVCodecContext* context) const { avcodec_free_context(&context); }
};
struct FreeFrame {
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
};
struct FreePacket {
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
};

uint8_t Byte(double value) { return static_cast<uint8_t>(std::clamp(std::lround(value), 0l, 255l)); }

// JFIF's colours (BT.601, full range); colour at half the size.
void FillFrame(const Canvas& picture, AVFrame& frame) {
  for (int64_t y = 0; y < picture.height_px; ++y) {
    for (int64_t x = 0; x < picture.width_px; ++x) {
      const uint8_t* p = picture.at(y, x);
      frame.data[0][y * frame.linesize[0] + x] = Byte(0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]);
    }
  }
  for (int64_t y = 0; y < (picture.height_px + 1) / 2; ++y) {
    for (int64_t x = 0; x < (picture.width_px + 1) / 2; ++x) {
      double r = 0, g = 0, b = 0;
      for (int k = 0; k < 4; ++k) {
        const uint8_t* p =
            picture.at(std::min(2 * y + k / 2, picture.height_px - 1), std::min(2 * x + k % 2, picture.width_px - 1));
        r += p[0] / 4.0;
        g += p[1] / 4.0;
        b += p[2] / 4.0;
      }
      frame.data[1][y * frame.linesize[1] + x] = Byte(128 - 0.168736 * r - 0.331264 * g + 0.5 * b);
      frame.data[2][y * frame.linesize[2] + x] = Byte(128 + 0.5 * r - 0.418688 * g - 0.081312 * b);
    }
  }
}

// What browsers play: a type for <video> or <img>.
std::string PlayableType(const pipeline::MediaInfo& info, const std::string& path) {
  if (info.codec == "gif") return "image/gif";
  const bool common = info.codec == "h264" && info.pixel_format == "yuv420p";
  const bool free = info.codec == "vp9" || info.codec == "av1";
  if (info.container == "mp4" && (common || free)) return "video/mp4";
  if (info.container == "mov" && common) return "video/mp4";
  if (info.container == "matroska" && free && LowerASCII(path).ends_with(".webm")) return "video/webm";
  return "";
}

// Whether it, or the first of its frames, is a file: a path of any origin may name a pipe, a device or an address.
bool IsRegularFile(const std::string& output) {
  const bool frames = pipeline::KindOfOutput(output) == pipeline::OutputKind::kPngFrames;
  const std::filesystem::path file = frames ? pipeline::FramePath(output, 0) : output;
  std::error_code error;
  return file.is_absolute() && std::filesystem::is_regular_file(file, error);
}

ClipLook LookAt(const std::string& path) {
  pipeline::FrameReader reader(path);
  Check(reader.Next(), ErrorCode::kInvalidInput, path, ": no frames");
  const pipeline::MediaInfo& info = reader.info();
  ClipLook look;
  Check(info.width_px * info.height_px <= kMostPixels, ErrorCode::kInvalidInput, path, ": too large for a thumbnail");
  look.width_px = info.width_px;
  look.height_px = info.height_px;
  look.bytes = info.bytes;
  look.is_video = info.is_video;
  look.type = PlayableType(info, path);
  const size_t values = static_cast<size_t>(info.width_px * info.height_px * 3);
  std::vector<float> rgb(values);
  reader.Convert(rgb.data());
  Canvas frame(info.height_px, info.width_px);
  for (size_t i = 0; i < values; ++i) frame.rgb[i] = Byte(rgb[i] * 255.0);
  look.poster = EncodeJPEG(frame.width_px > kPosterWidth ? Reduced(frame, kPosterWidth) : frame);
  return look;
}

}  // namespace

std::string EncodeJPEG(const Canvas& picture) {
  const AVCodec* codec = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
  Check(codec != nullptr, ErrorCode::kUnsupported, "this FFmpeg has no JPEG encoder");
  const std::unique_ptr<AVCodecContext, FreeContext> context(avcodec_alloc_context3(codec));
  const std::unique_ptr<AVFrame, FreeFrame> frame(av_frame_alloc());
  const std::unique_ptr<AVPacket, FreePacket> packet(av_packet_alloc());
  Check(context && frame && packet, ErrorCode::kOutOfMemory, "no memory for a picture");
  context->width = frame->width = static_cast<int>(picture.width_px);
  context->height = frame->height = static_cast<int>(picture.height_px);
  context->pix_fmt = AV_PIX_FMT_YUVJ420P;
  frame->format = AV_PIX_FMT_YUVJ420P;
  context->color_range = frame->color_range = AVCOL_RANGE_JPEG;
  context->time_base = {1, 25};
  context->flags |= AV_CODEC_FLAG_QSCALE | AV_CODEC_FLAG_BITEXACT;
  context->global_quality = frame->quality = FF_QP2LAMBDA * kQuality;
  context->thread_count = 1;
  const bool good = avcodec_open2(context.get(), codec, nullptr) >= 0 && av_frame_get_buffer(frame.get(), 0) >= 0;
  Check(good, ErrorCode::kInternal, "a picture of ", picture.width_px, "x", picture.height_px, " px has no JPEG");
  FillFrame(picture, *frame);
  const bool encoded =
      avcodec_send_frame(context.get(), frame.get()) >= 0 && avcodec_receive_packet(context.get(), packet.get()) >= 0;
  Check(encoded, ErrorCode::kInternal, "a picture of ", picture.width_px, "x", picture.height_px, " px has no JPEG");
  return {reinterpret_cast<const char*>(packet->data), static_cast<size_t>(packet->size)};
}

std::optional<ClipLook> LookAtClip(const ReportJob& job, std::string& path) {
  for (const std::string& output : job.outputs) {
    try {
      if (pipeline::KindOfOutput(output) == pipeline::OutputKind::kTensors || !IsRegularFile(output)) continue;
      ClipLook look = LookAt(output);
      path = output;
      return look;
    } catch (const base::Error&) {  // no clip: another output may be one
    }
  }
  return std::nullopt;
}

std::string SkipMapPNG(const SkipMap& map) {
  Canvas canvas(map.layers, map.steps, {128, 128, 128});
  for (int64_t y = 0; y < map.layers; ++y) {
    for (int64_t x = 0; x < map.steps; ++x) {
      const float value = map.values[static_cast<size_t>(y * map.steps + x)];
      if (std::isnan(value)) continue;
      const Color color = HeatColor(value);
      uint8_t* p = canvas.at(y, x);
      p[0] = color.r;
      p[1] = color.g;
      p[2] = color.b;
    }
  }
  return pipeline::EncodePng(canvas.rgb.data(), canvas.height_px, canvas.width_px, "");
}

SkipMap MeanMap(const std::vector<const ReportJob*>& jobs, int64_t& count) {
  SkipMap mean;
  std::vector<double> sums, counts;
  count = 0;
  for (const ReportJob* job : jobs) {
    const SkipMap& map = job->skipped;
    if (map.empty()) continue;
    if (mean.steps == 0) {
      mean.steps = map.steps;
      mean.layers = map.layers;
      sums.resize(map.values.size());
      counts.resize(map.values.size());
    }
    if (map.steps != mean.steps || map.layers != mean.layers) continue;
    ++count;
    for (size_t i = 0; i < sums.size(); ++i) {
      if (std::isnan(map.values[i])) continue;
      sums[i] += map.values[i];
      ++counts[i];
    }
  }
  for (size_t i = 0; i < sums.size(); ++i) {
    mean.values.push_back(counts[i] > 0 ? static_cast<float>(sums[i] / counts[i])
                                        : std::numeric_limits<float>::quiet_NaN());
  }
  return mean;
}

}  // namespace app
