#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <sstream>

#include "attention/base/error.h"
#include "attention/cpu/kernels.h"
#include "tests/attention/support.h"

// Run with several values of SPARGE_CPU_FEATURES (CMakeLists.txt): this CPU with instruction sets hidden.
namespace attention::test {
namespace {

std::set<std::string> Split(const std::string& list) {
  std::set<std::string> names;
  std::istringstream in(list);
  for (std::string name; std::getline(in, name, ',');) {
    if (name != "none") names.insert(name);
  }
  return names;
}

TEST(FeaturesTest, OnlyWhatIsListedShows) {
  const char* listed = std::getenv("SPARGE_CPU_FEATURES");
  ASSERT_NE(listed, nullptr);
  const std::set<std::string> allowed = Split(listed);
  for (const std::string& name : Split(FeatureNames(DetectCPUFeatures()))) EXPECT_EQ(allowed.count(name), 1u) << name;
}

TEST(FeaturesTest, WhatRunsIsRight) {
  const std::vector<std::string> kernels = RunnableKernels();
  ASSERT_GE(kernels.size(), 2u) << "no compiled kernel runs without instruction sets";
  for (const std::string& kernel : kernels) {
    for (const Golden& golden : Goldens()) {
      if (golden.spec.name.find("widths") == std::string::npos && golden.spec.name.find("non_finite") != 0) continue;
      EXPECT_EQ(CompareWithReference(Problem(golden.spec), kernel), "") << kernel << " on " << golden.spec;
    }
  }
}

TEST(FeaturesTest, AutoTakesTheBestThatRunsAndSaysWhy) {
  const Problem problem(Case{.name = "auto", .shape = {1, 1, 1, 64, 64, 16, 16}});
  const RunInfo info = problem.RunKernel("auto").info;
  EXPECT_EQ(info.kernel, RunnableKernels().front());
  EXPECT_FALSE(info.reason.empty());
  // The compiler's own loops are a fall-back where an instruction set is missing, and say so.
  EXPECT_EQ(info.fallback, info.kernel == "generic" && CPUKernelNames().front() != "generic");
}

TEST(FeaturesTest, WhatDoesNotRunIsRefusedByName) {
  const Problem problem(Case{.name = "refused", .shape = {1, 1, 1, 64, 64, 16, 16}});
  for (const std::string& kernel : CPUKernelNames()) {
    const std::string lacking = WhyNot(kernel, DetectCPUFeatures());
    if (lacking.empty()) continue;
    try {
      problem.RunKernel(kernel);
      ADD_FAILURE() << kernel << " ran, though: " << lacking;
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), base::ErrorCode::kUnsupported);
      EXPECT_NE(std::string(error.what()).find(kernel), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace attention::test
