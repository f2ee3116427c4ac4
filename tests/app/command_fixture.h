#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "app/settings/text.h"
#include "tests/app/process.h"
#include "tests/app/temp_folder.h"

namespace app {

// A tiny model with random weights, and what diffusers made with it.
inline const std::string kModel = std::string(SPARGE_SOURCE_DIR) + "/tests/golden/data/pipelines/euler_tiny";

class CommandTest : public TempFolderTest {
 protected:
  // A small job; `more` wins.
  std::vector<std::string> Job(const std::vector<std::string>& more) {
    std::vector<std::string> args = {
        "generate", "--model", kModel,     "--prompt", "dance monkey", "--width", "32",
        "--height", "16",      "--frames", "5",        "--steps",      "2",       "--max-sequence-length",
        "16",       "--dtype", "float32",  "--device", "cpu"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
  ProcessResult Run(const std::vector<std::string>& args, ProcessOptions options = {}) {
    if (options.folder.empty()) options.folder = folder_;
    return RunSparge(args, options);
  }
  // A model folder of our own whose files may be changed.
  std::string CopyModel() {
    std::filesystem::copy(kModel, Path("model"), std::filesystem::copy_options::recursive);
    return Path("model");
  }
  nlohmann::json ReadJSON(const std::string& name) {
    std::ifstream in(Path(name));
    return nlohmann::json::parse(in);
  }
};

// `sparge: error: …` lines only.
inline void ExpectErrorLines(const std::string& err) {
  EXPECT_FALSE(err.empty());
  for (const std::string& line : Split(Trim(err), '\n')) {
    EXPECT_TRUE(line.starts_with("sparge: error: ") || line.starts_with("sparge: note: ")) << line;
  }
}

}  // namespace app
