#pragma once

#include <ATen/core/Tensor.h>

#include "attention/parallel.h"

namespace attention {

// libtorch's own pool of threads, as many as it is set to; one inside a parallel region of its.
class TorchThreads : public Parallel {
 public:
  TorchThreads();
  int num_threads() const override { return num_threads_; }
  void OnEach(const std::function<void(int worker)>& body) const override;

 private:
  int num_threads_;
};

}  // namespace attention
