#include "app/gui/library_desk.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "tests/app/compare/support.h"

namespace app {
namespace {

class LibraryDeskTest : public TempFolderTest {
 protected:
  void SetUp() override {
    TempFolderTest::SetUp();
    setenv("XDG_DATA_HOME", Path("data").c_str(), 1);
  }
  void Start() {
    desk_.reset();
    DeskOptions options;
    options.folder = Path("state");
    options.notify = [this](ui::Level, const std::string& text, const std::string&) { notices_ += text + "\n"; };
    LibraryActions actions;
    actions.play = [this](const std::string& path) { played_ = path; };
    actions.compare = [this](const std::vector<std::string>& paths) { compared_ = paths; };
    actions.finish_dense = [this](const std::string& path) { finished_ = path; };
    actions.offer_undo = [this](const std::string&, std::function<void()> undo) { undo_ = std::move(undo); };
    desk_ = std::make_unique<LibraryDesk>(std::move(options), std::move(actions));
  }
  bool Until(const std::function<bool()>& done) {
    for (int i = 0; i < 6000; ++i) {
      desk_->Tick();
      if (done()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }
  bool Scanned(size_t count) {
    return Until([&] { return !view().scanning && view().num_all == count; });
  }
  const ui::LibraryView& view() { return desk_->view(); }
  const std::vector<ui::LibraryItem>& items() { return *view().items; }
  void WriteSidecar(const std::string& name, const std::string& prompt, const std::string& mode, double seconds) {
    std::ofstream(Path(name)) << nlohmann::json{{"schema", 1},
                                                {"hash", "00"},
                                                {"job", {{"prompt", prompt}, {"attention.mode", mode}, {"seed", 3}}},
                                                {"timings_s", {{"total", seconds}}},
                                                {"attention", {{"sparsity", 0.25}}}};
  }

  std::unique_ptr<LibraryDesk> desk_;
  std::string notices_, played_, finished_;
  std::vector<std::string> compared_;
  std::function<void()> undo_;
};

TEST_F(LibraryDeskTest, FindsSearchesSortsAndKeepsMarks) {
  std::filesystem::create_directories(Path("out"));
  WriteLevels(Path("out/one.mkv"), {10, 20, 30}, 10);
  WriteLevels(Path("out/two.mkv"), {40, 50}, 10);
  WriteLevels(Path("out/plain.mkv"), {60}, 10);
  WriteSidecar("out/one.json", "a Red ball", "sparge", 12);
  WriteSidecar("out/two.json", "a blue cube", "dense", 30);
  Start();
  desk_->AddFolder(Path("out"));
  ASSERT_TRUE(Scanned(3));
  desk_->Handle(ui::LibraryQuery{"red", ui::LibrarySort::kNewest, 0});
  ASSERT_EQ(items().size(), 1u);
  EXPECT_EQ(items()[0].title, "a Red ball");
  EXPECT_EQ(items()[0].seconds, 12);
  EXPECT_EQ(items()[0].skipped, 0.25);
  EXPECT_FALSE(items()[0].dense);
  const uint64_t red = items()[0].id;
  desk_->Handle(ui::LibraryMark{red, ui::Mark::kReject});
  EXPECT_TRUE(items().empty()) << "rejected clips are out of sight";
  desk_->Handle(ui::LibraryQuery{"", ui::LibrarySort::kSeconds, 0});
  ASSERT_EQ(items().size(), 2u);
  EXPECT_EQ(items()[0].title, "a blue cube");
  EXPECT_EQ(items()[1].title, "plain.mkv") << "a clip without metadata";
  Start();  // another session
  ASSERT_TRUE(Scanned(3));
  desk_->Handle(ui::LibraryQuery{"", ui::LibrarySort::kNewest, 2});
  ASSERT_EQ(items().size(), 1u);
  EXPECT_EQ(items()[0].mark, ui::Mark::kReject);
  desk_->Handle(ui::LibraryPlay{items()[0].id});
  EXPECT_EQ(played_, Path("out/one.mkv"));
  desk_->Handle(ui::LibraryFinish{items()[0].id});
  EXPECT_EQ(finished_, Path("out/one.mkv"));
  desk_->Handle(ui::LibraryVisible{{items()[0].id}});
  ASSERT_TRUE(Until([&] { return !view().thumbs.empty(); }));
  EXPECT_EQ(view().thumbs.begin()->second->frames.size(), 3u);
}

TEST_F(LibraryDeskTest, TheTrashTakesWhatLiesBesideAndGivesItBack) {
  std::filesystem::create_directories(Path("out"));
  WriteLevels(Path("out/one.mkv"), {10, 20}, 10);
  WriteSidecar("out/one.json", "a ball", "sparge", 1);
  Start();
  desk_->AddFolder(Path("out"));
  ASSERT_TRUE(Scanned(1));
  desk_->Handle(ui::LibraryTrash{{items()[0].id}});
  EXPECT_FALSE(std::filesystem::exists(Path("out/one.mkv")));
  EXPECT_FALSE(std::filesystem::exists(Path("out/one.json")));
  EXPECT_TRUE(std::filesystem::exists(Path("data/Trash/files/one.mkv")));
  std::ifstream info(Path("data/Trash/info/one.mkv.trashinfo"));
  std::string line;
  std::getline(info, line);
  EXPECT_EQ(line, "[Trash Info]");
  EXPECT_TRUE(items().empty());
  ASSERT_TRUE(undo_);
  undo_();
  EXPECT_TRUE(std::filesystem::exists(Path("out/one.mkv")));
  EXPECT_TRUE(std::filesystem::exists(Path("out/one.json")));
  EXPECT_FALSE(std::filesystem::exists(Path("data/Trash/info/one.mkv.trashinfo")));
  EXPECT_TRUE(Scanned(1)) << notices_;
}

TEST_F(LibraryDeskTest, FiveThousandClips) {
  std::filesystem::create_directories(Path("out"));
  for (int i = 0; i < 5000; ++i) {
    const std::string stem = "out/c" + std::to_string(i);
    std::ofstream(Path(stem + ".mp4")) << "x";
    WriteSidecar(stem + ".json", "clip number " + std::to_string(i), "sparge", i);
  }
  Start();
  desk_->AddFolder(Path("out"));
  ASSERT_TRUE(Scanned(5000));
  const auto start = std::chrono::steady_clock::now();
  desk_->Handle(ui::LibraryQuery{"number 4321", ui::LibrarySort::kSeconds, 0});
  desk_->Tick();
  RecordProperty("search_us", static_cast<int>((std::chrono::steady_clock::now() - start).count() / 1000));
  EXPECT_EQ(items().size(), 1u);
  desk_->Handle(ui::LibraryVisible{{items()[0].id}});
  ASSERT_TRUE(Until([&] { return !view().thumbs.empty(); }));
  EXPECT_NE(view().thumbs.begin()->second->error, "") << "it is no clip, and says so";
}

}  // namespace
}  // namespace app
