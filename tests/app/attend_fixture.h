#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "app/commands/commands.h"
#include "app/console/errors.h"
#include "pipeline/weights/safetensors.h"
#include "tests/app/command_fixture.h"

namespace app {

using pipeline::DType;

struct Tensor {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  std::string bytes;

  int64_t numel() const { return static_cast<int64_t>(bytes.size()) / pipeline::DTypeBytes(dtype); }
  template <class T>
  const T* as() const {
    return reinterpret_cast<const T*>(bytes.data());
  }
};
using Tensors = std::map<std::string, Tensor>;

template <class T>
Tensor Of(DType dtype, std::vector<int64_t> shape, const std::vector<T>& values) {
  return {dtype, std::move(shape),
          std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T))};
}

inline Tensor Random(DType dtype, std::vector<int64_t> shape, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  int64_t numel = 1;
  for (int64_t size : shape) numel *= size;
  std::vector<float> values(static_cast<size_t>(numel));
  for (float& value : values) value = normal(engine);
  if (dtype == DType::kF32) return Of(dtype, std::move(shape), values);
  std::vector<uint16_t> halves;  // bfloat16, cut off
  for (float value : values) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    halves.push_back(static_cast<uint16_t>(bits >> 16));
  }
  return Of(DType::kBF16, std::move(shape), halves);
}

// A file byte by byte: the header as given, then the data.
inline void WriteRaw(const std::string& path, const std::string& header, const std::string& data) {
  std::ofstream out(path, std::ios::binary);
  const uint64_t bytes = header.size();
  out.write(reinterpret_cast<const char*>(&bytes), 8);
  out << header << data;
}

class AttendTest : public CommandTest {
 protected:
  void Save(const std::string& name, const Tensors& tensors) {
    std::vector<pipeline::TensorData> data;
    for (const auto& [key, tensor] : tensors) data.push_back({key, tensor.dtype, tensor.shape, tensor.bytes.data()});
    pipeline::WriteTensors(Path(name), data, {});
  }
  Tensors Load(const std::string& name) {
    Tensors tensors;
    const auto file = pipeline::SafetensorsFile::Open(Path(name));
    metadata_ = file->metadata();
    for (const auto& [key, entry] : file->tensors()) {
      tensors[key] = {entry.dtype, entry.shape, std::string(reinterpret_cast<const char*>(entry.data), entry.bytes)};
    }
    return tensors;
  }
  std::string Bytes(const std::string& name) {
    std::ifstream in(Path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // `sparge attend in.safetensors OUT FLAGS…` as a process.
  ProcessResult AttendProcess(std::vector<std::string> flags, const std::string& out = "out.safetensors",
                              ProcessOptions options = {}) {
    flags.insert(flags.begin(), {"attend", "in.safetensors", out});
    return Run(flags, options);
  }
  // The same here.
  ProcessResult Attend(std::vector<std::string> flags, const std::string& out = "out.safetensors") {
    flags.insert(flags.begin(), {Path("in.safetensors"), Path(out)});
    ProcessResult result;
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    result.status = Guarded([&] { return RunAttend(flags); });
    std::fflush(stdout);
    result.out = testing::internal::GetCapturedStdout();
    result.err = testing::internal::GetCapturedStderr();
    return result;
  }
  // Ends with 2, one line of error that has `part`, and no new file.
  void ExpectRefused(const ProcessResult& result, const std::string& part) {
    EXPECT_EQ(result.status, 2) << result.err;
    EXPECT_TRUE(result.err.starts_with("sparge: error: ")) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_NE(result.err.find(part), std::string::npos) << part << " in " << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_FALSE(std::filesystem::exists(Path("out.safetensors")));
  }

  std::map<std::string, std::string> metadata_;  // of the file that was loaded last
};

inline Tensors SmallCall(DType dtype = DType::kF32) {
  return {{"q", Random(dtype, {2, 4, 200, 24}, 1)},
          {"k", Random(dtype, {2, 2, 330, 24}, 2)},
          {"v", Random(dtype, {2, 2, 330, 16}, 3)}};
}

}  // namespace app
