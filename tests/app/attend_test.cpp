#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "app/settings/text.h"
#include "attention/call.h"
#include "attention/cpu/kernels.h"
#include "tests/app/attend_fixture.h"

// `sparge attend` and `sparge bench attention`: as processes (a quarter of a second each, for libtorch's CUDA half)
// where that matters, else in this one.
namespace app {
namespace {

namespace fs = std::filesystem;
using attention::Call;
using attention::HeadCounts;
using attention::HeadParameters;
using attention::Mode;
using attention::Shape;
using nlohmann::json;

attention::TensorView View(const Tensor& tensor) {
  const std::vector<int64_t>& s = tensor.shape;
  return {tensor.bytes.data(), {s[1] * s[2] * s[3], s[2] * s[3], s[3], 1}};
}

// The same call without the program: results by name, as the file has them.
Tensors Direct(const Tensors& in, Call call) {
  const Tensor &q = in.at("q"), &k = in.at("k"), &v = in.at("v");
  call.dtype = q.dtype == DType::kF32 ? attention::DType::kFloat32 : attention::DType::kBFloat16;
  call.shape = {q.shape[0], q.shape[1], k.shape[1], q.shape[2], k.shape[2], q.shape[3], v.shape[3]};
  call.q = View(q);
  call.k = View(k);
  call.v = View(v);
  const Shape& s = call.shape;
  Tensors out;
  const auto make = [&](const char* name, DType dtype, std::vector<int64_t> shape) -> void* {
    int64_t numel = 1;
    for (int64_t size : shape) numel *= size;
    Tensor& tensor = out[name];
    tensor = {dtype, std::move(shape), std::string(static_cast<size_t>(numel * pipeline::DTypeBytes(dtype)), '\0')};
    return tensor.bytes.data();
  };
  call.o.data = make("o", q.dtype, {s.batch, s.query_heads, s.query_length, s.value_dim});
  std::copy_n(View(out["o"]).stride, 4, call.o.stride);
  call.lse = static_cast<float*>(make("lse", DType::kF32, {s.batch, s.query_heads, s.query_length}));
  call.block_map_used =
      static_cast<uint8_t*>(make("block_map", DType::kU8, {s.batch, s.query_heads, s.query_blocks(), s.key_blocks()}));
  std::vector<HeadCounts> counts(static_cast<size_t>(s.batch * s.query_heads));
  call.counts = counts.data();
  RunOnCPU(call, attention::StdThreads(2));
  const auto count = [&](const char* name, int64_t HeadCounts::*field) {
    int64_t* values = static_cast<int64_t*>(make(name, DType::kI64, {s.batch, s.query_heads}));
    for (const HeadCounts& head : counts) *values++ = head.*field;
  };
  count("visible_blocks", &HeadCounts::visible_blocks);
  count("kept_blocks", &HeadCounts::kept_blocks);
  count("pv_tiles", &HeadCounts::pv_tiles);
  count("pv_skipped", &HeadCounts::pv_skipped);
  return out;
}

void ExpectSame(const Tensors& a, const Tensors& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, tensor] : a) {
    ASSERT_TRUE(b.count(name)) << name;
    EXPECT_EQ(tensor.dtype, b.at(name).dtype) << name;
    EXPECT_EQ(tensor.shape, b.at(name).shape) << name;
    EXPECT_TRUE(tensor.bytes == b.at(name).bytes) << name;
  }
}

TEST_F(AttendTest, EqualsTheDirectCall) {
  constexpr float kNone = HeadParameters::kNone, kNaN = kNone;
  const int64_t lengths[] = {300, 0};
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    Tensors in = SmallCall(dtype);
    in["key_lengths"] = Of<int64_t>(DType::kI64, {2}, {300, 0});
    in["topk"] = Of<float>(DType::kF32, {4}, {0.2f, kNaN, 1, 0.5f});
    in["theta"] = Of<float>(DType::kF32, {4}, {0.f, 0.1f, kNaN, 1.f});
    in["surprise"] = Of<double>(DType::kF64, {0, 3}, {});
    Save("in.safetensors", in);
    Call call;
    call.scale = 0.3;
    call.causal = true;
    call.key_lengths = lengths;
    const HeadParameters heads[] = {
        {0.2f, 0.7f, 0.f, -2}, {kNone, 0.7f, 0.1f, -2}, {1, 0.7f, 0.2f, -2}, {0.5f, 0.7f, 1, -2}};
    call.heads = heads;
    call.sink = true;
    call.keep_keys = {100, 101};
    call.keep_queries = {150, 200};
    for (const auto& [name, mode] : {std::pair("dense8", Mode::kDense8), std::pair("sparge", Mode::kSparge),
                                     std::pair("sparge_exact", Mode::kSpargeExact)}) {
      SCOPED_TRACE(name);
      call.mode = mode;
      const std::vector<std::string> flags = {
          "--mode",   name, "--scale", "0.3",         "--causal", "--cdf",          "0.7",    "--theta=0.2",
          "--lambda", "-2", "--sink",  "--keep-keys", "100:101",  "--keep-queries", "150:200"};
      const ProcessResult result = dtype == DType::kBF16 ? AttendProcess(flags) : Attend(flags);
      ASSERT_EQ(result.status, 0) << result.err;
      EXPECT_EQ(result.err, "");
      ExpectSame(Load("out.safetensors"), Direct(in, call));
      EXPECT_EQ(metadata_.size(), 2u);
      EXPECT_EQ(result.out, "kernel " + metadata_["kernel"] + ": " + metadata_["reason"] + "\n");
    }
  }
}

TEST_F(AttendTest, MapOfTheCallerAndSelector) {
  Tensors in = SmallCall();
  std::vector<uint8_t> map(2 * 4 * 2 * 6);
  for (size_t i = 0; i < map.size(); ++i) map[i] = static_cast<uint8_t>(i * i % 7 < 3 ? i % 5 : 0);
  in["block_map"] = Of(DType::kU8, {2, 4, 2, 6}, map);
  Save("in.safetensors", in);
  ASSERT_EQ(Attend({}).status, 0);
  Call call;
  call.mode = Mode::kSparge;
  call.scale = 1 / std::sqrt(24.0);
  call.block_map = map.data();
  ExpectSame(Load("out.safetensors"), Direct(in, call));

  in.erase("block_map");
  Save("in.safetensors", in);
  ASSERT_EQ(Attend({"--selector", "sliding_window", "--window", "1"}).status, 0);
  call.block_map = nullptr;
  call.selector = "sliding_window";
  call.window = 1;
  ExpectSame(Load("out.safetensors"), Direct(in, call));
}

// The program's defaults: mode sparge, top-k 0.5, θ 0.3, λ −7; top-k only where neither it nor cdf is given.
TEST_F(AttendTest, Defaults) {
  Save("in.safetensors", SmallCall());
  const auto bytes = [&](const std::vector<std::string>& flags) {
    const ProcessResult result = Attend(flags);
    EXPECT_EQ(result.status, 0) << result.err;
    return Bytes("out.safetensors");
  };
  const std::string plain = bytes({});
  EXPECT_TRUE(plain == bytes({"--mode", "sparge", "--kernel", "auto", "--device", "cpu", "--topk", "0.5", "--theta",
                              "0.3", "--lambda", "-7", "--selector", "spargeattn"}));
  EXPECT_FALSE(plain == bytes({"--topk", "0.2", "--theta", "0"}));
  const auto kept = [&](const std::vector<std::string>& flags) {
    bytes(flags);
    return Load("out.safetensors")["kept_blocks"].as<int64_t>()[0];
  };
  EXPECT_EQ(kept({"--theta", "0"}), 2 * 3);
  EXPECT_EQ(kept({"--theta", "0", "--topk", "1"}), 2 * 6);
  EXPECT_EQ(kept({"--theta", "0", "--cdf", "1e-9"}), 2);
  EXPECT_EQ(kept({"--theta", "0", "--cdf", "1e-9", "--topk", "0.5"}), 2 * 3);
  EXPECT_EQ(kept({"--theta", "1"}), 2 * 6);
}

TEST_F(AttendTest, DenseWritesOnlyOutputAndLSE) {
  const Tensors in = SmallCall();
  Save("in.safetensors", in);
  const ProcessResult result = Attend({"--mode", "dense", "--causal"});
  ASSERT_EQ(result.status, 0) << result.err;
  Tensors out = Load("out.safetensors");
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(metadata_["kernel"], "sdpa");
  ASSERT_EQ(out["o"].shape, (std::vector<int64_t>{2, 4, 200, 16}));
  ASSERT_EQ(out["lse"].shape, (std::vector<int64_t>{2, 4, 200}));
  const float *q = in.at("q").as<float>(), *k = in.at("k").as<float>(), *v = in.at("v").as<float>();
  for (const int64_t b : {0, 1}) {
    for (const int64_t h : {0, 3}) {
      for (const int64_t i : {0, 1, 77, 199}) {
        const float* query = q + ((b * 4 + h) * 200 + i) * 24;
        double sum = 0, o[16] = {};
        for (int64_t j = 0; j <= i + 130; ++j) {
          const int64_t row = (b * 2 + h / 2) * 330 + j;
          double score = 0;
          for (int64_t c = 0; c < 24; ++c)
            score += static_cast<double>(query[c]) * static_cast<double>(k[row * 24 + c]);
          const double weight = std::exp(score / std::sqrt(24.0));
          sum += weight;
          for (int64_t c = 0; c < 16; ++c) o[c] += weight * static_cast<double>(v[row * 16 + c]);
        }
        const int64_t at = (b * 4 + h) * 200 + i;
        EXPECT_NEAR(out["lse"].as<float>()[at], std::log(sum), 1e-5);
        for (int64_t c = 0; c < 16; ++c) EXPECT_NEAR(out["o"].as<float>()[at * 16 + c], o[c] / sum, 1e-5);
      }
    }
  }
}

TEST_F(AttendTest, HelpAndRepeat) {
  const ProcessResult help = Run({"attend", "--help"});
  EXPECT_EQ(help.status, 0);
  for (const char* flag :
       {"--mode", "--kernel", "--device", "--topk", "--cdf", "--theta", "--lambda", "--scale", "--causal", "--sink",
        "--keep-keys", "--keep-queries", "--selector", "--window", "--repeat"}) {
    EXPECT_NE(help.out.find("\n  " + std::string(flag)), std::string::npos) << flag;
  }
  Save("in.safetensors", SmallCall());
  const ProcessResult result = Attend({"--repeat", "3"});
  ASSERT_EQ(result.status, 0) << result.err;
  double least = 0, median = 0;
  EXPECT_EQ(std::sscanf(result.out.c_str() + result.out.find('\n') + 1, "min %lf ms, median %lf ms, 3 calls", &least,
                        &median),
            2)
      << result.out;
  EXPECT_GT(least, 0);
  EXPECT_LE(least, median);
}

TEST_F(AttendTest, KernelsByNameVariableAndFeature) {
  Save("in.safetensors", SmallCall());
  const ProcessResult named = Attend({"--kernel", "reference"});
  EXPECT_TRUE(named.out.starts_with("kernel reference: ")) << named.out << named.err;
  const ProcessResult small = AttendProcess({}, "small.safetensors", {.environment = {"SPARGE_CPU_FEATURES=none"}});
  EXPECT_EQ(small.status, 0) << small.err;
  EXPECT_TRUE(small.out.starts_with("kernel generic: ")) << small.out;
  fs::remove(Path("out.safetensors"));
  // A kernel that is there, but whose instructions this CPU (made smaller) lacks, gives its reason.
  ProcessOptions none{.environment = {"SPARGE_CPU_FEATURES=none"}};
  const std::string best = attention::CPUKernelNames().front();
  ExpectRefused(AttendProcess({"--kernel", best}, "out.safetensors", none), best);
}

TEST_F(AttendTest, TheSameBytesForAnyNumberOfThreads) {
  Save("in.safetensors", SmallCall(DType::kBF16));
  std::string first;
  for (const std::string threads : {"1", "2", "16"}) {
    ASSERT_EQ(AttendProcess({}, "out.safetensors", {.environment = {"OMP_NUM_THREADS=" + threads}}).status, 0);
    if (first.empty()) first = Bytes("out.safetensors");
    EXPECT_TRUE(first == Bytes("out.safetensors")) << threads;
  }
}

TEST_F(AttendTest, TensorsNeedNotBeAligned) {
  const Tensors in = SmallCall();
  Save("in.safetensors", in);
  ASSERT_EQ(Attend({}, "a.safetensors").status, 0);
  json header = {{"odd", {{"dtype", "U8"}, {"shape", {3}}, {"data_offsets", {0, 3}}}}};
  std::string data(3, '\7');
  for (const auto& [name, tensor] : in) {
    header[name] = {
        {"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {data.size(), data.size() + tensor.bytes.size()}}};
    data += tensor.bytes;
  }
  WriteRaw(Path("in.safetensors"), header.dump(), data);
  ASSERT_EQ(Attend({}, "b.safetensors").status, 0);
  EXPECT_TRUE(Bytes("a.safetensors") == Bytes("b.safetensors"));
}

TEST_F(AttendTest, OutputAppearsWholeOrNotAtAll) {
  Save("in.safetensors", SmallCall());
  std::ofstream(Path("mine.safetensors")) << "mine";
  EXPECT_EQ(Attend({"--topk", "7"}, "mine.safetensors").status, 2);
  EXPECT_EQ(Bytes("mine.safetensors"), "mine");
  ProcessOptions full;
  full.max_file_bytes = 4096;
  const ProcessResult result = AttendProcess({}, "mine.safetensors", full);
  EXPECT_EQ(result.status, 1);
  ExpectErrorLines(result.err);
  EXPECT_EQ(Bytes("mine.safetensors"), "mine");
  EXPECT_EQ(Names(), (std::vector<std::string>{"in.safetensors", "mine.safetensors"}));
  EXPECT_EQ(Attend({}, "mine.safetensors").status, 0);
  EXPECT_GT(Load("mine.safetensors").size(), 2u);
  EXPECT_EQ(Attend({}, "new/folder/out.safetensors").status, 0);
  EXPECT_TRUE(fs::exists(Path("new/folder/out.safetensors")));
  EXPECT_EQ(Attend({}, "in.safetensors/out.safetensors").status, 2);
  // From a file into itself.
  EXPECT_EQ(Attend({}, "in.safetensors").status, 0);
  EXPECT_EQ(Load("in.safetensors").count("o"), 1u);
}

TEST_F(AttendTest, BenchAttention) {
  const ProcessResult result = Run({"bench", "attention", "--tokens", "256,384", "--head-dim", "32", "--heads", "1",
                                    "--skip", "0,50", "--repeat", "5", "--csv", "b.csv"});
  ASSERT_EQ(result.status, 0) << result.err;
  const std::vector<std::string> lines = Split(Trim(Bytes("b.csv")), '\n');
  ASSERT_EQ(lines.size(), 5u);
  const std::vector<std::string> names = Split(lines[0], ',');
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> fields = Split(lines[i], ',');
    ASSERT_EQ(fields.size(), names.size());
    std::map<std::string, std::string> row;
    for (size_t c = 0; c < names.size(); ++c) row[names[c]] = fields[c];
    EXPECT_EQ(row["mode"], i % 2 == 1 ? "dense8" : "sparge");
    EXPECT_EQ(std::stod(row["skipped"]), i % 2 == 1 ? 0 : 0.5);
    for (const char* name : {"ms", "sdpa_bfloat16_ms", "sdpa_float32_ms", "ratio", "gops", "ceiling_share",
                             "prepare_share", "rate_of_dense8"}) {
      EXPECT_GT(std::stod(row[name]), 0) << name;
    }
    EXPECT_NEAR(std::stod(row["ratio"]),
                std::min(std::stod(row["sdpa_bfloat16_ms"]), std::stod(row["sdpa_float32_ms"])) / std::stod(row["ms"]),
                2e-2 * std::stod(row["ratio"]));
    EXPECT_LT(std::stod(row["prepare_share"]), 1);
  }
  EXPECT_EQ(Run({"bench", "attention", "--repeat", "4", "--tokens", "0", "--skip", "100"}).status, 2);
  EXPECT_EQ(Run({"bench"}).status, 2);
  EXPECT_EQ(Run({"bench", "everything"}).status, 2);
}

}  // namespace
}  // namespace app
