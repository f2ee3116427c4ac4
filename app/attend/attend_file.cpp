#include "app/attend/attend_file.h"

#include <ATen/Functions.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "attention/attention.h"
#include "attention/base/atomic_file.h"
#include "attention/base/error.h"
#include "attention/call_clock.h"
#include "pipeline/runtime.h"
#include "pipeline/weights/safetensors.h"

namespace app {
namespace {

using base::Check;
using base::ErrorCode;
using pipeline::DType;

struct DTypePair {
  DType file;
  at::ScalarType tensor;
};
// What a call's tensors may be.
constexpr DTypePair kDTypes[] = {{DType::kF32, at::kFloat},
                                 {DType::kBF16, at::kBFloat16},
                                 {DType::kF16, at::kHalf},
                                 {DType::kI64, at::kLong},
                                 {DType::kU8, at::kByte}};

at::ScalarType ToScalarType(DType dtype) {
  for (const DTypePair& pair : kDTypes) {
    if (pair.file == dtype) return pair.tensor;
  }
  base::Fail(ErrorCode::kInternal, "no tensor of dtype ", pipeline::DTypeName(dtype));
}

DType ToFileDType(at::ScalarType dtype) {
  for (const DTypePair& pair : kDTypes) {
    if (pair.tensor == dtype) return pair.file;
  }
  base::Fail(ErrorCode::kInternal, "no file dtype for ", c10::toString(dtype));
}

// A tensor of the file, which must have one of the dtypes; undefined where it has none of that name. Over the file's
// mapping where that is aligned.
at::Tensor Read(const pipeline::SafetensorsFile& file, const std::string& name, std::initializer_list<DType> dtypes) {
  const auto found = file.tensors().find(name);
  if (found == file.tensors().end()) return {};
  const pipeline::TensorEntry& entry = found->second;
  std::string expected;
  for (DType dtype : dtypes) expected += (expected.empty() ? "" : " or ") + std::string(pipeline::DTypeName(dtype));
  Check(std::find(dtypes.begin(), dtypes.end(), entry.dtype) != dtypes.end(), ErrorCode::kInvalidInput, file.path(),
        ": tensor '", name, "' is ", pipeline::DTypeName(entry.dtype), ", expected ", expected);
  Check(entry.bytes > 0, ErrorCode::kInvalidInput, file.path(), ": tensor '", name, "' is empty: it has a size of 0");
  const at::TensorOptions options = at::TensorOptions().dtype(ToScalarType(entry.dtype));
  void* data = const_cast<std::byte*>(entry.data);
  if (reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(pipeline::DTypeBytes(entry.dtype)) == 0) {
    return at::from_blob(data, entry.shape, options);
  }
  at::Tensor copy = at::empty(entry.shape, options);
  std::memcpy(copy.mutable_data_ptr(), data, entry.bytes);
  return copy;
}

at::Tensor ReadOperand(const pipeline::SafetensorsFile& file, const std::string& name) {
  at::Tensor tensor = Read(file, name, {DType::kF32, DType::kBF16, DType::kF16});
  Check(tensor.defined(), ErrorCode::kInvalidInput, file.path(), ": has no tensor '", name,
        "'; an attention call needs q, k and v");
  return tensor;
}

attention::TokenRange RangeOf(const char* flag, const std::optional<std::pair<int64_t, int64_t>>& range) {
  if (!range) return {};
  Check(range->first < range->second, ErrorCode::kInvalidInput, flag, " ", range->first, ":", range->second,
        ": expected begin < end");
  return {range->first, range->second};
}

void Write(const AttendRequest& request, const std::vector<std::pair<std::string, at::Tensor>>& tensors,
           const attention::CallResults& results) {
  std::vector<at::Tensor> dense;  // keeps what is written
  std::vector<pipeline::TensorData> data;
  for (const auto& [name, tensor] : tensors) {
    dense.push_back(tensor.cpu().contiguous());
    data.push_back({name, ToFileDType(tensor.scalar_type()), tensor.sizes().vec(), dense.back().const_data_ptr()});
  }
  pipeline::WriteTensors(request.out, std::move(data), {{"kernel", results.kernel}, {"reason", results.reason}});
}

}  // namespace

AttendReport AttendFile(const AttendRequest& request) {
  const c10::InferenceMode inference;
  attention::AttentionOptions options;
  options.mode = request.mode;
  options.kernel = request.kernel;
  options.topk = request.topk;
  options.cdf = request.cdf;
  options.theta = request.theta;
  options.lambda = request.lambda;
  options.sink = request.sink;
  options.selector = request.selector;
  options.window = request.window;
  options.keep_keys = RangeOf("--keep-keys", request.keep_keys);
  options.keep_queries = RangeOf("--keep-queries", request.keep_queries);
  attention::CheckOptions(options);
  const pipeline::Runtime runtime = pipeline::Runtime::Choose({request.device, "float32", 0});

  const auto file = pipeline::SafetensorsFile::Open(request.in);
  at::Tensor q = ReadOperand(*file, "q"), k = ReadOperand(*file, "k"), v = ReadOperand(*file, "v");
  attention::AttentionContext ctx;
  ctx.options = &options;
  ctx.scale = request.scale;
  ctx.causal = request.causal;
  ctx.key_lengths = Read(*file, "key_lengths", {DType::kI64});
  ctx.block_map = Read(*file, "block_map", {DType::kU8});
  ctx.topk = Read(*file, "topk", {DType::kF32});
  ctx.cdf = Read(*file, "cdf", {DType::kF32});
  ctx.theta = Read(*file, "theta", {DType::kF32});
  ctx.lambda = Read(*file, "lambda", {DType::kF32});
  base::CheckOutputPath(request.out);

  attention::CallResults results;
  results.want_lse = true;
  results.want_block_map = results.want_counts = request.mode != "dense";
  ctx.results = &results;
  AttendReport report;
  at::Tensor o;
  try {
    q = q.to(runtime.device);
    k = k.to(runtime.device);
    v = v.to(runtime.device);
    for (int i = 0; i < request.repeat; ++i) {
      attention::CallClock clock(runtime.device);
      o = attention::Attend(q, k, v, ctx);
      clock.Stop();
      report.seconds.push_back(clock.Seconds());
    }
  } catch (const base::Error& error) {
    if (error.code() != ErrorCode::kInvalidInput) throw;
    base::Fail(error.code(), request.in, ": ", error.what());
  }

  std::vector<std::pair<std::string, at::Tensor>> tensors = {{"o", o}, {"lse", results.lse}};
  if (request.mode != "dense") {
    tensors.insert(tensors.end(), {{"block_map", results.block_map},
                                   {"visible_blocks", results.visible_blocks},
                                   {"kept_blocks", results.kept_blocks},
                                   {"pv_tiles", results.pv_tiles},
                                   {"pv_skipped", results.pv_skipped}});
  }
  Write(request, tensors, results);
  report.kernel = results.kernel;
  report.reason = results.reason;
  return report;
}

}  // namespace app
