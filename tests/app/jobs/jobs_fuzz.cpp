// Fuzzes the reader of JOBS.yaml: whatever the bytes are, there is a plan or there are errors. A libFuzzer target where
// SPARGE_LIBFUZZER is defined (libfuzzer.sh); else a program of its own that mutates the cases:
//   jobs_fuzz INPUTS [SEED]

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "app/jobs/plan.h"
#include "app/settings/text.h"
#include "pipeline/pipeline.h"
#include "tests/app/fake_pipeline.h"

namespace app {
namespace {

const std::string& Folder() {
  static const std::string folder = [] {
    const std::string path =
        std::filesystem::temp_directory_path().string() + "/sparge_jobs_fuzz_" + std::to_string(getpid());
    std::filesystem::create_directories(path);
    std::atexit([] { std::filesystem::remove_all(Folder()); });
    return path;
  }();
  return folder;
}

[[noreturn]] void Defect(const std::string& what, const std::string& text) {
  std::fprintf(stderr, "%s, for this input:\n----\n%s\n----\n", what.c_str(), text.c_str());
  std::abort();
}

// What must hold of every input. Returns the number of entries, or of −1 − errors.
int64_t TryInput(const std::string& text) {
  static const pipeline::ModelInfo model = MakeFakeModel(Folder() + "/model");
  const InspectModelFolder inspect = [](const std::string& folder) {
    base::Check(folder == model.path, base::ErrorCode::kInvalidInput, folder, ": no model");
    return model;
  };
  try {
    const Plan plan = ReadJobs(Folder() + "/jobs.yaml", text, {}, inspect);
    if (plan.entries.size() > static_cast<size_t>(kMaxPlanEntries)) Defect("too many entries", text);
    std::set<std::string> outputs;
    for (const PlanEntry& entry : plan.entries) {
      if (entry.hash.size() != 64 || entry.files.outputs.empty()) Defect("an entry that is not whole", text);
      for (const std::string& output : entry.files.outputs) {
        if (!output.starts_with("/") || !outputs.insert(output).second) Defect("two outputs of one name", text);
      }
    }
    return static_cast<int64_t>(plan.entries.size());
  } catch (const InputErrors& errors) {
    for (const auto& item : errors.items()) {
      if (!item.located || !IsValidUTF8(item.text)) Defect("an error without a place: " + item.text, text);
    }
    return -1 - static_cast<int64_t>(errors.items().size());
  } catch (const base::Error& error) {
    Defect(std::string("a bare error: ") + error.what(), text);
  } catch (const std::exception& error) {
    Defect(std::string("an exception: ") + error.what(), text);
  }
}

}  // namespace
}  // namespace app

#ifdef SPARGE_LIBFUZZER

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 20000) app::TryInput(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}

#else

namespace app {
namespace {

// Every YAML of the cases.
std::vector<std::string> Corpus() {
  std::vector<std::string> corpus;
  for (const auto& file : std::filesystem::directory_iterator(SPARGE_SOURCE_DIR "/tests/app/jobs/cases")) {
    std::ifstream in(file.path());
    bool yaml = false;
    for (std::string line; std::getline(in, line);) {
      if (line == "--- yaml") {
        yaml = true;
        corpus.emplace_back();
      } else if (line.starts_with("--- ") || line.starts_with("=== ")) {
        yaml = false;
      } else if (yaml && line != "raw") {
        corpus.back() += line + "\n";
      }
    }
  }
  for (std::string& text : corpus) {
    if (text.find("version:") == std::string::npos) text += "version: 1\n";
    if (text.find("defaults:") == std::string::npos) text += "defaults: {model: model, prompt: p}\n";
  }
  std::sort(corpus.begin(), corpus.end());  // whatever the file system's order
  return corpus;
}

constexpr const char* kPieces[] = {"{",
                                   "}",
                                   "[",
                                   "]",
                                   ":",
                                   ", ",
                                   "\n",
                                   "\n  - ",
                                   "\"",
                                   "'",
                                   "#",
                                   "&a ",
                                   "*a",
                                   "<<: ",
                                   "!!str ",
                                   "|\n",
                                   ">-\n",
                                   "---\n",
                                   "...\n",
                                   "%",
                                   "${",
                                   "}",
                                   "${HOME}",
                                   "${X:-1}",
                                   "null",
                                   "~",
                                   "1..3",
                                   "0.2..0.8 step 0.2",
                                   "..",
                                   "random",
                                   "-1",
                                   "1e9",
                                   "0x10",
                                   "nan",
                                   "\t",
                                   "\r\n",
                                   "\xff",
                                   "\xc3",
                                   "é",
                                   "\xf0\x9f\x8e\xa5",
                                   "version: 1",
                                   "defaults: ",
                                   "profiles: ",
                                   "jobs: ",
                                   "matrix: ",
                                   "zip: ",
                                   "exclude: ",
                                   "include: ",
                                   "repeat: ",
                                   "compare: ",
                                   "reference: ",
                                   "variants: ",
                                   "noise_floor: ",
                                   "name: ",
                                   "profile: ",
                                   "prompts: ",
                                   "prompt: ",
                                   "prompt_file: ",
                                   "seed: ",
                                   "attention: ",
                                   "attention.topk: ",
                                   "out: ",
                                   "model: model",
                                   "{seed}.mp4",
                                   "{{",
                                   "schedule: ",
                                   "steps: "};

class Mutator {
 public:
  explicit Mutator(uint32_t seed) : random_(seed), corpus_(Corpus()) {}

  std::string Next() {
    std::string text = corpus_[Below(corpus_.size())];
    for (size_t i = Below(2) == 0 ? 1 : 1 + Below(6); i > 0; --i) Mutate(text);
    return Shortened(text);
  }

 private:
  size_t Below(size_t n) { return n == 0 ? 0 : random_() % n; }

  void Mutate(std::string& text) {
    const size_t at = Below(text.size() + 1), length = Below(std::min<size_t>(text.size() - at + 1, 30));
    switch (Below(7)) {
      case 0:
        text.insert(at, kPieces[Below(std::size(kPieces))]);
        break;
      case 1:
        text.erase(at, length);
        break;
      case 2:
        text.insert(Below(text.size() + 1), text.substr(at, length));
        break;
      case 3:
        if (at < text.size()) text[at] = static_cast<char>(Below(256));
        break;
      case 4:
        text.replace(at, length, kPieces[Below(std::size(kPieces))]);
        break;
      case 5: {
        const std::string& other = corpus_[Below(corpus_.size())];
        text.insert(at, other.substr(Below(other.size()), Below(60)));
        break;
      }
      case 6:
        if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << Below(8)));
        break;
    }
  }

  // Numbers of two digits make plans that are small.
  static std::string Shortened(const std::string& text) {
    std::string result;
    int digits = 0;
    for (char c : text) {
      digits = c >= '0' && c <= '9' ? digits + 1 : 0;
      if (digits <= 2) result += c;
    }
    return result;
  }

  std::mt19937 random_;
  std::vector<std::string> corpus_;
};

}  // namespace
}  // namespace app

int main(int argc, char** argv) {
  const int64_t inputs = argc > 1 ? std::atoll(argv[1]) : 1000;
  app::Mutator mutator(argc > 2 ? static_cast<uint32_t>(std::atoi(argv[2])) : 1);
  int64_t plans = 0, entries = 0, errors = 0;
  for (int64_t i = 0; i < inputs; ++i) {
    const int64_t result = app::TryInput(mutator.Next());
    if (result >= 0)
      ++plans, entries += result;
    else
      errors += -1 - result;
  }
  std::printf("%lld inputs: %lld plans of %lld entries, %lld errors\n", static_cast<long long>(inputs),
              static_cast<long long>(plans), static_cast<long long>(entries), static_cast<long long>(errors));
  return plans > inputs / 200 && errors > inputs / 2 ? 0 : 1;  // it reaches both
}

#endif
