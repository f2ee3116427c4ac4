#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "attention/cuda/common/ptx.cuh"
#include "cuda_emulation/launch.h"

// Kernels that are wrong on purpose. Each is caught, under every schedule, and the report says what and where; beside
// it stands, where there is one, the kernel with the fault mended, which runs.
namespace cuda_emulation {

namespace ptx = attention::cuda::ptx;

inline constexpr uint32_t kSharedBytes = 4096;

class FaultsTest : public testing::Test {
 protected:
  FaultsTest() {
    global_.Register(in_.data(), in_.size() * 4, "in", GlobalMemory::Contents::kInitialised, false);
    global_.Register(out_.data(), out_.size() * 4, "out", GlobalMemory::Contents::kInitialised, true);
    scratch_ = static_cast<uint32_t*>(global_.Allocate(1024, "scratch"));
  }

  void Run(const std::function<void()>& body, uint64_t seed, uint32_t threads, uint32_t blocks) {
    Launch(global_, {{blocks, 1, 1}, {threads, 1, 1}, kSharedBytes}, body, {seed, 2});
  }

  // The body is caught with one of `faults` (which end of a race shows depends on the schedule) and `words` in the
  // message, with every schedule.
  void ExpectFault(const std::vector<Fault>& faults, const std::string& words, const std::function<void()>& body,
                   uint32_t threads = 64, uint32_t blocks = 1) {
    for (uint64_t seed = 1; seed <= 8; ++seed) {
      try {
        Run(body, seed, threads, blocks);
        ADD_FAILURE() << "not caught with seed " << seed << ": " << words;
      } catch (const EmulationFault& caught) {
        const std::string what = caught.what();
        EXPECT_NE(std::find(faults.begin(), faults.end(), caught.fault()), faults.end()) << what;
        EXPECT_NE(what.find(words), std::string::npos) << what;
        EXPECT_NE(what.find("seed " + std::to_string(seed)), std::string::npos) << what;
      }
    }
  }
  void ExpectFine(const std::function<void()>& body, uint32_t threads = 64, uint32_t blocks = 1) {
    for (uint64_t seed = 1; seed <= 20; ++seed) EXPECT_NO_THROW(Run(body, seed, threads, blocks)) << "seed " << seed;
  }

  static ptx::SharedAddress At(int byte) { return ptx::SharedMemory() + static_cast<uint32_t>(byte); }

  GlobalMemory global_;
  std::vector<uint32_t> in_ = std::vector<uint32_t>(1024, 7), out_ = std::vector<uint32_t>(1024);
  uint32_t* scratch_ = nullptr;  // 256 words that nobody wrote
};

}  // namespace cuda_emulation
