#include "app/batch/manifest.h"

#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "app/settings/sha256.h"
#include "tests/app/temp_folder.h"

namespace app {
namespace {

class ManifestTest : public TempFolderTest {
 protected:
  static Attempt Done(const std::string& hash) {
    Attempt attempt;
    attempt.hash = hash;
    attempt.name = "a";
    attempt.variant = "main";
    attempt.status = "done";
    attempt.started = TimeUTC();
    attempt.outputs = {{"/x/a.mp4", 3, "abc"}};
    return attempt;
  }
};

TEST_F(ManifestTest, WhatIsWrittenIsRead) {
  ManifestWriter writer(Path("m.d"));
  EXPECT_TRUE(Names().empty());  // made with the first line
  writer.Append(Done("h1"));
  ManifestReader reader(Path("m.d"));
  reader.Refresh();
  EXPECT_TRUE(reader.Recorded("h1", {"/x/a.mp4", 3, "abc"}));
  EXPECT_FALSE(reader.Recorded("h1", {"/x/a.mp4", 3, "abd"}));
  EXPECT_FALSE(reader.Recorded("h1", {"/x/b.mp4", 3, "abc"}));
  EXPECT_FALSE(reader.Recorded("h2", {"/x/a.mp4", 3, "abc"}));
  Attempt failed = Done("h2");
  failed.status = "failed";
  failed.error = {{"cause", "io"}, {"stage", "write"}, {"step", 2}, {"message", "no"}};
  writer.Append(failed);
  writer.Append(Done("h3"));
  reader.Refresh();
  EXPECT_EQ(reader.Of("h1").size(), 1u);
  EXPECT_FALSE(reader.Recorded("h2", {"/x/a.mp4", 3, "abc"}));
  EXPECT_EQ(reader.Of("h2").at(0).error["cause"], "io");
  EXPECT_TRUE(reader.Recorded("h3", {"/x/a.mp4", 3, "abc"}));
  EXPECT_TRUE(reader.TakeNotices().empty());
}

TEST_F(ManifestTest, TornAndForeignLines) {
  {
    ManifestWriter writer(Path("m.d"));
    writer.Append(Done("h1"));
  }
  const std::string path = Path("m.d") + "/" + HostName() + "." + std::to_string(getpid()) + ".jsonl";
  std::ofstream(path, std::ios::app) << R"({"schema":1,"hash":"torn","outp)";  // killed while it wrote
  ManifestWriter again(Path("m.d"));                                           // the same process number, later
  again.Append(Done("h2"));
  std::ofstream(Path("m.d/x.1.jsonl"))
      << "[]\n{}\n{\"schema\":1,\"hash\":\"h3\",\"status\":\"done\",\"outputs\":[{}]}\n"
      << std::string(3 << 20, 'x') << "\nnull\n";
  std::ofstream(Path("m.d/readme.txt")) << "none of ours\n";
  ManifestReader reader(Path("m.d"));
  reader.Refresh();
  EXPECT_EQ(reader.Of("h1").size(), 1u);
  EXPECT_EQ(reader.Of("h2").size(), 1u);
  EXPECT_TRUE(reader.Of("h3").empty());
  EXPECT_EQ(reader.TakeNotices().size(), 6u);
  reader.Refresh();
  EXPECT_TRUE(reader.TakeNotices().empty());  // said once
}

// A line that is being written is read when it is whole.
TEST_F(ManifestTest, HalfALineWaits) {
  ManifestReader reader(Path("m.d"));
  std::filesystem::create_directories(Path("m.d"));
  const std::string line = R"({"schema":1,"hash":"h","status":"done","outputs":[]})";
  std::ofstream out(Path("m.d/x.1.jsonl"));
  out << line.substr(0, 20) << std::flush;
  reader.Refresh();
  EXPECT_TRUE(reader.Of("h").empty());
  out << line.substr(20) << "\n" << std::flush;
  reader.Refresh();
  EXPECT_EQ(reader.Of("h").size(), 1u);
  EXPECT_TRUE(reader.TakeNotices().empty());
}

TEST_F(ManifestTest, DigestsOfFilesAndFrames) {
  std::ofstream(Path("a.mp4")) << "abc";
  EXPECT_EQ(DigestOf(Path("a.mp4"), 5)->sha256, SHA256Hex("abc"));
  EXPECT_EQ(DigestOf(Path("a.mp4"), 5)->bytes, 3);
  EXPECT_FALSE(DigestOf(Path("b.mp4"), 5));
  std::filesystem::create_directories(Path("f"));
  std::ofstream(Path("f/0000.png")) << "ab";
  EXPECT_FALSE(DigestOf(Path("f/"), 2));  // a frame is missing
  std::ofstream(Path("f/0001.png")) << "c";
  EXPECT_EQ(DigestOf(Path("f/"), 2)->sha256, SHA256Hex("abc"));
}

}  // namespace
}  // namespace app
