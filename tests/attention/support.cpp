#include "tests/attention/support.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <sstream>
#include <stdexcept>

#include "attention/cpu/kernels.h"
#include "attention/parallel.h"
#include "attention/reference/numbers.h"

namespace attention::test {
namespace {

int64_t Size(DType dtype) { return dtype == DType::kFloat32 ? 4 : 2; }

float Round(DType dtype, double x) {
  if (dtype == DType::kBFloat16) return static_cast<float>(reference::RoundToBFloat16(x));
  if (dtype == DType::kFloat16) return static_cast<float>(reference::RoundToFloat16(x));
  return static_cast<float>(x);
}

// SplitMix64's finaliser over a counter.
uint64_t Hash(uint64_t seed, int64_t stream, int64_t index) {
  uint64_t x = static_cast<uint64_t>(index + 1) * 0x9E3779B97F4A7C15u + seed * 0xD1B54A32D192ED03u +
               static_cast<uint64_t>(stream) * 0x8CB92BA72F3D8DD7u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

// Nearly normal, standard deviation 37837.
int64_t Bell(uint64_t seed, int64_t stream, int64_t index) {
  const uint64_t h = Hash(seed, stream, index);
  return static_cast<int64_t>((h & 0xFFFF) + (h >> 16 & 0xFFFF) + (h >> 32 & 0xFFFF) + (h >> 48)) - 131070;
}

struct TensorRecipe {
  int64_t tensor, block, coherence, offset;
  bool outliers;
  double amplitude;
};

std::vector<float> MakeTensor(uint64_t seed, DType dtype, const int64_t (&dims)[4], const TensorRecipe& recipe) {
  const auto [batch, heads, length, width] = dims;
  const int64_t blocks = (length + recipe.block - 1) / recipe.block, stream = 8 * recipe.tensor;
  std::vector<float> values;
  values.reserve(static_cast<size_t>(batch * heads * length * width));
  for (int64_t bh = 0; bh < batch * heads; ++bh) {
    for (int64_t row = 0; row < length; ++row) {
      const int64_t block = bh * blocks + row / recipe.block;
      const auto weight = static_cast<int64_t>(Hash(seed, stream + 1, block) % 5) * recipe.coherence;
      for (int64_t c = 0; c < width; ++c) {
        int64_t x = Bell(seed, stream, (bh * length + row) * width + c);
        if (weight != 0) x += Bell(seed, stream + 2, block * width + c) * weight;
        if (recipe.offset != 0) x += Bell(seed, stream + 3, bh % heads * width + c) * recipe.offset;
        if (recipe.outliers && Hash(seed, stream + 4, c) % 8 == 0) x *= 8;
        values.push_back(Round(dtype, static_cast<double>(x) * recipe.amplitude / 32768));
      }
    }
  }
  return values;
}

template <class T>
bool SameBytes(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

template <class T>
std::string List(const std::vector<T>& values) {
  std::ostringstream out;
  for (size_t i = 0; i < values.size() && i < 12; ++i) out << (i ? " " : "") << +values[i];
  if (values.size() > 12) out << " …";
  return out.str();
}

}  // namespace

const char* Name(Mode mode) {
  return mode == Mode::kDense8 ? "dense8" : mode == Mode::kSparge ? "sparge" : "sparge_exact";
}
const char* Name(DType dtype) {
  return dtype == DType::kFloat32 ? "float32" : dtype == DType::kBFloat16 ? "bfloat16" : "float16";
}

std::string Describe(const Case& c) {
  std::ostringstream out;
  const Shape& s = c.shape;
  out << c.name << ": " << Name(c.mode) << " " << Name(c.dtype) << " [" << s.batch << ", " << s.query_heads << "/"
      << s.key_heads << ", " << s.query_length << "×" << s.key_length << ", " << s.head_dim << "/" << s.value_dim
      << "] seed " << c.recipe.seed << " coherence " << c.recipe.q_coherence << "/" << c.recipe.k_coherence
      << " offset " << c.recipe.k_offset << " amplitude " << c.recipe.q_amplitude << "/" << c.recipe.k_amplitude;
  if (c.scale != 0) out << " scale " << c.scale;
  if (c.causal) out << " causal";
  if (c.sink) out << " sink";
  if (c.recipe.outliers) out << " outliers";
  if (!c.keep_keys.empty()) out << " keep_keys " << c.keep_keys.begin << ":" << c.keep_keys.end;
  if (!c.keep_queries.empty()) out << " keep_queries " << c.keep_queries.begin << ":" << c.keep_queries.end;
  if (c.window >= 0) out << " window " << c.window;
  for (const HeadParameters& h : c.heads) {
    out << " (topk " << h.topk << " cdf " << h.cdf << " theta " << h.theta << " lambda " << h.lambda << ")";
  }
  if (!c.key_lengths.empty()) out << " key_lengths " << List(c.key_lengths);
  if (!c.block_map.empty()) out << " block_map " << List(c.block_map);
  for (const Special& x : c.specials) {
    out << " " << x.tensor << "[" << x.batch << ", " << x.head << ", " << x.row << ", " << x.channel << "]=" << x.value;
  }
  return out.str();
}

std::ostream& operator<<(std::ostream& out, const Case& c) { return out << Describe(c); }

Tensor::Tensor(DType dtype, const int64_t (&dims)[4], Layout layout) : dtype_(dtype) {
  std::copy(std::begin(dims), std::end(dims), dims_);
  int order[4] = {3, 2, 1, 0};  // from the fastest
  if (layout == Layout::kHeadsInside) std::swap(order[1], order[2]);
  if (layout == Layout::kTransposed) std::swap(order[0], order[1]);
  int64_t size = layout == Layout::kSpread ? 3 : 1;
  for (const int axis : order) {
    stride_[axis] = size;
    size *= dims[axis];
    if (layout == Layout::kSpread) size += 5;
  }
  if (layout == Layout::kReversed) {
    for (int axis = 0; axis < 4; ++axis) {
      origin_ += (dims[axis] - 1) * stride_[axis];
      stride_[axis] = -stride_[axis];
    }
  }
  bytes_.assign(static_cast<size_t>(size * Size(dtype)), std::byte{0xff});  // a NaN in every format
}

int64_t Tensor::Offset(int64_t index) const {
  int64_t offset = origin_;
  for (int axis = 3; axis >= 0; --axis) {
    offset += index % dims_[axis] * stride_[axis];
    index /= dims_[axis];
  }
  return offset;
}

void Tensor::Fill(const std::vector<float>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    reference::Store(dtype_, bytes_.data(), Offset(static_cast<int64_t>(i)), values[i]);
  }
}

std::vector<float> Tensor::Read() const {
  std::vector<float> values(static_cast<size_t>(dims_[0] * dims_[1] * dims_[2] * dims_[3]));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = reference::Load(dtype_, bytes_.data(), Offset(static_cast<int64_t>(i)));
  }
  return values;
}

bool Tensor::OnlyElementsWritten() const {
  std::vector<std::byte> rest = bytes_;
  const int64_t count = dims_[0] * dims_[1] * dims_[2] * dims_[3];
  for (int64_t i = 0; i < count; ++i) {
    std::memset(rest.data() + Offset(i) * Size(dtype_), 0xff, static_cast<size_t>(Size(dtype_)));
  }
  return std::all_of(rest.begin(), rest.end(), [](std::byte b) { return b == std::byte{0xff}; });
}

TensorView Tensor::view() const {
  TensorView view{bytes_.data() + origin_ * Size(dtype_), {}};
  std::copy(std::begin(stride_), std::end(stride_), view.stride);
  return view;
}

MutableTensorView Tensor::view() {
  MutableTensorView view{bytes_.data() + origin_ * Size(dtype_), {}};
  std::copy(std::begin(stride_), std::end(stride_), view.stride);
  return view;
}

bool Result::SameBits(const Result& other) const {
  return SameBytes(o, other.o) && SameBytes(lse, other.lse) && map == other.map && SameBytes(counts, other.counts);
}

Problem::Problem(const Case& c, Layout layout) : case_(c), layout_(layout) {
  const Shape& s = case_.shape;
  const Recipe& r = case_.recipe;
  if (case_.scale == 0) case_.scale = 1 / std::sqrt(static_cast<double>(s.head_dim));
  const int64_t q_dims[4] = {s.batch, s.query_heads, s.query_length, s.head_dim};
  const int64_t k_dims[4] = {s.batch, s.key_heads, s.key_length, s.head_dim};
  const int64_t v_dims[4] = {s.batch, s.key_heads, s.key_length, s.value_dim};
  q_ = MakeTensor(r.seed, c.dtype, q_dims, {0, kQueryBlock, r.q_coherence, 0, r.outliers, r.q_amplitude});
  k_ = MakeTensor(r.seed, c.dtype, k_dims, {1, kKeyBlock, r.k_coherence, r.k_offset, r.outliers, r.k_amplitude});
  v_ = MakeTensor(r.seed, c.dtype, v_dims, {2, kKeyBlock, 0, 0, false, 1});
  for (const Special& x : case_.specials) {
    const auto& dims = x.tensor == 'q' ? q_dims : x.tensor == 'k' ? k_dims : v_dims;
    std::vector<float>& values = x.tensor == 'q' ? q_ : x.tensor == 'k' ? k_ : v_;
    values.at(static_cast<size_t>(((x.batch * dims[1] + x.head) * dims[2] + x.row) * dims[3] + x.channel)) = x.value;
  }
  q_memory_ = Tensor(c.dtype, q_dims, layout);
  k_memory_ = Tensor(c.dtype, k_dims, layout);
  v_memory_ = Tensor(c.dtype, v_dims, layout);
  SetInputs(q_, k_, v_);
}

void Problem::SetInputs(const std::vector<float>& q, const std::vector<float>& k, const std::vector<float>& v) {
  q_memory_.Fill(q);
  k_memory_.Fill(k);
  v_memory_.Fill(v);
  q_ = q_memory_.Read();
  k_ = k_memory_.Read();
  v_ = v_memory_.Read();
}

Call Problem::Inputs() const {
  Call call;
  call.mode = case_.mode;
  call.dtype = case_.dtype;
  call.shape = case_.shape;
  call.q = q_memory_.view();
  call.k = k_memory_.view();
  call.v = v_memory_.view();
  call.scale = case_.scale;
  call.causal = case_.causal;
  if (!case_.key_lengths.empty()) call.key_lengths = case_.key_lengths.data();
  if (case_.window >= 0) {
    call.selector = "sliding_window";
    call.window = case_.window;
  }
  if (!case_.heads.empty()) call.heads = case_.heads.data();
  call.sink = case_.sink;
  call.keep_keys = case_.keep_keys;
  call.keep_queries = case_.keep_queries;
  if (!case_.block_map.empty()) call.block_map = case_.block_map.data();
  return call;
}

template <class Run>
Result Problem::Collect(Run&& run) const {
  const Shape& s = case_.shape;
  Tensor o(case_.dtype, {s.batch, s.query_heads, s.query_length, s.value_dim}, layout_);
  Result result;
  const int64_t heads = s.batch * s.query_heads;
  result.lse.assign(static_cast<size_t>(heads * s.query_length), 1234);
  result.map.assign(static_cast<size_t>(heads * s.query_blocks() * s.key_blocks()), 99);
  result.counts.assign(static_cast<size_t>(heads), {-1, -1, -1, -1});
  Call call = Inputs();
  call.o = o.view();
  call.lse = result.lse.data();
  call.block_map_used = result.map.data();
  call.counts = result.counts.data();
  result.info = run(call);
  result.o = o.Read();
  if (!o.OnlyElementsWritten()) throw std::logic_error("memory between the elements of o was written");
  return result;
}

Result Problem::RunReference(const reference::Arithmetic& arithmetic, reference::Trace* trace) const {
  return Collect([&](const Call& call) {
    reference::Run(call, arithmetic, trace);
    return RunInfo{};
  });
}

Result Problem::RunKernel(const std::string& kernel, int threads) const {
  return Collect([&](const Call& call) { return RunOnCPU(call, StdThreads(threads), kernel); });
}

int64_t KeysSeen(const Case& c, int64_t batch, int64_t query) {
  const int64_t length = c.key_lengths.empty() ? c.shape.key_length : c.key_lengths[static_cast<size_t>(batch)];
  int64_t seen = 0;
  while (seen < length && (!c.causal || seen <= query + c.shape.key_length - c.shape.query_length)) ++seen;
  return seen;
}

bool IsVisible(const Case& c, int64_t batch, int64_t query_block, int64_t key_block) {
  const int64_t last = std::min((query_block + 1) * kQueryBlock, c.shape.query_length) - 1;
  return KeysSeen(c, batch, last) > key_block * kKeyBlock;
}

void FillWithGaussians(Problem& problem, uint64_t seed, int64_t outliers) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<float> normal;
  const auto make = [&](size_t size, int64_t width, int64_t ten_fold) {
    std::vector<float> values(size);
    for (size_t i = 0; i < size; ++i) {
      values[i] = normal(generator) * (static_cast<int64_t>(i) % width < ten_fold ? 10.f : 1.f);
    }
    return values;
  };
  const int64_t width = problem.spec().shape.head_dim;
  const std::vector<float> q = make(problem.q().size(), width, outliers), k = make(problem.k().size(), width, outliers);
  problem.SetInputs(q, k, make(problem.v().size(), 1, 0));
}

}  // namespace attention::test
