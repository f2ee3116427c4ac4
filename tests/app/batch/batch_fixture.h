#pragma once

#include <fstream>
#include <map>
#include <set>

#include "app/batch/manifest.h"
#include "app/settings/sha256.h"
#include "pipeline/media/media.h"
#include "pipeline/weights/safetensors.h"
#include "tests/app/async_process.h"
#include "tests/app/command_fixture.h"

namespace app {

// `sparge render` as a user runs it, on a tiny model.
class BatchTest : public CommandTest {
 protected:
  // Writes jobs.yaml; `jobs` is the list, indented by two; `more` replaces and adds defaults.
  void WriteJobs(const std::string& jobs, const std::map<std::string, std::string>& more = {}) {
    std::map<std::string, std::string> defaults = {{"model", model_},
                                                   {"width", "32"},
                                                   {"height", "16"},
                                                   {"frames", "5"},
                                                   {"steps", "3"},
                                                   {"max_sequence_length", "16"},
                                                   {"dtype", "float32"},
                                                   {"device", "cpu"},
                                                   {"prompt", "dance monkey"},
                                                   {"out", "\"out/{name}/{variant}_{seed}.mp4\""}};
    for (const auto& [key, value] : more) defaults[key] = value;
    std::ofstream file(Path("jobs.yaml"));
    file << "version: 1\ndefaults:\n";
    for (const auto& [key, value] : defaults) file << "  " << key << ": " << value << "\n";
    file << "jobs:\n" << jobs;
  }
  ProcessResult Render(std::vector<std::string> more = {}, ProcessOptions options = {}) {
    more.insert(more.begin(), {"render", "jobs.yaml"});
    return Run(more, std::move(options));
  }

  // Every line of every manifest; a line that is none is a failure unless it is expected.
  std::vector<nlohmann::json> Manifest(int64_t broken_lines = 0) {
    std::vector<nlohmann::json> lines;
    std::error_code error;
    for (std::filesystem::directory_iterator it(Path("jobs.manifest.d"), error), end; !error && it != end; ++it) {
      if (it->path().extension() != ".jsonl") continue;
      std::ifstream in(it->path());
      for (std::string line; std::getline(in, line);) {
        const nlohmann::json parsed = nlohmann::json::parse(line, nullptr, false);
        if (parsed.is_object()) {
          lines.push_back(parsed);
        } else {
          --broken_lines;
        }
      }
    }
    EXPECT_GE(broken_lines, 0) << "broken lines in the manifests";
    return lines;
  }
  std::map<std::string, int64_t> Statuses() {
    std::map<std::string, int64_t> count;
    for (const nlohmann::json& line : Manifest()) ++count[line["status"].get<std::string>()];
    return count;
  }

  // What a job's kept latents hold: the bits of the render, whatever else stands in its files.
  std::string LatentsOf(const std::string& name) {
    const std::vector<float> data = pipeline::SafetensorsFile::Open(Path(name))->ReadFloat("latents").data;
    return SHA256Hex({reinterpret_cast<const char*>(data.data()), data.size() * sizeof(float)});
  }

  // Every file under its final name is whole, and what the manifests say is there is there.
  void ExpectWholeFilesAndATrueManifest(int64_t broken_lines = 0) {
    std::error_code error;
    for (std::filesystem::recursive_directory_iterator it(Path("out"), error), end; !error && it != end; ++it) {
      const std::string path = it->path().string(), name = it->path().filename().string();
      if (!it->is_regular_file() || name.starts_with(".")) continue;  // asides
      if (path.ends_with(".mp4")) {
        pipeline::FrameReader frames(path);
        int64_t count = 0;
        while (frames.Next()) ++count;
        EXPECT_EQ(count, 5) << path;
      } else if (path.ends_with(".safetensors")) {
        EXPECT_NO_THROW(pipeline::SafetensorsFile::Open(path)) << path;
      } else if (path.ends_with(".json")) {
        std::ifstream in(path);
        EXPECT_TRUE(nlohmann::json::parse(in, nullptr, false).is_object()) << path;
      }
    }
    for (const nlohmann::json& line : Manifest(broken_lines)) {
      if (line["status"] != "done") continue;
      for (const nlohmann::json& output : line["outputs"]) {
        const auto digest = DigestOf(output["path"], 5);
        ASSERT_TRUE(digest.has_value()) << output;
        EXPECT_EQ(digest->sha256, output["sha256"]) << output;
        EXPECT_EQ(digest->bytes, output["bytes"]) << output;
      }
    }
  }

  std::string model_ = kModel;
};

}  // namespace app
