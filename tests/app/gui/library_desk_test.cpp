#include "app/gui/library_desk.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "app/gui/library_cache.h"
#include "tests/app/compare/support.h"

namespace app {
namespace {

class LibraryDeskTest : public TempFolderTest {
 protected:
  void SetUp() override {
    TempFolderTest::SetUp();
    setenv("XDG_DATA_HOME", Path("data").c_str(), 1);
    setenv("XDG_CACHE_HOME", Path("cache").c_str(), 1);
  }
  void TearDown() override {
    desk_.reset();  // it writes until then
    TempFolderTest::TearDown();
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
    actions.plan_encode = [](const std::string& path, const ClipFacts& facts, const ui::LibraryPlanEncode& wanted) {
      ui::LibraryEncodePlan plan;
      plan.extension = wanted.extension;
      plan.out = path + "|" + facts.hash + "|" + std::to_string(facts.num_frames);
      return plan;
    };
    actions.encode = [this](const std::string& path, const ui::LibraryEncode& wanted) {
      encoded_ = path + " → " + wanted.out;
    };
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
  std::string notices_, played_, finished_, encoded_;
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
  desk_->Handle(ui::LibraryMark{{red}, ui::Mark::kReject});
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

// One render may leave several clips of one stem: what they share stays with those that stay.
TEST_F(LibraryDeskTest, TheTrashLeavesWhatOtherClipsNeed) {
  std::filesystem::create_directories(Path("out"));
  WriteLevels(Path("out/one.mkv"), {10, 20}, 10);
  std::filesystem::copy_file(Path("out/one.mkv"), Path("out/one.webm"));
  WriteSidecar("out/one.json", "a ball", "sparge", 1);
  Start();
  desk_->AddFolder(Path("out"));
  ASSERT_TRUE(Scanned(2));
  const uint64_t mkv = items()[items()[0].path.ends_with(".mkv") ? 0 : 1].id;
  desk_->Handle(ui::LibraryTrash{{mkv}});
  EXPECT_FALSE(std::filesystem::exists(Path("out/one.mkv")));
  EXPECT_TRUE(std::filesystem::exists(Path("out/one.json")));
}

TEST_F(LibraryDeskTest, FindsTheOtherClipFromTheSameNoise) {
  std::filesystem::create_directories(Path("out/deeper"));
  for (const char* name : {"draft", "dense", "other"}) WriteLevels(Path("out/" + std::string(name) + ".mkv"), {10}, 10);
  WriteSidecar("out/draft.json", "a ball", "sparge", 1);
  WriteSidecar("out/dense.json", "a ball", "dense", 1);
  WriteSidecar("out/other.json", "a cube", "dense", 1);
  Start();
  desk_->AddFolder(Path("out"));
  desk_->AddFolder(Path("out/deeper"));  // a folder in a folder: nothing is listed twice
  WriteLevels(Path("out/deeper/last.mkv"), {10}, 10);
  desk_->Handle(ui::LibraryRescan{});
  ASSERT_TRUE(Scanned(4));
  std::map<std::string, ui::LibraryItem> by_name;
  for (const ui::LibraryItem& item : items()) by_name[std::filesystem::path(item.path).stem()] = item;
  EXPECT_EQ(by_name["draft"].mate, by_name["dense"].id);
  EXPECT_EQ(by_name["dense"].mate, by_name["draft"].id);
  EXPECT_EQ(by_name["other"].mate, 0u);
  EXPECT_EQ(by_name["last"].mate, 0u) << "without a job";
  desk_->Handle(ui::LibraryCompare{{by_name["dense"].id, by_name["draft"].id}});
  EXPECT_EQ(compared_, (std::vector<std::string>{Path("out/dense.mkv"), Path("out/draft.mkv")}));
}

TEST_F(LibraryDeskTest, FramesInAFolderAreOneClip) {
  std::filesystem::create_directories(Path("out"));
  WriteLevels(Path("out/frames/"), {10, 20, 30}, 10);
  WriteSidecar("out/frames.json", "a ball", "sparge", 1);
  Start();
  desk_->AddFolder(Path("out"));
  ASSERT_TRUE(Scanned(1));
  EXPECT_EQ(items()[0].path, Path("out/frames/"));
  EXPECT_EQ(items()[0].title, "a ball");
  desk_->Handle(ui::LibraryVisible{{items()[0].id}});
  ASSERT_TRUE(Until([&] { return !view().thumbs.empty(); }));
  EXPECT_EQ(view().thumbs.begin()->second->frames.size(), 3u);
  desk_->Handle(ui::LibraryTrash{{items()[0].id}});
  EXPECT_FALSE(std::filesystem::exists(Path("out/frames")));
  undo_();
  EXPECT_TRUE(std::filesystem::exists(Path("out/frames/0002.png")));
}

TEST_F(LibraryDeskTest, FactsSayWhatTheyAre) {
  std::filesystem::create_directories(Path("out"));
  WriteLevels(Path("out/one.mkv"), {10, 20, 30}, 10);
  WriteSidecar("out/one.json", "a ball", "sparge", 12);
  Start();
  desk_->AddFolder(Path("out"));
  ASSERT_TRUE(Scanned(1));
  const uint64_t id = items()[0].id;
  desk_->Handle(ui::LibraryPlanEncode{id, "webm", false});
  ASSERT_TRUE(Until([&] { return view().facts.id == id && !view().facts.figures.empty() && view().encode; }));
  std::map<std::string, std::string> texts;
  for (const ui::Figure& figure : view().facts.figures) {
    texts[figure.label] = figure.text;
    EXPECT_GT(figure.definition.size(), 15u) << figure.label;
  }
  EXPECT_EQ(texts["render"], "12.0 s");
  EXPECT_EQ(texts["skipped"], "25.0 %");
  EXPECT_EQ(texts["frames"], "3");
  EXPECT_EQ(texts["rate"], "10 fps");
  EXPECT_EQ(texts["seed"], "3");
  EXPECT_EQ(view().encode->out, Path("out/one.mkv") + "|00|3");
  WriteSidecar("out/one.json", "a ball, later", "sparge", 14);
  desk_->Handle(ui::LibraryRescan{});
  ASSERT_TRUE(Until([&] { return view().facts.figures.size() > 6 && view().facts.figures[6].text == "14.0 s"; }))
      << "a sidecar that came later";
  desk_->Handle(ui::LibraryEncode{id, "x.webm", false});
  EXPECT_EQ(encoded_, Path("out/one.mkv") + " → x.webm");
}

TEST_F(LibraryDeskTest, NoFileManagerIsANotice) {
  std::filesystem::create_directories(Path("out"));
  WriteLevels(Path("out/one.mkv"), {10}, 10);
  Start();
  desk_->AddFolder(Path("out"));
  ASSERT_TRUE(Scanned(1));
  const std::string path = std::getenv("PATH");
  setenv("PATH", Path("nowhere").c_str(), 1);
  desk_->Handle(ui::LibraryOpenFolder{items()[0].id});
  EXPECT_NE(notices_.find("no xdg-open here to show the folder " + Path("out")), std::string::npos) << notices_;
  std::ofstream(Path("xdg-open")) << "#!/bin/sh\nexit 3\n";
  std::filesystem::permissions(Path("xdg-open"), std::filesystem::perms::owner_all);
  setenv("PATH", folder_.c_str(), 1);
  desk_->Handle(ui::LibraryOpenFolder{items()[0].id});
  EXPECT_TRUE(Until([&] { return notices_.find("could not show") != std::string::npos; })) << notices_;
  setenv("PATH", path.c_str(), 1);
}

// What the last session knew is there at once; only what changed since is read again.
TEST_F(LibraryDeskTest, TheNextStartKnowsTheClips) {
  std::filesystem::create_directories(Path("out"));
  for (const char* name : {"a", "b", "c"}) {
    WriteLevels(Path("out/" + std::string(name) + ".mkv"), {10}, 10);
    WriteSidecar("out/" + std::string(name) + ".json", "clip " + std::string(name), "sparge", 1);
  }
  Start();
  desk_->AddFolder(Path("out"));
  ASSERT_TRUE(Scanned(3));
  desk_.reset();
  const std::string cache = Path("cache/sparge/library.json");
  ASSERT_EQ(ReadLibraryCache(cache).size(), 3u);
  std::filesystem::remove(Path("out/a.mkv"));
  WriteSidecar("out/b.json", "clip B, now longer", "dense", 2);
  // Said of c in the cache alone: who reads the file again would not see it.
  std::vector<LibraryEntry> entries;
  for (auto& [path, entry] : ReadLibraryCache(cache)) {
    if (path.ends_with("c.mkv")) entry.item.title = "from the cache";
    entries.push_back(entry);
  }
  WriteLibraryCache(cache, entries);
  Start();
  ASSERT_TRUE(Until([&] { return view().num_all == 3 || !view().scanning; }));
  ASSERT_TRUE(Scanned(2));
  desk_->Handle(ui::LibraryQuery{"", ui::LibrarySort::kPrompt, 0});
  EXPECT_EQ(items()[0].title, "clip B, now longer");
  EXPECT_TRUE(items()[0].dense);
  EXPECT_EQ(items()[1].title, "from the cache");
  desk_.reset();
  // Another window with another folder leaves it what it knows, but for what is gone.
  std::filesystem::remove(Path("out/b.mkv"));
  std::filesystem::remove_all(Path("state"));
  std::filesystem::create_directories(Path("other"));
  WriteLevels(Path("other/d.mkv"), {10}, 10);
  Start();
  desk_->AddFolder(Path("other"));
  ASSERT_TRUE(Scanned(1));
  EXPECT_EQ(items()[0].title, "d.mkv");
  desk_.reset();
  const auto known = ReadLibraryCache(cache);
  EXPECT_EQ(known.size(), 2u);
  EXPECT_TRUE(known.count(Path("out/c.mkv")) && known.count(Path("other/d.mkv")));
}

TEST_F(LibraryDeskTest, ABrokenCacheIsNoError) {
  std::filesystem::create_directories(Path("out"));
  std::filesystem::create_directories(Path("cache/sparge"));
  WriteLevels(Path("out/a.mkv"), {10}, 10);
  const std::string cache = Path("cache/sparge/library.json");
  const std::string row = "[\"" + Path("out/a.mkv") + "\", 1, 2, 3, \"t\", \"d\", 1.5, 0.5, 1, 7]";
  const std::string bad[] = {"",
                             "{",
                             "[1, 2]",
                             "{\"schema\": 1}",
                             "{\"schema\": 99, \"clips\": [" + row + "]}",
                             "{\"schema\": 1, \"clips\": {\"a\": 1}}",
                             "{\"schema\": 1, \"clips\": [[], null, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], " + row + "]}",
                             "{\"schema\": 1, \"clips\": [[\"/etc/passwd\", 1e300, -5, 3, \"t\", \"d\", 1, 1, 1, 1]]}",
                             "{\"schema\": 1, \"clips\": [[\"\\u0000\", 1, 2, 3, \"\xff\", \"d\", 1, 1, 1, 1]]}",
                             std::string(100000, '['),
                             std::string(1000, '\0')};
  for (const std::string& text : bad) {
    desk_.reset();
    std::filesystem::remove_all(Path("state"));
    std::ofstream(cache, std::ios::binary) << text;
    Start();
    desk_->AddFolder(Path("out"));
    ASSERT_TRUE(Scanned(1)) << text.substr(0, 80);
    EXPECT_EQ(items()[0].title, "a.mkv") << text.substr(0, 80);
    EXPECT_EQ(items()[0].seconds, -1) << "what the file says of other sizes and times does not count";
    EXPECT_EQ(notices_, "");
  }
  desk_.reset();
  EXPECT_EQ(ReadLibraryCache(cache).size(), 1u) << "it is written anew";
  std::filesystem::remove(cache);
  std::filesystem::create_directories(cache);  // nobody can write it
  Start();
  ASSERT_TRUE(Scanned(1));
  EXPECT_EQ(notices_, "");
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
