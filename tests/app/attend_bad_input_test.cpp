#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "app/settings/text.h"
#include "tests/app/attend_fixture.h"

// What `sparge attend` refuses: bad flags, bad tensors, hostile files. Status 2, one line, nothing written.
namespace app {
namespace {

namespace fs = std::filesystem;

TEST_F(AttendTest, BadFlagsInEveryMode) {
  Save("in.safetensors", SmallCall());
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"--topk", "0"}, "topk"},
      {{"--topk", "1.01"}, "topk"},
      {{"--topk", "nan"}, "--topk 'nan'"},
      {{"--topk", "half"}, "--topk 'half'"},
      {{"--topk", "0.5x"}, "--topk '0.5x'"},
      {{"--topk"}, "--topk needs a value"},
      {{"--cdf", "-0.1"}, "cdf"},
      {{"--cdf", "2"}, "cdf"},
      {{"--theta", "1.5"}, "theta"},
      {{"--theta", "-1"}, "theta"},
      {{"--lambda", "0.5"}, "lambda"},
      {{"--lambda", "-inf"}, "--lambda '-inf'"},
      {{"--scale", "inf"}, "--scale 'inf'"},
      {{"--keep-keys", "5:5"}, "--keep-keys '5:5'"},
      {{"--keep-keys", "0:0"}, "--keep-keys '0:0'"},
      {{"--keep-keys", "7:3"}, "--keep-keys '7:3'"},
      {{"--keep-keys", "-1:3"}, "--keep-keys '-1:3'"},
      {{"--keep-keys", "1:2:3"}, "--keep-keys '1:2:3'"},
      {{"--keep-keys", "5"}, "--keep-keys '5'"},
      {{"--keep-keys", "0:331"}, "keep_keys 0:331"},
      {{"--keep-queries", "199:201"}, "keep_queries 199:201"},
      {{"--keep-queries", "1:99999999999999999999"}, "--keep-queries"},
      {{"--window", "-1"}, "--window '-1'"},
      {{"--selector", "best"}, "--selector: 'best'"},
      {{"--repeat", "0"}, "--repeat '0'"},
      {{"--kernel", "magic"}, "kernel 'magic'"},
      {{"--device", "tpu"}, "--device: 'tpu'"},
      {{"--top-k", "0.5"}, "did you mean '--topk'"},
      {{"--causal=yes"}, "--causal takes no value"},
  };
  for (const std::string mode : {"dense", "dense8", "sparge", "sparge_exact"}) {
    for (auto [flags, part] : cases) {
      SCOPED_TRACE(mode + ": " + Join(flags, " "));
      flags.insert(flags.end(), {"--mode", mode});
      ExpectRefused(Attend(flags), part);
    }
  }
  ExpectRefused(Attend({"--mode", "fast"}), "--mode: 'fast'");
  ExpectRefused(Attend({"--kernel", "sdpa"}), "kernel 'sdpa' cannot do mode sparge");
  ExpectRefused(Attend({"--kernel", "reference", "--mode", "dense"}), "kernel 'reference' cannot do mode dense");
  ExpectRefused(Attend({"third.safetensors"}), "takes two files");
  ExpectRefused(Run({"attend", "in.safetensors"}), "takes two files");
  ExpectRefused(AttendProcess({"--topk", "7"}), "topk is 7");
  EXPECT_EQ(Names(), (std::vector<std::string>{"in.safetensors"}));
}

TEST_F(AttendTest, BadTensors) {
  const std::pair<std::function<void(Tensors&)>, const char*> cases[] = {
      {[](Tensors& t) { t.erase("k"); }, "no tensor 'k'"},
      {[](Tensors& t) { t["q"].dtype = DType::kI32; }, "'q' is I32"},
      {[](Tensors& t) {
         t["v"] = Of<double>(DType::kF64, {2, 2, 330, 1}, std::vector<double>(1320));
       },
       "'v' is F64"},
      {[](Tensors& t) {
         t["k"] = Random(DType::kBF16, {2, 2, 330, 24}, 2);
       },
       "BFloat16"},
      {[](Tensors& t) {
         t["q"].shape = {8, 200, 24};
       },
       "four dimensions"},
      {[](Tensors& t) {
         t["q"].shape = {2, 4, 24, 200};
       },
       "expected q [B, Hq, Lq, D]"},
      {[](Tensors& t) {
         t["q"] = Random(DType::kF32, {2, 3, 200, 24}, 1);
       },
       "Hq divisible by Hkv"},
      {[](Tensors& t) {
         t["v"] = Random(DType::kF32, {2, 2, 329, 16}, 1);
       },
       "expected q [B, Hq, Lq, D]"},
      {[](Tensors& t) {
         t["q"] = Random(DType::kF32, {0, 4, 200, 24}, 1);
       },
       "'q' is empty"},
      {[](Tensors& t) {
         t["v"] = Random(DType::kF32, {2, 2, 330, 0}, 1);
       },
       "'v' is empty"},
      {[](Tensors& t) {
         t["key_lengths"] = Of<int32_t>(DType::kI32, {2}, {1, 1});
       },
       "'key_lengths' is I32"},
      {[](Tensors& t) {
         t["key_lengths"] = Of<int64_t>(DType::kI64, {3}, {1, 1, 1});
       },
       "key_lengths"},
      {[](Tensors& t) {
         t["key_lengths"] = Of<int64_t>(DType::kI64, {2}, {331, 1});
       },
       "key length 331"},
      {[](Tensors& t) {
         t["key_lengths"] = Of<int64_t>(DType::kI64, {2}, {1, -1});
       },
       "key length -1"},
      {[](Tensors& t) {
         t["block_map"] = Of<uint8_t>(DType::kU8, {2, 4, 6, 2}, std::vector<uint8_t>(96));
       },
       "block_map"},
      {[](Tensors& t) {
         t["block_map"] = Of<uint8_t>(DType::kBool, {2, 4, 2, 6}, std::vector<uint8_t>(96));
       },
       "'block_map' is BOOL"},
      {[](Tensors& t) {
         t["topk"] = Of<float>(DType::kF32, {4}, {1, 1, 0, 1});
       },
       "topk 0 of head 2"},
      {[](Tensors& t) {
         t["cdf"] = Of<float>(DType::kF32, {4}, {1, INFINITY, 1, 1});
       },
       "cdf inf of head 1"},
      {[](Tensors& t) {
         t["theta"] = Of<float>(DType::kF32, {4}, {2, 0, 0, 0});
       },
       "theta 2 of head 0"},
      {[](Tensors& t) {
         t["lambda"] = Of<float>(DType::kF32, {4}, {0, 0, 0, 1});
       },
       "lambda 1 of head 3"},
      {[](Tensors& t) {
         t["lambda"] = Of<float>(DType::kF32, {2}, {0, 0});
       },
       "lambda"},
      {[](Tensors& t) { t["theta"] = Random(DType::kBF16, {4}, 1); }, "'theta' is BF16"},
  };
  for (const std::string mode : {"dense", "sparge"}) {
    int number = 0;
    for (const auto& [change, part] : cases) {
      SCOPED_TRACE(mode + " case " + std::to_string(number++) + ": " + part);
      Tensors in = SmallCall();
      change(in);
      Save("in.safetensors", in);
      ExpectRefused(Attend({"--mode", mode}), part);
    }
  }
  Save("in.safetensors", {{"q", Random(DType::kF32, {1, 1, 2, 257}, 1)},
                          {"k", Random(DType::kF32, {1, 1, 2, 257}, 2)},
                          {"v", Random(DType::kF32, {1, 1, 2, 3}, 3)}});
  ExpectRefused(Attend({}), "257");
  EXPECT_EQ(Attend({"--mode", "dense"}).status, 0);
}

TEST_F(AttendTest, HostileFiles) {
  Save("good", SmallCall());
  const std::string good = Bytes("good");
  const auto refused = [&](const std::string& bytes, const std::string& part) {
    std::ofstream(Path("in.safetensors"), std::ios::binary) << bytes;
    ExpectRefused(Attend({}), part);
  };
  refused("", "too few");
  refused("not a safetensors file at all", "is truncated or is not a safetensors file");
  refused(good.substr(0, good.size() / 2), "truncated");
  refused(good.substr(0, good.size() - 1), "truncated");
  refused(good + "x", "belong to no tensor");
  // Every byte of the header damaged. (Some changes keep it right: a space that becomes another, a name of ours.)
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, good.data(), 8);
  int refused_bytes = 0;
  for (size_t at = 8; at < 8 + header_bytes; ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x15);
    std::ofstream(Path("in.safetensors"), std::ios::binary) << bad;
    const ProcessResult result = Attend({});
    EXPECT_TRUE(result.status == 2 || result.status == 0) << at << result.err;
    EXPECT_EQ(fs::remove(Path("out.safetensors")), result.status == 0) << at;
    refused_bytes += result.status == 2;
  }
  EXPECT_GT(refused_bytes, static_cast<int>(header_bytes) * 3 / 4);
  const auto raw = [&](const std::string& header, const std::string& data, const std::string& part) {
    WriteRaw(Path("in.safetensors"), header, data);
    ExpectRefused(Attend({}), part);
  };
  const std::string f32 = R"("dtype":"F32","shape":[1,1,1,4],"data_offsets":)";
  raw("{\"q\":{" + f32 + "[0,16]},\"k\":{" + f32 + "[8,24]},\"v\":{" + f32 + "[24,40]}}", std::string(40, 0),
      "overlaps");
  raw("{\"q\":{" + f32 + "[0,16]},\"q\":{" + f32 + "[0,16]}}", std::string(16, 0), "twice");
  raw(R"({"q":{"dtype":"F32","shape":[4611686018427387904,4,1,1],"data_offsets":[0,0]}})", "", "overflow");
  raw(R"({"q":{"dtype":"F32","shape":[4611686018427387904,0,1,1],"data_offsets":[0,0]},)"
      R"("k":{"dtype":"F32","shape":[0,1,1,1],"data_offsets":[0,0]},"v":{"dtype":"F32","shape":[0,1,1,1],"data_offsets":[0,0]}})",
      "", "");
  raw(R"({"q":{"dtype":"F32","shape":[1,1,1,-4],"data_offsets":[0,16]}})", std::string(16, 0), "natural number");
  raw(R"({"q":{"dtype":"F128","shape":[1],"data_offsets":[0,16]}})", std::string(16, 0), "F128");
  fs::remove(Path("in.safetensors"));
  ExpectRefused(Attend({}), "No such file");
  fs::create_directory(Path("in.safetensors"));
  ExpectRefused(Attend({}), "no regular file");
}

}  // namespace
}  // namespace app
