#pragma once

#include <cstdint>
#include <vector>

#include "pipeline/media/av.h"

namespace pipeline {

// RGB values 0…1 to 8 bits as diffusers does (numpy): (x · 255).round(), halves to even; clamped.
// Throws Error{kNonFinite} with `frame_index` for NaN and infinity.
void RoundTo8Bit(const float* rgb, int64_t count, int64_t frame_index, uint8_t* out);

// Fills encoder frames from RGB floats [height, width, 3].
//
// YUV: BT.709, limited range (ITU-R BT.709-6 §3.2, §3.4: Kr 0.2126, Kb 0.0722; luma 16…235, chroma 16…240, times
// 2^(depth−8)). Chroma is sited as MPEG-2 does: horizontally on the even luma column ([1 2 1]/4), vertically between
// rows ([1 1]/2). 8-bit formats start from the 8-bit RGB values of RoundTo8Bit, deeper ones from the floats.
// RGB formats are full range. A frame that is larger than the picture repeats its last column and row.
class FrameFiller {
 public:
  FrameFiller(int64_t height_px, int64_t width_px) : height_(height_px), width_(width_px) {}

  // `frame` has its format, size and writable buffers. Throws Error{kNonFinite}.
  void Fill(const float* rgb, int64_t frame_index, AVFrame* frame);

 private:
  void FillYuv(int depth, int log2_chroma_w, int log2_chroma_h, AVFrame* frame);
  void FillPlanarRgb(int depth, AVFrame* frame) const;
  void FillBgr0(AVFrame* frame) const;

  int64_t height_, width_;
  std::vector<float> unit_;     // the picture in 0…1, rounded to 8 bits where the format has 8
  std::vector<uint8_t> bytes_;  // the same as 8-bit values, for 8-bit formats
  std::vector<float> cb_, cr_;  // −0.5…0.5, at full resolution
};

}  // namespace pipeline
