#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

namespace app {

// A folder of this test, empty at first, removed afterwards.
class TempFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = testing::TempDir() + "sparge_" + info->test_suite_name() + "_" + info->name();
    std::replace(folder_.begin() + static_cast<std::ptrdiff_t>(testing::TempDir().size()), folder_.end(), '/', '_');
    beside_ = folder_ + "_beside";
    TearDown();
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override {
    std::filesystem::remove_all(folder_);
    std::filesystem::remove_all(beside_);
  }

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }

  // Everything below the folder, sorted.
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_)) {
      names.push_back(entry.path().lexically_relative(folder_).string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  std::string folder_;
  std::string beside_;  // for what is to be no part of Names(); not made
};

}  // namespace app
