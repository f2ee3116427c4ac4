#include "attention/torch_threads.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/TensorIterator.h>

namespace attention {

TorchThreads::TorchThreads() : num_threads_(at::in_parallel_region() ? 1 : at::get_num_threads()) {}

// at::parallel_for is a template: compiled here it would need OpenMP's flags and exactly libtorch's copy of the OpenMP
// library, and would quietly run on one thread without. A TensorIterator runs its loop through the parallel_for that is
// inside libtorch, whatever that was built with: here over the workers' numbers, a grain of one.
void TorchThreads::OnEach(const std::function<void(int)>& body) const {
  const at::Tensor workers = at::arange(num_threads_, at::kLong);
  at::TensorIterator iterator = at::TensorIteratorConfig()
                                    .check_all_same_dtype(false)
                                    .resize_outputs(false)
                                    .add_output(workers)
                                    .set_check_mem_overlap(false)
                                    .build();
  iterator.for_each(
      [&body](char** data, const int64_t* strides, int64_t count, int64_t rows) {
        for (int64_t row = 0; row < rows; ++row) {
          for (int64_t i = 0; i < count; ++i) {
            body(static_cast<int>(*reinterpret_cast<const int64_t*>(data[0] + i * strides[0] + row * strides[1])));
          }
        }
      },
      /*grain_size=*/1);
}

}  // namespace attention
