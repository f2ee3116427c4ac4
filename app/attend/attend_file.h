#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace app {

// `sparge attend`: one attention call from a file into a file (docs/attention_spec.md). No libtorch in this header.
struct AttendRequest {
  std::string in, out;  // .safetensors
  std::string mode = "sparge", kernel = "auto";
  std::string device = "cpu";                             // or cuda, cuda:N
  std::optional<double> topk, cdf, theta, lambda, scale;  // absent: the defaults
  bool causal = false, sink = false;
  std::optional<std::pair<int64_t, int64_t>> keep_keys, keep_queries;  // [begin, end) of tokens
  std::string selector = "spargeattn";
  int64_t window = 0;  // of the selector sliding_window
  int repeat = 1;
};

struct AttendReport {
  std::string kernel, reason;
  std::vector<double> seconds;  // one a call
};

// Reads, computes, writes. Throws base::Error, before which nothing was written: kInvalidInput and kUnsupported for a
// bad file, tensor or option.
AttendReport AttendFile(const AttendRequest& request);

}  // namespace app
