#include "attention/call.h"

#include <cmath>

#include "attention/base/error.h"
#include "attention/block_map/selector.h"

namespace attention {
namespace {

using base::Check;
using base::ErrorCode;

void CheckRange(const char* name, const TokenRange& range, int64_t length) {
  if (range.begin == 0 && range.end == 0) return;
  Check(0 <= range.begin && range.begin < range.end && range.end <= length, ErrorCode::kInvalidInput,
        "attention: ", name, " ", range.begin, ":", range.end, ": expected begin < end within 0:", length);
}

void CheckHead(const HeadParameters& p, int64_t head) {
  const auto in = [](float x, float low, float high) { return x >= low && x <= high; };
  Check(std::isnan(p.topk) || (p.topk > 0 && p.topk <= 1), ErrorCode::kInvalidInput, "attention: topk ", p.topk,
        " of head ", head, ": expected more than 0, at most 1");
  Check(std::isnan(p.cdf) || (p.cdf > 0 && p.cdf <= 1), ErrorCode::kInvalidInput, "attention: cdf ", p.cdf, " of head ",
        head, ": expected more than 0, at most 1");
  Check(in(p.theta, 0, 1), ErrorCode::kInvalidInput, "attention: theta ", p.theta, " of head ", head,
        ": expected 0 to 1");
  Check(p.lambda <= 0 && std::isfinite(p.lambda), ErrorCode::kInvalidInput, "attention: lambda ", p.lambda, " of head ",
        head, ": expected a finite number, 0 (off) or less");
}

}  // namespace

void CheckCall(const Call& call) {
  const Shape& s = call.shape;
  Check(s.batch >= 1 && s.query_heads >= 1 && s.key_heads >= 1 && s.query_length >= 1 && s.key_length >= 1,
        ErrorCode::kInvalidInput, "attention: got batch ", s.batch, ", heads ", s.query_heads, " and ", s.key_heads,
        ", lengths ", s.query_length, " and ", s.key_length, ": expected 1 or more of each");
  Check(s.query_heads % s.key_heads == 0, ErrorCode::kInvalidInput, "attention: ", s.query_heads,
        " query heads cannot share ", s.key_heads, " key heads evenly");
  Check(s.head_dim >= 1 && s.head_dim <= kWidestHead && s.value_dim >= 1 && s.value_dim <= kWidestHead,
        ErrorCode::kInvalidInput, "attention: got head sizes ", s.head_dim, " (q, k) and ", s.value_dim,
        " (v): expected 1 to ", kWidestHead);
  Check(call.q.data && call.k.data && call.v.data && call.o.data, ErrorCode::kInvalidInput,
        "attention: q, k, v or o has no data");
  Check(std::isfinite(call.scale), ErrorCode::kInvalidInput, "attention: scale ", call.scale,
        ": expected a finite number");
  if (call.key_lengths) {
    for (int64_t b = 0; b < s.batch; ++b) {
      Check(call.key_lengths[b] >= 0 && call.key_lengths[b] <= s.key_length, ErrorCode::kInvalidInput,
            "attention: key length ", call.key_lengths[b], " of batch entry ", b, ": expected 0 to ", s.key_length);
    }
  }
  CheckRange("keep_keys", call.keep_keys, s.key_length);
  CheckRange("keep_queries", call.keep_queries, s.query_length);
  Check(call.window >= 0, ErrorCode::kInvalidInput, "attention: window ", call.window, ": expected 0 or more blocks");
  if (!FindSelector(call.selector)) {
    std::string names;
    for (const Selector& selector : Selectors()) names += (names.empty() ? "" : ", ") + std::string(selector.name);
    base::Fail(ErrorCode::kInvalidInput, "attention: no block selector '", call.selector, "'; there are: ", names);
  }
  if (call.heads) {
    for (int64_t h = 0; h < s.query_heads; ++h) CheckHead(call.heads[h], h);
  }
}

}  // namespace attention
