#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "cuda_emulation/launch.h"
#include "tests/cuda_emulation/examples.cuh"

// The worked examples on the emulator, each with several schedules.
namespace cuda_emulation {
namespace {

template <class E>
cuda_examples::Words RunExample(uint64_t seed) {
  GlobalMemory global;
  const cuda_examples::Words input = E::Input();
  cuda_examples::Words output(E::kOutputs);
  global.Register(input.data(), input.size() * 4, "in", GlobalMemory::Contents::kInitialised, false);
  global.Register(output.data(), output.size() * 4, "out", GlobalMemory::Contents::kInitialised, true);
  Launch(global, {{E::kBlocksX, E::kBlocksY, 1}, {E::kThreads, 1, 1}, E::kSharedBytes},
         [&] { E::Body(input.data(), output.data()); }, {seed, 2});
  return output;
}

struct OnEmulator {
  int examples = 0;
  template <class E>
  void Run() {
    ++examples;
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      EXPECT_EQ(cuda_examples::Difference<E>(RunExample<E>(seed)), "") << E::kName << ", seed " << seed;
    }
  }
};

TEST(EmulationTest, WorkedExamples) {
  OnEmulator run;
  cuda_examples::ForEachExample(run);
  EXPECT_GE(run.examples, 30);
}

std::string ReadSource(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(std::filesystem::path(SPARGE_SOURCE_DIR) / file).rdbuf();
  EXPECT_FALSE(text.str().empty()) << file;
  return text.str();
}

// What ptx.cuh offers, an example uses.
TEST(EmulationTest, EveryFunctionHasAnExample) {
  const std::string page = ReadSource("attention/cuda/common/ptx.cuh");
  std::string examples;
  for (const char* file : {"matrix_examples.cuh", "number_examples.cuh", "exchange_examples.cuh"}) {
    examples += ReadSource(std::filesystem::path("tests/cuda_emulation") / file);
  }
  const std::regex function(R"(SPARGE_DEVICE [\w ]+ (\w+)\()");
  std::set<std::string> names;
  for (std::sregex_iterator i(page.begin(), page.end(), function), end; i != end; ++i) names.insert((*i)[1]);
  EXPECT_GE(names.size(), 40u);
  for (const std::string& name : names) {
    EXPECT_TRUE(std::regex_search(examples, std::regex("ptx::" + name + "\\b"))) << name;
  }
}

}  // namespace
}  // namespace cuda_emulation
