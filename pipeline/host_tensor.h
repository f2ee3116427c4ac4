#pragma once

#include <cstdint>
#include <vector>

namespace pipeline {

// A dense row-major float32 array in host memory: how latents and frames cross between libtorch code and the rest.
struct HostTensor {
  std::vector<int64_t> shape;
  std::vector<float> data;

  int64_t numel() const {
    int64_t n = 1;
    for (int64_t s : shape) n *= s;
    return n;
  }
  bool empty() const { return data.empty(); }
};

}  // namespace pipeline
