#include "app/gui/background.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>

#include "app/gui/disk_thread.h"
#include "tests/app/temp_folder.h"

namespace app {
namespace {

using std::chrono::milliseconds;

bool Until(const std::function<bool()>& done) {
  for (int i = 0; i < 1000 && !done(); ++i) std::this_thread::sleep_for(milliseconds(5));
  return done();
}

TEST(Background, AnswersTheNewestQuestion) {
  std::atomic<int> ready = 0, given_up = 0;
  std::atomic<bool> go = false;
  Background<int, int> thread(
      [&](int question, const auto& outdated) {
        while (!go && !outdated()) std::this_thread::sleep_for(milliseconds(1));
        given_up += outdated();
        return question * 10;
      },
      [&] { ++ready; });
  EXPECT_FALSE(thread.Take());
  thread.Ask(1);
  std::this_thread::sleep_for(milliseconds(20));
  thread.Ask(2);
  thread.Ask(3);
  ASSERT_TRUE(Until([&] { return given_up > 0; })) << "the first one is not wanted any more";
  go = true;
  ASSERT_TRUE(Until([&] { return ready > 0; }));
  EXPECT_EQ(thread.Take(), 30);
  EXPECT_FALSE(thread.Take()) << "once";
  EXPECT_EQ(ready, 1);
}

TEST(Background, WhatIsForgottenIsNotAnswered) {
  std::atomic<bool> go = false, worked = false;
  Background<int, int> thread(
      [&](int question, const auto& outdated) {
        while (!go) std::this_thread::sleep_for(milliseconds(1));
        worked = true;
        return question;
      },
      [] {});
  thread.Ask(1);
  std::this_thread::sleep_for(milliseconds(20));
  thread.Forget();
  go = true;
  ASSERT_TRUE(Until([&] { return worked.load(); }));
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_FALSE(thread.Take());
}

class DiskThreadTest : public TempFolderTest {};

TEST_F(DiskThreadTest, WritesTheLastTextAndRemovesFolders) {
  std::filesystem::create_directories(Path("folder/inside"));
  {
    DiskThread disk([] {});
    for (int i = 0; i < 100; ++i) disk.Write(Path("a"), std::to_string(i));
    disk.Remove(Path("folder"));
    disk.Finish();
    std::ifstream in(Path("a"));
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "99");
    EXPECT_FALSE(std::filesystem::exists(Path("folder")));
    disk.Write(Path("a"), "last");
  }
  std::ifstream in(Path("a"));
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "last") << "what waits is written at the end";
}

TEST_F(DiskThreadTest, SaysWhatWentWrong) {
  std::atomic<int> failed = 0;
  DiskThread disk([&] { ++failed; });
  disk.Write(Path("."), "x");
  disk.Finish();
  EXPECT_EQ(failed, 1);
  EXPECT_EQ(disk.TakeErrors().size(), 1u);
  EXPECT_TRUE(disk.TakeErrors().empty());
}

}  // namespace
}  // namespace app
