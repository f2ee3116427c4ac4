#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace pipeline {

// One palette for all frames of a GIF: at most 255 colours, entry 255 is transparent (the encoder uses it for pixels
// that do not change). Colours are found by cutting the clip's colour histogram (6 bits a channel) again and again at
// the mean of its widest axis, always the part whose colours differ most; a part becomes the mean of its true colours,
// so a clip of few, well separated colours keeps them exactly.
class GifPalette {
 public:
  static constexpr int kMaxColours = 255;

  GifPalette() : bins_(1 << 18) {}

  // Counts pixels [count, 3].
  void Add(const uint8_t* rgb, int64_t count);

  // After the last Add, before the first Map.
  void Build();

  // 256 entries 0xAARRGGBB.
  const std::array<uint32_t, 256>& argb() const { return argb_; }

  // Nearest colours of a picture [height, width, 3], with Floyd–Steinberg error diffusion, alternate rows backwards.
  void Map(const uint8_t* rgb, int64_t height, int64_t width, uint8_t* indices, int64_t stride);

 private:
  struct Bin {
    uint64_t count = 0, sum[3] = {};
  };
  struct Colour {
    double weight, value[3];
  };
  struct Part;

  static Part Measure(std::vector<Colour>::iterator begin, std::vector<Colour>::iterator end);
  int Nearest(const std::array<int, 3>& colour);

  std::vector<Bin> bins_;
  int num_colours_ = 0;
  std::array<uint32_t, 256> argb_{};
  std::array<std::array<int, 3>, 256> colours_{};
  std::vector<int16_t> nearest_;  // of every 24-bit colour; −1: not yet asked
};

}  // namespace pipeline
