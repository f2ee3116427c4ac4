#include "attention/dense.h"

#include <ATen/Functions.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "attention/base/error.h"

namespace attention {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

constexpr const char* kSDPA = "sdpa";
constexpr const char* kSDPAChunked = "sdpa_chunked";
constexpr const char* kMath = "math";

// Heads wider than this have no fused SDPA kernel on CUDA: libtorch would write out the whole score matrix.
constexpr int64_t kWidestFusedHead = 256;
constexpr int64_t kScoreBytes = int64_t{64} << 20;  // of one chunk's score matrix
constexpr int64_t kMaskBytes = int64_t{8} << 20;    // of one chunk's causal mask

// Queries whose visible keys are k's first ones: query i sees keys j ≤ i + offset if causal, else all.
struct Part {
  at::Tensor q, k, v, bias;
  double scale = 1;
  bool causal = false;
  int64_t offset = 0;  // ≥ 0

  int64_t rows() const { return q.size(2); }
  int64_t keys() const { return k.size(2); }
  // How many keys query `row` sees.
  int64_t Sees(int64_t row) const { return causal ? std::min(keys(), row + offset + 1) : keys(); }
};

at::Tensor NarrowIfFull(const at::Tensor& bias, int64_t dim, int64_t begin, int64_t length) {
  if (!bias.defined() || bias.size(dim) == 1) return bias;
  return bias.narrow(dim, begin, length);
}

// Queries [begin, begin + length) and the keys that some of them sees.
Part Rows(const Part& part, int64_t begin, int64_t length) {
  Part out = part;
  const int64_t keys = part.Sees(begin + length - 1);
  out.q = part.q.narrow(2, begin, length);
  out.k = part.k.narrow(2, 0, keys);
  out.v = part.v.narrow(2, 0, keys);
  out.bias = NarrowIfFull(NarrowIfFull(part.bias, 2, begin, length), 3, 0, keys);
  out.offset = part.offset + begin;
  out.causal = part.Sees(begin) < keys;
  return out;
}

// libtorch's fused kernels want channels side by side, and as many in v as in q and k.
at::Tensor Channels(const at::Tensor& x, int64_t width) {
  if (x.size(3) < width) return at::constant_pad_nd(x, {0, width - x.size(3)});
  return x.stride(3) == 1 ? x : x.contiguous();
}

at::Tensor SDPA(const Part& part, const std::optional<at::Tensor>& mask, bool causal) {
  const bool gqa = part.q.size(1) != part.k.size(1);
  const int64_t width = std::max(part.q.size(3), part.v.size(3));
  const at::Tensor o =
      at::scaled_dot_product_attention(Channels(part.q, width), Channels(part.k, width), Channels(part.v, width), mask,
                                       /*dropout_p=*/0.0, causal, part.scale, gqa);
  return width == part.v.size(3) ? o : o.narrow(3, 0, part.v.size(3));
}

// What libtorch's SDPA runs on the CPU, which gives the log-sum-exp too.
at::Tensor FlashOnCPU(const Part& part, const std::optional<at::Tensor>& mask, bool causal, at::Tensor& lse) {
  const int64_t width = std::max(part.q.size(3), part.v.size(3));
  const auto [o, sum] = at::_scaled_dot_product_flash_attention_for_cpu(
      Channels(part.q, width), Channels(part.k, width), Channels(part.v, width), /*dropout_p=*/0.0, causal, mask,
      part.scale);
  lse = sum;
  return width == part.v.size(3) ? o : o.narrow(3, 0, part.v.size(3));
}

// 0 where the query sees the key, −inf elsewhere.
at::Tensor CausalMask(const Part& part) {
  const at::Tensor hidden =
      at::ones({part.rows(), part.keys()}, part.q.options().dtype(at::kBool)).triu_(part.offset + 1);
  return at::zeros({part.rows(), part.keys()}, part.q.options()).masked_fill_(hidden, -kInfinity);
}

// libtorch's kernels over chunks of at most `most_rows` queries, into `o` and, if defined, `lse`.
void RunFused(const Part& part, int64_t most_rows, const at::Tensor& o, const at::Tensor& lse) {
  int64_t step = std::min(most_rows, part.rows());
  // A square causal mask from the upper left corner is libtorch's own; any other is a matrix that we make.
  const bool own_mask = part.causal && part.offset > 0;
  if (own_mask) {
    const int64_t row_bytes = part.keys() * static_cast<int64_t>(part.q.element_size());
    step = std::min(step, std::clamp(kMaskBytes / row_bytes, int64_t{64}, int64_t{1024}));
  }
  for (int64_t begin = 0; begin < part.rows(); begin += step) {
    const int64_t length = std::min(step, part.rows() - begin);
    const Part chunk = length == part.rows() ? part : Rows(part, begin, length);
    std::optional<at::Tensor> mask;
    if (chunk.bias.defined()) mask = chunk.bias;
    const bool triangle = chunk.causal && chunk.offset == 0;
    if (chunk.causal && !triangle) mask = CausalMask(chunk);
    at::Tensor sum;
    const at::Tensor out = lse.defined() ? FlashOnCPU(chunk, mask, triangle, sum) : SDPA(chunk, mask, triangle);
    o.narrow(2, begin, length).copy_(out);
    if (lse.defined()) lse.narrow(2, begin, length).copy_(sum);
  }
}

// P·V where a value that is not finite reaches only the queries that see its key.
at::Tensor ProductOfVisible(const at::Tensor& p, const at::Tensor& v, const at::Tensor& hidden) {
  const at::Tensor zero = at::zeros({}, v.options());
  const at::Tensor product = at::matmul(p, at::where(at::isfinite(v), v, zero));
  const at::Tensor sees = hidden.logical_not().to(v.scalar_type());
  const auto seen = [&](const at::Tensor& which) { return at::matmul(sees, which.to(v.scalar_type())).gt(0); };
  const at::Tensor plus = seen(v.eq(kInfinity)), minus = seen(v.eq(-kInfinity)), nan = seen(at::isnan(v));
  const at::Tensor infinite = product.masked_fill(plus, kInfinity).masked_fill(minus, -kInfinity);
  return infinite.masked_fill(nan.logical_or(plus.logical_and(minus)), std::nan(""));
}

// Scores in float32 (double for double), written out.
void RunMath(const Part& part, const at::Tensor& o, const at::Tensor& lse) {
  const at::ScalarType type = part.q.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const int64_t group = part.q.size(1) / part.k.size(1);
  const auto heads = [&](const at::Tensor& x) {
    const at::Tensor wide = x.to(type);
    return group == 1 ? wide : at::repeat_interleave(wide, group, 1);
  };
  Part all = part;
  all.k = heads(part.k);
  all.v = heads(part.v);
  const int64_t row_bytes = part.q.size(0) * part.q.size(1) * part.keys() * 4;
  const int64_t step = std::clamp(kScoreBytes / row_bytes, int64_t{1}, part.rows());
  for (int64_t begin = 0; begin < part.rows(); begin += step) {
    const int64_t length = std::min(step, part.rows() - begin);
    const Part chunk = Rows(all, begin, length);
    at::Tensor scores = at::matmul(chunk.q.to(type), chunk.k.transpose(2, 3)).mul_(chunk.scale);
    if (chunk.bias.defined()) scores = scores.add(chunk.bias.to(type));
    at::Tensor hidden;
    if (chunk.causal) {
      hidden = at::ones({length, chunk.keys()}, scores.options().dtype(at::kBool)).triu_(chunk.offset + 1);
      scores.masked_fill_(hidden, -kInfinity);
    }
    const at::Tensor sum = at::logsumexp(scores, 3, /*keepdim=*/true);
    // A row whose bias hides everything has no sum to divide by.
    const at::Tensor p = scores.sub_(sum).exp_().masked_fill_(sum.eq(-kInfinity), 0.0);
    o.narrow(2, begin, length).copy_(chunk.causal ? ProductOfVisible(p, chunk.v, hidden) : at::matmul(p, chunk.v));
    if (lse.defined()) lse.narrow(2, begin, length).copy_(sum.squeeze(3));
  }
}

// The largest magnitude in host memory; NaN or infinity where there is one.
double Largest(const at::Tensor& x) {
  const auto [least, most] = at::aminmax(x);
  const at::Tensor both = at::stack({least, most}).to(at::kDouble);
  const double* values = both.const_data_ptr<double>();
  return std::isnan(values[0]) ? values[0] : std::max(std::abs(values[0]), std::abs(values[1]));
}

// Why libtorch's fused kernels cannot do this part; "" where they can.
std::string WhyNotFused(const Part& part, bool want_lse) {
  if (want_lse && !part.q.device().is_cpu()) return "libtorch's kernels give no log-sum-exp on this device";
  if (!part.causal) return "";
  if (part.bias.defined()) return "libtorch takes no bias beside a causal mask";
  // Its masks stand between a hidden key and the scores, not between its value and the output (0·NaN), and adding −inf
  // does not hide a score of +inf.
  if (!part.q.device().is_cpu()) return "libtorch's causal kernels let hidden keys that are not finite through";
  const double k = Largest(part.k), v = Largest(part.v);
  if (!std::isfinite(k) || !std::isfinite(v))
    return "k or v has NaN or infinity, which libtorch's causal mask lets through";
  if (part.offset > 0) {
    const double score =
        Largest(part.q) * k * static_cast<double>(part.q.size(3)) * std::max(1.0, std::abs(part.scale));
    if (!(score < 1e37)) return "scores may leave float32's range, which libtorch's mask does not survive";
  }
  return "";
}

// The call cut into parts of whole batch entries, with where their results go.
struct Piece {
  Part part;
  at::Tensor o, lse;
};

std::vector<Piece> Pieces(const DenseCall& call, double scale, const at::Tensor& o, const at::Tensor& lse) {
  const int64_t batch = call.q.size(0), rows = call.q.size(2), keys = call.k.size(2);
  const int64_t offset = keys - rows;
  const int64_t blind = call.causal ? std::clamp(-offset, int64_t{0}, rows) : 0;  // queries before the first that sees
  std::vector<Piece> pieces;
  for (int64_t begin = 0, end; begin < batch; begin = end) {
    const int64_t length = call.key_lengths ? call.key_lengths[begin] : keys;
    for (end = begin + 1; end < batch && (!call.key_lengths || call.key_lengths[end] == length);) ++end;
    if (length == 0 || blind == rows) continue;
    const auto cut = [&](const at::Tensor& x) { return x.narrow(0, begin, end - begin); };
    const auto seeing = [&](const at::Tensor& x) { return cut(x).narrow(2, blind, rows - blind); };
    Part part;
    part.q = seeing(call.q);
    part.k = cut(call.k).narrow(2, 0, length);
    part.v = cut(call.v).narrow(2, 0, length);
    part.bias = NarrowIfFull(call.bias, 0, begin, end - begin);
    part.bias = NarrowIfFull(NarrowIfFull(part.bias, 2, blind, rows - blind), 3, 0, length);
    part.scale = scale;
    part.offset = std::max(offset, int64_t{0});
    part.causal = call.causal && part.offset + 1 < length;
    pieces.push_back({part, seeing(o), lse.defined() ? seeing(lse) : lse});
  }
  return pieces;
}

}  // namespace

const std::vector<std::string>& DenseKernels() {
  static const std::vector<std::string> kernels = {kSDPA, kSDPAChunked, kMath};
  return kernels;
}

DenseResult RunDense(const DenseCall& call, const std::string& kernel) {
  const int64_t width = std::max(call.q.size(3), call.v.size(3));
  const bool wide = width > kWidestFusedHead;
  DenseResult result;
  result.kernel = kernel == "auto" ? (wide ? kSDPAChunked : kSDPA) : kernel;
  result.reason = kernel != "auto" ? "asked for by name"
                  : wide           ? base::StrCat("mode dense; no fused kernel for a head of ", width, " channels")
                                   : "mode dense";
  const double scale = call.scale ? *call.scale : 1.0 / std::sqrt(static_cast<double>(call.q.size(3)));
  const int64_t row_bytes = call.q.size(0) * call.q.size(1) * call.k.size(2) * 4;
  const int64_t chunk_rows = std::clamp(kScoreBytes / row_bytes, int64_t{1}, call.q.size(2));

  const bool plain = !call.causal && !call.key_lengths && !call.want_lse;
  if (plain && (result.kernel == kSDPA || (result.kernel == kSDPAChunked && chunk_rows == call.q.size(2)))) {
    const std::optional<at::Tensor> bias = call.bias.defined() ? std::optional(call.bias) : std::nullopt;
    result.o = SDPA({call.q, call.k, call.v, {}, scale, false, 0}, bias, false);
    return result;
  }

  // Rows that see nothing stay as they are here.
  result.o = at::zeros({call.q.size(0), call.q.size(1), call.q.size(2), call.v.size(3)}, call.q.options());
  if (call.want_lse)
    result.lse = at::full(result.o.sizes().slice(0, 3), -kInfinity, call.q.options().dtype(at::kFloat));
  const std::vector<Piece> pieces = Pieces(call, scale, result.o, result.lse);
  for (const Piece& piece : pieces) {
    const std::string why = result.kernel == kMath ? "" : WhyNotFused(piece.part, call.want_lse);
    if (why.empty()) continue;
    base::Check(kernel == "auto", base::ErrorCode::kUnsupported, "attention kernel '", kernel,
                "' cannot run this call: ", why, "; auto and ", kMath, " can");
    result.kernel = kMath;
    result.reason = "mode dense; " + why;
  }
  const int64_t most_rows = result.kernel == kSDPAChunked ? chunk_rows : call.q.size(2);
  for (const Piece& piece : pieces) {
    if (result.kernel == kMath) {
      RunMath(piece.part, piece.o, piece.lse);
    } else {
      RunFused(piece.part, most_rows, piece.o, piece.lse);
    }
  }
  return result;
}

}  // namespace attention
