#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "pipeline/weights/weights.h"

namespace bench {

// Weights for a Wan DiT or VAE without a checkpoint, from libtorch's global generator. Activations stay of order one:
// matrices and kernels are N(0, 1/inputs), gains 1, biases 0.
//
// Random q and k alone would look at everything alike. So that heads have something to skip, three of four have a bias
// in to_q and to_k, the same in both: a q and a k then share a vector which RoPE turns by their places, their product
// is highest where they are close in time, height and width, and neighbours in a block are alike. Every fourth head has
// none and looks everywhere, as some do in trained models.
class MadeWeights {
 public:
  struct Heads {
    int64_t count, dim;
  };
  MadeWeights(Heads heads, at::Device device) : heads_(heads), device_(device) {}

  // What pipeline::WeightLoader asks. `this` outlives it.
  pipeline::WeightLoader::Make Maker();
  int64_t numbers() const { return numbers_; }  // made so far

 private:
  at::Tensor Make(const std::string& name, at::IntArrayRef shape);
  at::Tensor LocalBias(bool first);

  Heads heads_;
  at::Device device_;
  at::Tensor bias_;  // of the to_q made last, for its to_k
  int64_t numbers_ = 0;
};

}  // namespace bench
