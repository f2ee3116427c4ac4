#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "attention/attention.h"
#include "attention/call_clock.h"
#include "attention/make_call.h"

// The door's way to the CUDA kernels (cuda/launch.h). In a build without them: no names, and why.
namespace attention {

std::vector<std::string> CUDAKernelNames();

// Why the modes other than dense cannot run on the CUDA device; "": they can.
std::string WhyOnlyDenseOnCUDA(const at::Device& device);

// Queues made.call in the current stream of q's device; waits for nothing. `o` is the output; what `results` wants it
// gets on the device; `counts` int64 [B, Hq, 4] there, to be filled (HeadCounts). Tells `clock` when the first stage is
// queued. Throws base::Error, kUnsupported, where the kernel (a name or "auto") is not there or cannot do it.
void AttendOnCUDA(const at::Tensor& q, const at::Tensor& v, const std::string& kernel, const MadeCall& made,
                  const at::Tensor& o, const at::Tensor& counts, CallClock& clock, CallResults& results);

}  // namespace attention
