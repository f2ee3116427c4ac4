#include "pipeline/media/pixels.h"

#include <algorithm>
#include <cmath>

#include "attention/base/error.h"

namespace pipeline {
namespace {

constexpr float kRed = 0.2126f, kGreen = 0.7152f, kBlue = 0.0722f;

[[noreturn]] void FailNonFinite(float value, int64_t frame_index) {
  base::Fail(base::ErrorCode::kNonFinite, "frame ", frame_index, " holds ", value,
             ", not a number in 0…1: the render went wrong, nothing was written");
}

void Store(AVFrame* frame, int plane, int64_t x, int64_t y, bool wide, int value) {
  uint8_t* row = frame->data[plane] + y * frame->linesize[plane];
  if (wide) {
    reinterpret_cast<uint16_t*>(row)[x] = static_cast<uint16_t>(value);
  } else {
    row[x] = static_cast<uint8_t>(value);
  }
}

int Round(float value) { return static_cast<int>(std::lrint(value)); }

}  // namespace

void RoundTo8Bit(const float* rgb, int64_t count, int64_t frame_index, uint8_t* out) {
  for (int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(rgb[i])) FailNonFinite(rgb[i], frame_index);
    out[i] = static_cast<uint8_t>(Round(std::clamp(rgb[i], 0.0f, 1.0f) * 255.0f));
  }
}

void FrameFiller::Fill(const float* rgb, int64_t frame_index, AVFrame* frame) {
  const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame->format));
  const int depth = format->comp[0].depth;
  const int64_t count = height_ * width_ * 3;
  unit_.resize(count);
  if (depth == 8) {
    bytes_.resize(count);
    RoundTo8Bit(rgb, count, frame_index, bytes_.data());
    for (int64_t i = 0; i < count; ++i) unit_[i] = static_cast<float>(bytes_[i]) / 255.0f;
  } else {
    for (int64_t i = 0; i < count; ++i) {
      if (!std::isfinite(rgb[i])) FailNonFinite(rgb[i], frame_index);
      unit_[i] = std::clamp(rgb[i], 0.0f, 1.0f);
    }
  }
  if (frame->format == AV_PIX_FMT_BGR0) {
    FillBgr0(frame);
  } else if (format->flags & AV_PIX_FMT_FLAG_RGB) {
    FillPlanarRgb(depth, frame);
  } else {
    FillYuv(depth, format->log2_chroma_w, format->log2_chroma_h, frame);
  }
}

void FrameFiller::FillYuv(int depth, int log2_chroma_w, int log2_chroma_h, AVFrame* frame) {
  const bool wide = depth > 8;
  const float scale = static_cast<float>(1 << (depth - 8));
  cb_.resize(height_ * width_);
  cr_.resize(height_ * width_);
  for (int64_t y = 0; y < frame->height; ++y) {
    for (int64_t x = 0; x < frame->width; ++x) {
      const int64_t i = std::min(y, height_ - 1) * width_ + std::min(x, width_ - 1);
      const float r = unit_[3 * i], g = unit_[3 * i + 1], b = unit_[3 * i + 2];
      const float luma = kRed * r + kGreen * g + kBlue * b;
      cb_[i] = (b - luma) / (2 * (1 - kBlue));
      cr_[i] = (r - luma) / (2 * (1 - kRed));
      Store(frame, 0, x, y, wide, Round(scale * (16.0f + 219.0f * luma)));
    }
  }
  const int64_t chroma_height = AV_CEIL_RSHIFT(frame->height, log2_chroma_h);
  const int64_t chroma_width = AV_CEIL_RSHIFT(frame->width, log2_chroma_w);
  for (int plane = 1; plane <= 2; ++plane) {
    const std::vector<float>& full = plane == 1 ? cb_ : cr_;
    for (int64_t cy = 0; cy < chroma_height; ++cy) {
      const int64_t top = std::min(cy << log2_chroma_h, height_ - 1);
      const int64_t bottom = log2_chroma_h == 0 ? top : std::min(top + 1, height_ - 1);
      for (int64_t cx = 0; cx < chroma_width; ++cx) {
        const int64_t centre = std::min(cx << log2_chroma_w, width_ - 1);
        float value = 0.5f * (full[top * width_ + centre] + full[bottom * width_ + centre]);
        if (log2_chroma_w > 0) {
          const int64_t left = std::max<int64_t>(centre - 1, 0), right = std::min(centre + 1, width_ - 1);
          value = 0.5f * value + 0.125f * (full[top * width_ + left] + full[bottom * width_ + left] +
                                           full[top * width_ + right] + full[bottom * width_ + right]);
        }
        Store(frame, plane, cx, cy, wide, Round(scale * (128.0f + 224.0f * value)));
      }
    }
  }
}

void FrameFiller::FillPlanarRgb(int depth, AVFrame* frame) const {
  const float top = static_cast<float>((1 << depth) - 1);
  constexpr int kPlaneOfChannel[3] = {2, 0, 1};  // planes are G, B, R
  for (int64_t y = 0; y < frame->height; ++y) {
    for (int64_t x = 0; x < frame->width; ++x) {
      const int64_t i = std::min(y, height_ - 1) * width_ + std::min(x, width_ - 1);
      for (int c = 0; c < 3; ++c) Store(frame, kPlaneOfChannel[c], x, y, depth > 8, Round(unit_[3 * i + c] * top));
    }
  }
}

void FrameFiller::FillBgr0(AVFrame* frame) const {
  for (int64_t y = 0; y < frame->height; ++y) {
    uint8_t* row = frame->data[0] + y * frame->linesize[0];
    for (int64_t x = 0; x < frame->width; ++x) {
      const uint8_t* rgb = &bytes_[3 * (std::min(y, height_ - 1) * width_ + std::min(x, width_ - 1))];
      row[4 * x] = rgb[2];
      row[4 * x + 1] = rgb[1];
      row[4 * x + 2] = rgb[0];
      row[4 * x + 3] = 255;
    }
  }
}

}  // namespace pipeline
