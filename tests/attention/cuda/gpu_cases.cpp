#include "tests/attention/cuda/gpu_cases.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace attention::test {
namespace {

constexpr float kNone = HeadParameters::kNone, kInfinity = std::numeric_limits<float>::infinity(), kNaN = NAN;
constexpr DType kDTypes[] = {DType::kFloat32, DType::kBFloat16, DType::kFloat16};

// Memory of a backend.
class Buffer {
 public:
  Buffer(Backend& backend, size_t bytes) : backend_(backend), bytes_(bytes), data_(backend.Allocate(bytes)) {}
  Buffer(Backend& backend, const void* from, size_t bytes) : Buffer(backend, bytes) {
    backend.CopyIn(data_, from, bytes);
  }
  ~Buffer() { backend_.Free(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  void* data() const { return data_; }
  void Read(void* to) const { backend_.CopyOut(to, data_, bytes_); }

 private:
  Backend& backend_;
  size_t bytes_;
  void* data_;
};

template <class T>
Buffer CopyOf(Backend& backend, const std::vector<T>& values) {
  return Buffer(backend, values.data(), values.size() * sizeof(T));
}

// A tensor's memory on the backend, and its view there.
struct Placed {
  Tensor host;
  Buffer memory;
  Placed(Backend& backend, Tensor tensor)
      : host(std::move(tensor)), memory(backend, host.bytes().data(), host.bytes().size()) {}
  std::ptrdiff_t Origin() const {
    return static_cast<const std::byte*>(std::as_const(host).view().data) - host.bytes().data();
  }
  TensorView view() const {
    TensorView v = std::as_const(host).view();
    v.data = static_cast<std::byte*>(memory.data()) + Origin();
    return v;
  }
  MutableTensorView mutable_view() {
    MutableTensorView v = host.view();
    v.data = static_cast<std::byte*>(memory.data()) + Origin();
    return v;
  }
};

Tensor Filled(DType dtype, const int64_t (&dims)[4], Layout layout, const std::vector<float>& values) {
  Tensor tensor(dtype, dims, layout);
  tensor.Fill(values);
  return tensor;
}

std::vector<Mode> Modes(bool exact) {
  if (exact) return {Mode::kSpargeExact};
  return {Mode::kDense8, Mode::kSparge};
}

}  // namespace

Result RunOnBackend(Backend& backend, const Problem& problem, const std::string& kernel, Layout layout,
                    const std::function<void(const std::vector<cuda::LaunchStep>&)>& then) {
  const Case& c = problem.spec();
  const Shape& s = c.shape;
  const int64_t heads = s.batch * s.query_heads;
  Placed q(backend, Filled(c.dtype, {s.batch, s.query_heads, s.query_length, s.head_dim}, layout, problem.q()));
  Placed k(backend, Filled(c.dtype, {s.batch, s.key_heads, s.key_length, s.head_dim}, layout, problem.k()));
  Placed v(backend, Filled(c.dtype, {s.batch, s.key_heads, s.key_length, s.value_dim}, layout, problem.v()));
  Placed o(backend, Tensor(c.dtype, {s.batch, s.query_heads, s.query_length, s.value_dim}, layout));

  Result result;
  result.lse.assign(static_cast<size_t>(heads * s.query_length), 1234);
  result.map.assign(static_cast<size_t>(heads * s.query_blocks() * s.key_blocks()), 99);
  result.counts.assign(static_cast<size_t>(heads), {-1, -1, -1, -1});
  const Buffer lse = CopyOf(backend, result.lse), map = CopyOf(backend, result.map),
               counts = CopyOf(backend, result.counts), lengths = CopyOf(backend, c.key_lengths),
               parameters = CopyOf(backend, c.heads), given = CopyOf(backend, c.block_map);
  Call call = problem.Inputs();
  call.q = q.view();
  call.k = k.view();
  call.v = v.view();
  call.o = o.mutable_view();
  call.lse = static_cast<float*>(lse.data());
  call.block_map_used = static_cast<uint8_t*>(map.data());
  call.counts = static_cast<HeadCounts*>(counts.data());
  if (call.key_lengths) call.key_lengths = static_cast<const int64_t*>(lengths.data());
  if (call.heads) call.heads = static_cast<const HeadParameters*>(parameters.data());
  if (call.block_map) call.block_map = static_cast<const uint8_t*>(given.data());

  const cuda::Device device = backend.device();
  const cuda::Choice choice = cuda::ChooseKernel(kernel, c.mode, c.dtype, s, device);
  const Buffer scratch(backend, cuda::ScratchBytes(call, choice, device));
  if (backend.FillsScratch()) {
    const std::vector<uint8_t> nans(cuda::ScratchBytes(call, choice, device), 0xff);
    backend.CopyIn(scratch.data(), nans.data(), nans.size());
  }
  backend.Run(call, choice, scratch.data());
  if (then) then(cuda::PlanLaunches(call, choice, device, scratch.data()));

  lse.Read(result.lse.data());
  map.Read(result.map.data());
  counts.Read(result.counts.data());
  o.memory.Read(static_cast<std::byte*>(o.host.view().data) - o.Origin());
  result.o = o.host.Read();
  result.info.kernel = choice.kernel;
  if (!o.host.OnlyElementsWritten()) throw std::logic_error("memory between the elements of o was written");
  return result;
}

reference::Arithmetic CudaArithmetic(const std::string& kernel) {
  reference::Arithmetic arithmetic;
  arithmetic.pv = kernel == "cuda_e4m3"   ? reference::PV::kE4M3
                  : kernel == "cuda_bf16" ? reference::PV::kBFloat16
                                          : reference::PV::kFloat16;
  return arithmetic;
}

std::vector<CudaCase> CudaCases(bool exact) {
  std::vector<CudaCase> cases;
  const auto add = [&](Case c, Layout layout = Layout::kContiguous) {
    c.recipe.seed = cases.size() + 1;
    cases.push_back({std::move(c), layout});
  };
  const HeadParameters half{0.5f, kNone, 0.2f, -4.f}, mass{kNone, 0.8f, 0.2f, 0.f}, both{0.3f, 0.5f, 0.4f, -2.f};
  const std::vector<Mode> modes = Modes(exact);
  const auto mode_of = [&](int index) { return modes[static_cast<size_t>(index) % modes.size()]; };

  // Every width class, full and ragged channels, v as wide as k or not.
  constexpr int64_t kWidths[][2] = {{64, 64}, {128, 128}, {1, 1},     {7, 63},   {65, 40},
                                    {72, 72}, {128, 64},  {200, 256}, {256, 129}};
  int index = 0;
  for (const auto& [head_dim, value_dim] : kWidths) {
    for (const Mode mode : modes) {
      Case c{.name = "widths", .mode = mode, .dtype = kDTypes[index % 3]};
      c.shape = {1, 2, 1, 140 + index, 260 + 3 * index, head_dim, value_dim};
      c.heads = {half, mass};
      add(c, kLayouts[static_cast<size_t>(index++) % std::size(kLayouts)]);
    }
  }
  // Lengths around the edges of blocks and row groups.
  constexpr int64_t kLengths[][2] = {{1, 1},    {1, 200},   {64, 64},   {65, 63},   {128, 128}, {129, 65},
                                     {63, 129}, {192, 191}, {257, 320}, {300, 100}, {100, 300}, {128, 1}};
  for (const auto& [queries, keys] : kLengths) {
    for (const bool causal : {false, true}) {
      Case c{.name = "lengths", .mode = mode_of(index), .dtype = kDTypes[index % 3], .causal = causal};
      c.shape = {1, 1, 1, queries, keys, 64, 64};
      ++index;
      add(c);
    }
  }
  // Every mode, dtype and causality, with lengths of keys, GQA, more than one batch entry.
  for (const Mode mode : modes) {
    for (const DType dtype : kDTypes) {
      for (const bool causal : {false, true}) {
        Case c{.name = "modes", .mode = mode, .dtype = dtype, .shape = {2, 4, 2, 200, 330, 64, 64}, .causal = causal};
        c.key_lengths = {330, 170};
        c.heads = {half, mass, both, {0.4f, kNone, 0.3f, -3.f}};
        c.recipe.q_amplitude = 2;
        add(c);
      }
    }
  }
  // Many blocks: deep pipelines, ties in number, λ that skips.
  for (const int64_t width : {64, 128}) {
    for (const bool causal : {false, true}) {
      Case c{.name = "long", .mode = mode_of(1), .dtype = DType::kBFloat16, .causal = causal};
      c.shape = {1, 2, 2, 384, 2000, width, width};
      c.heads = {{0.6f, kNone, 0.1f, -1.f}, {kNone, 0.9f, 0.f, -6.f}};
      c.recipe.q_amplitude = 3;
      add(c);
    }
  }
  Case base{.name = "base", .mode = mode_of(1), .dtype = DType::kBFloat16, .shape = {1, 2, 1, 300, 500, 64, 64}};
  {
    Case c = base;
    c.name = "sink and ranges";
    c.sink = true;
    c.keep_keys = {130, 200};
    c.keep_queries = {250, 260};
    c.heads = {{0.2f, kNone, 0.f, 0.f}, {kNone, 0.3f, 0.f, -3.f}};
    add(c);
    c.causal = true;
    c.name = "sink and ranges, causal";
    add(c);
  }
  {
    Case c = base;
    c.name = "no parameters";
    add(c);
    c.name = "all candidates";
    c.heads = {{kNone, kNone, 0.f, 0.f}, {1.f, 1.f, 1.f, 0.f}};
    add(c);
    c.name = "equal scores";  // every query and key the same: the first of each rank
    c.heads = {{0.4f, kNone, 0.f, 0.f}, {kNone, 0.4f, 0.f, 0.f}};
    c.recipe.q_amplitude = 0;
    add(c);
    c.name = "keys of zero";
    c.recipe.q_amplitude = 1;
    c.recipe.k_amplitude = 0;
    add(c);
    c.name = "negative scale";
    c.recipe.k_amplitude = 1;
    c.scale = -0.2;
    add(c);
    c.name = "large offset of the keys";
    c.scale = 0;
    c.recipe.k_offset = 20;
    add(c);
    c.name = "outliers";
    c.recipe.k_offset = 1;
    c.recipe.outliers = true;
    add(c);
  }
  {
    Case c = base;
    c.name = "window";
    c.window = 1;
    add(c);
    c.causal = true;
    add(c);
    c.window = 0;
    c.specials = {{'k', 0, 0, 77, 3, kNaN}, {'q', 0, 1, 200, 5, kInfinity}};
    add(c);
  }
  {
    Case c = base;
    c.name = "given map";
    for (int n = 0; n < 2 * 3 * 8; ++n) c.block_map.push_back(n % 3 == 0 || n / 8 == 4 ? 0 : static_cast<uint8_t>(n));
    add(c);
    c.causal = true;
    add(c);
    c.name = "empty map";
    std::fill(c.block_map.begin(), c.block_map.end(), uint8_t{0});
    add(c);
  }
  {
    Case c = base;
    c.name = "lengths of keys";
    c.shape = {3, 2, 1, 150, 400, 32, 48};
    c.key_lengths = {0, 1, 330};
    add(c);
    c.causal = true;
    add(c);
    c.name = "more queries than keys";
    c.shape = {2, 2, 2, 400, 150, 64, 64};
    c.key_lengths = {150, 90};
    add(c);
  }
  for (const DType dtype : kDTypes) {
    for (const bool causal : {false, true}) {
      Case c = base;
      c.name = "not finite";
      c.dtype = dtype;
      c.causal = causal;
      c.heads = {{0.4f, kNone, 0.f, -3.f}, {kNone, 0.5f, 0.3f, 0.f}};
      c.specials = {{'q', 0, 0, 3, 1, kNaN},  {'q', 0, 1, 290, 63, -kInfinity}, {'k', 0, 0, 70, 9, kInfinity},
                    {'k', 0, 0, 75, 9, kNaN}, {'v', 0, 0, 400, 12, kInfinity},  {'v', 0, 0, 499, 0, kNaN}};
      add(c);
      c.name = "not finite, past the length";
      c.key_lengths = {72};
      add(c);
    }
  }
  for (const Layout layout : kLayouts) {
    Case c = base;
    c.name = "layouts";
    c.shape = {2, 4, 2, 130, 200, 72, 40};
    add(c, layout);
    c.shape = {1, 2, 2, 130, 200, 128, 128};
    c.dtype = DType::kFloat32;
    add(c, layout);
  }
  return cases;
}

CudaCase RandomCudaCase(uint64_t seed, bool exact) {
  std::mt19937_64 generator(seed * 0x9E3779B97F4A7C15u + 17);
  const auto within = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(generator() % static_cast<uint64_t>(high - low + 1));
  };
  const auto percent = [&](int64_t chance) { return within(0, 99) < chance; };
  const auto share = [&] { return static_cast<float>(within(1, 1000)) / 1000; };
  CudaCase random;
  Case& c = random.spec;
  c.name = "random " + std::to_string(seed);
  c.mode = exact ? Mode::kSpargeExact : percent(30) ? Mode::kDense8 : Mode::kSparge;
  c.dtype = kDTypes[within(0, 2)];
  Shape& s = c.shape;
  s.batch = percent(30) ? within(2, 3) : 1;
  s.key_heads = within(1, 2);
  s.query_heads = s.key_heads * (percent(30) ? within(2, 3) : 1);
  s.query_length = within(1, 300);
  s.key_length = within(1, 600);
  const auto width = [&] {
    return percent(20) ? within(1, 256) : percent(50) ? within(1, 40) : percent(50) ? 64 : 128;
  };
  s.head_dim = width();
  s.value_dim = percent(60) ? s.head_dim : width();
  c.causal = percent(40);
  c.sink = percent(15);
  if (percent(15)) c.scale = percent(50) ? 0.05 : -0.2;
  if (percent(20)) c.keep_keys = {0, within(1, s.key_length)};
  if (percent(20)) c.keep_queries = {s.query_length / 2, s.query_length};
  if (percent(15)) c.window = within(0, 3);
  for (int64_t b = 0; percent(100) && b < s.batch && seed % 4 == 0; ++b)
    c.key_lengths.push_back(within(0, s.key_length));
  for (int64_t h = 0; h < s.query_heads && seed % 5 != 0; ++h) {
    HeadParameters head;
    if (percent(60)) head.topk = share();
    if (percent(40)) head.cdf = share();
    head.theta = percent(30) ? 0 : share();
    head.lambda = percent(40) ? 0 : -10 * share();
    c.heads.push_back(head);
  }
  if (percent(15)) {
    for (int64_t b = 0; b < s.batch * s.query_heads * s.query_blocks() * s.key_blocks(); ++b) {
      c.block_map.push_back(percent(60) ? static_cast<uint8_t>(within(1, 255)) : 0);
    }
  }
  c.recipe.seed = seed;
  c.recipe.q_coherence = within(0, 2);
  c.recipe.k_coherence = within(0, 2);
  c.recipe.k_offset = percent(20) ? 20 : within(0, 1);
  c.recipe.outliers = percent(20);
  constexpr double kAmplitudes[] = {0.01, 0.25, 1, 1, 3};
  c.recipe.q_amplitude = kAmplitudes[within(0, 4)];
  for (int64_t n = percent(20) ? within(1, 3) : 0; n > 0; --n) {
    Special x{.tensor = "qkv"[within(0, 2)], .batch = within(0, s.batch - 1)};
    x.head = within(0, (x.tensor == 'q' ? s.query_heads : s.key_heads) - 1);
    x.row = within(0, (x.tensor == 'q' ? s.query_length : s.key_length) - 1);
    x.channel = within(0, (x.tensor == 'v' ? s.value_dim : s.head_dim) - 1);
    x.value = percent(50) ? kNaN : percent(50) ? kInfinity : -kInfinity;
    c.specials.push_back(x);
  }
  random.layout = kLayouts[seed % std::size(kLayouts)];
  return random;
}

std::string CheckScores(Backend& backend, const std::string& kernel) {
  std::ostringstream out;
  constexpr int64_t kDims[][2] = {{64, 64}, {40, 33}, {128, 128}, {100, 72}, {200, 256}, {256, 256}};
  for (const auto& [head_dim, value_dim] : kDims) {
    for (const DType dtype : kDTypes) {
      Case c{
          .name = "scores", .mode = Mode::kDense8, .dtype = dtype, .shape = {2, 2, 1, 300, 200, head_dim, value_dim}};
      c.key_lengths = {200, 77};
      c.recipe = {.seed = static_cast<uint64_t>(head_dim), .outliers = true};
      const Problem problem(c);
      const Shape& s = c.shape;
      reference::Trace trace;
      problem.RunReference(CudaArithmetic(kernel), &trace);
      const int64_t pitch = s.key_blocks() * kKeyBlock, rows = s.query_blocks() * kQueryBlock;
      std::vector<int32_t> scores(static_cast<size_t>(s.batch * s.query_heads * rows * pitch), INT32_MIN);
      RunOnBackend(backend, problem, kernel, Layout::kContiguous, [&](const std::vector<cuda::LaunchStep>& steps) {
        const Buffer memory = CopyOf(backend, scores);
        backend.RunScores(steps.back(), static_cast<int32_t*>(memory.data()));
        memory.Read(scores.data());
      });
      int64_t wrong = 0, compared = 0;
      for (int64_t bh = 0; bh < s.batch * s.query_heads; ++bh) {
        const int64_t batch = bh / s.query_heads, keys = c.key_lengths[static_cast<size_t>(batch)];
        const int64_t key_head = batch * s.key_heads + bh % s.query_heads / (s.query_heads / s.key_heads);
        for (int64_t i = 0; i < s.query_length; ++i) {
          const int8_t* q = &trace.query8[static_cast<size_t>((bh * s.query_length + i) * head_dim)];
          for (int64_t j = 0; j < keys; ++j) {
            const int8_t* k = &trace.key8[static_cast<size_t>((key_head * s.key_length + j) * head_dim)];
            int32_t product = 0;
            for (int64_t d = 0; d < head_dim; ++d) product += q[d] * k[d];
            wrong += scores[static_cast<size_t>((bh * rows + i) * pitch + j)] != product;
            ++compared;
          }
        }
      }
      if (wrong > 0) out << Describe(c) << ": " << wrong << " of " << compared << " INT32 scores differ\n";
    }
  }
  return out.str();
}

std::string CheckErrorBounds(Backend& backend, const std::string& kernel) {
  std::ostringstream out;
  const bool exact = kernel == "cuda_exact", coarse = kernel == "cuda_e4m3";
  for (const int64_t head_dim : {64, 128}) {
    for (const int64_t outliers : {0, 4}) {
      for (const DType dtype : kDTypes) {
        Case c{.name = "bounds", .mode = exact ? Mode::kSpargeExact : Mode::kDense8, .dtype = dtype};
        c.shape = {1, 1, 1, 256, 1024, head_dim, head_dim};
        c.heads = {{1.f, kNone, 0.f, 0.f}};
        Problem problem(c);
        FillWithGaussians(problem, 3, outliers);
        const Result truth = Truth(problem, std::vector<uint8_t>(2 * 16, 1)),
                     got = RunOnBackend(backend, problem, kernel);
        const double rounding = dtype == DType::kFloat32 ? 1e-5 : dtype == DType::kBFloat16 ? 3e-3 : 5e-4;
        const double bound = exact ? rounding : (coarse ? 0.05 : 0.03) + (outliers > 0 ? 0.01 : 0);
        const double error = RelativeL1(got.o, truth.o), lse_error = RelativeL1(got.lse, truth.lse);
        if (!(error <= bound) || !(lse_error <= 0.01)) {
          out << Name(dtype) << " d " << head_dim << " outliers " << outliers << ": o " << error << " (bound " << bound
              << "), lse " << lse_error << "\n";
        }
      }
    }
  }
  return out.str();
}

}  // namespace attention::test
