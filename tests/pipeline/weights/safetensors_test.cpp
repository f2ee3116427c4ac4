// The file format: what is read, what is written, and every way in which a file can lie.
#include "pipeline/weights/safetensors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "attention/base/error.h"
#include "pipeline/weights/config.h"
#include "tests/support/scratch.h"

namespace {

using pipeline::HostTensor;
using pipeline::SafetensorsFile;

std::string FileBytes(const std::string& header, const std::string& data) {
  const uint64_t size = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &size, 8);
  return bytes + header + data;
}

class Safetensors : public testing::Test {
 protected:
  std::string ErrorFor(const std::string& bytes) {
    test::WriteFile(scratch_ / "file.safetensors", bytes);
    try {
      SafetensorsFile::Open(scratch_ / "file.safetensors");
    } catch (const base::Error& e) {
      EXPECT_EQ(e.code(), base::ErrorCode::kInvalidInput);
      EXPECT_NE(std::string(e.what()).find("file.safetensors"), std::string::npos) << e.what();
      return e.what();
    }
    return "";
  }
  test::Scratch scratch_;
};

TEST_F(Safetensors, RoundTrip) {
  const HostTensor a{{2, 3}, {1, -2, 3.5f, 0, 1e-30f, 7}}, empty{{0, 4}, {}}, scalar{{}, {42}};
  const std::string path = scratch_ / "deep/er/out.safetensors";
  pipeline::WriteSafetensors(path, {{"a", &a}, {"empty", &empty}, {"scalar", &scalar}},
                             {{"job", "{\"prompt\": \"ünï ☃\"}"}});
  const auto file = SafetensorsFile::Open(path);
  EXPECT_EQ(file->tensors().size(), 3u);
  EXPECT_EQ(file->ReadFloat("a").data, a.data);
  EXPECT_EQ(file->ReadFloat("a").shape, a.shape);
  EXPECT_EQ(file->ReadFloat("scalar").data, scalar.data);
  EXPECT_EQ(file->ReadFloat("empty").shape, empty.shape);
  EXPECT_EQ(file->metadata().at("job"), "{\"prompt\": \"ünï ☃\"}");
  EXPECT_EQ((file->tensors().at("a").data - file->mapping()->data()) % 8, 0);
  EXPECT_THROW(file->ReadFloat("b"), base::Error);
}

TEST_F(Safetensors, ReadsEveryFloatingDType) {
  struct Row {
    const char* dtype;
    std::string bits;
    float value;
  };
  const std::vector<Row> rows = {
      {"F16", std::string("\x00\x3c", 2), 1.0f},
      {"F16", std::string("\x01\x00", 2), 5.9604645e-8f},
      {"F16", std::string("\xff\xfb", 2), -65504.0f},
      {"BF16", std::string("\x80\x3f", 2), 1.0f},
      {"BF16", std::string("\x49\xc0", 2), -3.140625f},
      {"F8_E4M3", std::string("\x38", 1), 1.0f},
      {"F8_E4M3", std::string("\x7e", 1), 448.0f},
      {"F8_E4M3", std::string("\x81", 1), -0.001953125f},
      {"F8_E5M2", std::string("\x3c", 1), 1.0f},
      {"F8_E5M2", std::string("\x7b", 1), 57344.0f},
      {"F64", std::string("\0\0\0\0\0\0\xf0\x3f", 8), 1.0f},
  };
  for (const Row& row : rows) {
    const std::string header =
        base::StrCat(R"({"x":{"dtype":")", row.dtype, R"(","shape":[1],"data_offsets":[0,)", row.bits.size(), "]}}");
    test::WriteFile(scratch_ / "x.safetensors", FileBytes(header, row.bits));
    EXPECT_EQ(SafetensorsFile::Open(scratch_ / "x.safetensors")->ReadFloat("x").data[0], row.value) << row.dtype;
  }
  test::WriteFile(scratch_ / "x.safetensors",
                  FileBytes(R"({"x":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}})", "\x7f"));
  EXPECT_TRUE(std::isnan(SafetensorsFile::Open(scratch_ / "x.safetensors")->ReadFloat("x").data[0]));
}

TEST_F(Safetensors, HostileFiles) {
  const std::string ok = R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  EXPECT_EQ(ErrorFor(FileBytes(ok, std::string(8, '\1'))), "");
  auto expect = [&](const std::string& bytes, const std::string& words) {
    EXPECT_NE(ErrorFor(bytes).find(words), std::string::npos) << ErrorFor(bytes) << "\nexpected: " << words;
  };
  expect("", "too few");
  expect("1234567", "too few");
  expect(FileBytes(ok, std::string(7, '\1')), "truncated");
  expect(FileBytes(ok, std::string(9, '\1')), "belong to no tensor");
  expect(FileBytes(ok, "").substr(0, 30), "announce a header");
  expect(std::string(8, '\xff') + ok, "announce a header");
  expect(FileBytes("not json", ""), "not valid JSON");
  expect(FileBytes("[1]", ""), "not a JSON object");
  expect(FileBytes(R"({"x":[1]})", ""), "expected an object");
  expect(FileBytes(R"({"x":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}})", std::string(8, '\1')), "F31");
  expect(FileBytes(R"({"x":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", std::string(8, '\1')),
         "natural number");
  expect(FileBytes(R"({"x":{"dtype":"F32","shape":[1.5],"data_offsets":[0,8]}})", std::string(8, '\1')),
         "natural number");
  expect(FileBytes(R"({"x":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", std::string(8, '\1')), "takes 12");
  expect(FileBytes(R"({"x":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", ""), "overflows");
  expect(FileBytes(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", std::string(8, '\1')), "outside");
  expect(
      FileBytes(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]}})", std::string(8, '\1')),
      "outside");
  expect(
      FileBytes(
          R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"y":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
          std::string(12, '\1')),
      "overlaps");
  expect(
      FileBytes(
          R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"y":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
          std::string(12, '\1')),
      "before tensor 'y'");
  expect(
      FileBytes(
          R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
          std::string(4, '\1')),
      "'x' twice");
  expect(FileBytes(R"({"__metadata__":{"a":1}})", ""), "'a' is no string");
  expect(FileBytes(std::string(1000000, '['), ""), "");
  EXPECT_THROW(SafetensorsFile::Open(scratch_.path().string()), base::Error);  // a folder
  EXPECT_THROW(SafetensorsFile::Open(scratch_ / "absent"), base::Error);
}

// Random damage is either refused or harmless: every tensor that is announced can be read.
TEST_F(Safetensors, SurvivesMutations) {
  const HostTensor a{{3, 5}, std::vector<float>(15, 1.f)}, b{{7}, std::vector<float>(7, 2.f)};
  pipeline::WriteSafetensors(scratch_ / "good", {{"a", &a}, {"b", &b}}, {{"k", "v"}});
  const std::string good = test::ReadFile(scratch_ / "good");
  std::mt19937 random(1);
  int refused = 0;
  for (int i = 0; i < 600; ++i) {
    std::string bytes = good;
    for (int k = 0; k < 3; ++k) bytes[random() % bytes.size()] = static_cast<char>(random());
    if (i % 3 == 0) bytes.resize(random() % bytes.size());
    test::WriteFile(scratch_ / "bad", bytes);
    try {
      const auto file = SafetensorsFile::Open(scratch_ / "bad");
      for (const auto& [name, entry] : file->tensors()) {
        float sum = 0;
        for (size_t k = 0; k < entry.bytes; ++k) sum += static_cast<float>(entry.data[k]);
        EXPECT_GE(sum, 0.f);
      }
    } catch (const base::Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 300);
}

TEST_F(Safetensors, FindsTheMappingOfAnAddress) {
  const HostTensor a{{4}, {1, 2, 3, 4}};
  pipeline::WriteSafetensors(scratch_ / "a", {{"a", &a}}, {});
  const void* inside = nullptr;
  {
    const auto file = SafetensorsFile::Open(scratch_ / "a");
    inside = file->tensors().at("a").data;
    ASSERT_NE(pipeline::MappedPathAt(inside), nullptr);
    EXPECT_EQ(pipeline::MappedPathAt(inside), file->path());
    EXPECT_EQ(pipeline::MappedPathAt(&a), nullptr);
  }
  EXPECT_EQ(pipeline::MappedPathAt(inside), nullptr);
}

TEST_F(Safetensors, ConfigNamesFileAndKey) {
  auto error_of = [&](const std::string& json, auto use) -> std::string {
    test::WriteFile(scratch_ / "config.json", json);
    try {
      pipeline::Config config = pipeline::Config::Read(scratch_ / "config.json");
      use(config);
    } catch (const base::Error& e) {
      return e.what();
    }
    return "";
  };
  auto layers = [](pipeline::Config& c) { EXPECT_EQ(c.Int("num_layers", 40, 1, 100), 40); };
  EXPECT_EQ(error_of("{}", layers), "");
  EXPECT_EQ(error_of(R"({"num_layers": null})", layers), "");
  EXPECT_NE(error_of(R"({"num_layers": "40"})", layers).find("config.json: key 'num_layers'"), std::string::npos);
  EXPECT_NE(error_of(R"({"num_layers": 1e99})", layers), "");
  EXPECT_NE(error_of(R"({"num_layers": 18446744073709551615})", layers), "");
  EXPECT_NE(error_of(R"({"num_layers": 0})", layers).find("from 1 to 100"), std::string::npos);
  EXPECT_NE(error_of("{", layers).find("not valid JSON"), std::string::npos);
  EXPECT_NE(error_of("[]", layers).find("JSON object"), std::string::npos);
  EXPECT_NE(error_of(std::string(1000000, '['), layers).find("nested too deeply"), std::string::npos);
  test::WriteFile(scratch_ / "config.json", R"({"known": 1, "strange": 2, "_class_name": "X"})");
  pipeline::Config config = pipeline::Config::Read(scratch_ / "config.json");
  config.Int("known", 0, 0, 9);
  EXPECT_EQ(config.UnknownKeys(), std::vector<std::string>{"strange"});
}

}  // namespace
