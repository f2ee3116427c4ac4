#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "app/job/job.h"
#include "app/job/kept_latents.h"
#include "app/job/run.h"
#include "pipeline/weights/safetensors.h"
#include "tests/app/fake_pipeline.h"

// Files of every schema so far, as tests/formats/ keeps them, are read by this program.
namespace app {
namespace {

const std::string kFormats = std::string(SPARGE_SOURCE_DIR) + "/tests/formats/";

nlohmann::json Sample(const std::string& name) {
  std::ifstream in(kFormats + name);
  EXPECT_TRUE(in.good()) << name;
  return nlohmann::json::parse(in);
}

// {"a": {"b": 1}} → "a", "a.b"; of lists, the first item.
void Keys(const nlohmann::json& value, const std::string& prefix, std::set<std::string>& keys) {
  if (value.is_array() && !value.empty()) return Keys(value[0], prefix + "[]", keys);
  if (!value.is_object() || prefix == "attention.kernels") return;
  for (const auto& [key, item] : value.items()) {
    const std::string full = prefix.empty() ? key : prefix + "." + key;
    keys.insert(full);
    Keys(item, full, keys);
  }
}

class FormatsTest : public TempFolderTest {};

// What this version writes has the keys of the sample; a change of them is a change of the schema.
TEST_F(FormatsTest, SidecarSchema1) {
  const auto model = MakeFakeModel(beside_ + "/fake");
  const Job job =
      PrepareJob({{}, {{{"prompt", {"a ball", ""}}, {"out", {Value({Path("a.mp4")}), ""}}}}, ""}, model, {});
  FakePipeline pipeline(model);
  RecordingObserver observer;
  const nlohmann::json sidecar = RunJob(job, pipeline, nullptr, observer);
  if (std::getenv("SPARGE_UPDATE") != nullptr) {
    nlohmann::json sample = sidecar;
    sample["job"]["model"] = "models/fake";
    sample["job"]["out"] = {"a.mp4"};
    std::ofstream(kFormats + "sidecar_schema1.json") << PrettyJSON(sample);
    for (const char* key : {"program", "timings_s", "peak_memory_bytes", "attention", "audit", "metrics"})
      sample.erase(key);
    std::ofstream(kFormats + "job_schema1.json") << CanonicalJSON(sample) << "\n";
  }
  std::set<std::string> now, sample;
  Keys(sidecar, "", now);
  Keys(Sample("sidecar_schema1.json"), "", sample);
  EXPECT_EQ(now, sample);
}

// The record as it stands in media files and in .safetensors.
TEST_F(FormatsTest, JobSchema1IsRead) {
  const nlohmann::json record = Sample("job_schema1.json");
  ASSERT_EQ(record["schema"], 1);
  const pipeline::HostTensor latents{{1, 1, 1, 1}, {0.5f}};
  pipeline::WriteSafetensors(Path("k.safetensors"), {{"latents", &latents}}, {{"sparge", record.dump()}});
  const KeptLatents kept = ReadKeptLatents(Path("k.safetensors"));
  EXPECT_TRUE(kept.notices.empty());
  EXPECT_EQ(kept.job.at("prompt").value, Value("a ball"));
  EXPECT_EQ(kept.job.at("steps").value, Value(2));
  EXPECT_EQ(kept.job.at("model").value, Value("models/fake"));
  EXPECT_EQ(kept.model_hash.size(), 64u);
}

}  // namespace
}  // namespace app
