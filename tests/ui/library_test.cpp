#include <gtest/gtest.h>

#include <string>

#include "tests/ui/bench.h"
#include "ui/compare/drop.h"

// The workspace Library as panels: what they ask for.
namespace ui {
namespace {

class LibraryPanelTest : public testing::Test {
 protected:
  void SetUp() override {
    auto items = std::make_shared<std::vector<LibraryItem>>();
    for (uint64_t i = 1; i <= 6; ++i) {
      LibraryItem item;
      item.id = i;
      item.path = "/out/c" + std::to_string(i) + ".mp4";
      item.title = "clip " + std::to_string(i);
      item.seconds = 12.34;
      item.skipped = 0.25;
      item.has_job = true;
      items->push_back(item);
    }
    items->at(0).mate = 2;
    items->at(1).mate = 1;
    items->at(1).dense = true;
    bench_.view.library.items = items;
    bench_.view.library.num_all = 6;
    bench_.Frame({{'3', true}});
    bench_.Frames(3);
    bench_.all.clear();
  }
  // The last command of a kind.
  template <class T>
  T Last() {
    for (size_t i = bench_.all.size(); i-- > 0;) {
      const auto* library = std::get_if<LibraryCommand>(&bench_.all[i]);
      if (library == nullptr) continue;
      if (const T* one = std::get_if<T>(library)) return *one;
    }
    ADD_FAILURE() << "it was not asked for";
    return {};
  }
  std::string Copied() {
    const char* text = ImGui::GetClipboardText();
    return text == nullptr ? "" : text;
  }
  void CtrlClick(const std::string& place) {
    ImGui::GetIO().KeyCtrl = true;
    bench_.Click(place);
    ImGui::GetIO().KeyCtrl = false;
  }

  Bench bench_;
};

TEST_F(LibraryPanelTest, NumbersAreCopiedByAClick) {
  ImGui::SetClipboardText("");
  bench_.Click("clip_of_library/2/seconds");
  EXPECT_EQ(Copied(), "12.3 s");
  bench_.Click("clip_of_library/2/skipped");
  EXPECT_EQ(Copied(), "25 % skipped");
  bench_.Click("library/count");
  EXPECT_EQ(Copied(), "6 clips");
  bench_.Click("clip_of_library/2");
  EXPECT_EQ(Last<LibraryLook>().id, 3u);
  bench_.view.library.facts = {3, {{"render", "12.34 s", "what it means"}, {"seed", "7", "a setting"}}, "", ""};
  bench_.Frames(2);
  bench_.Click("library/fact/render");
  EXPECT_EQ(Copied(), "12.34 s");
  bench_.Click("library/path");
  EXPECT_EQ(Copied(), "/out/c3.mp4");
}

TEST_F(LibraryPanelTest, KeysMarkPlayAndTrash) {
  bench_.Frame({{'K'}});
  EXPECT_TRUE(Only<LibraryCommand>(bench_.all).empty()) << "nothing is chosen";
  bench_.Click("clip_of_library/0");
  CtrlClick("clip_of_library/3");
  bench_.Frame({{'K'}});
  EXPECT_EQ(Last<LibraryMark>().ids, (std::vector<uint64_t>{1, 4}));
  EXPECT_EQ(Last<LibraryMark>().mark, Mark::kKeep);
  bench_.Frame({{'X'}});
  EXPECT_EQ(Last<LibraryMark>().mark, Mark::kReject);
  bench_.Frame({{kKeyEnter}});
  EXPECT_EQ(Last<LibraryPlay>().id, 4u);
  bench_.view.jobs = {SampleJob(9, JobState::kDone, "x")};
  bench_.view.shown_job = 9;
  bench_.Frame({{kKeyDelete}});
  EXPECT_EQ(Last<LibraryTrash>().ids, (std::vector<uint64_t>{1, 4}));
  EXPECT_TRUE(Only<CancelJob>(bench_.all).empty()) << "the queue's clip stays";
}

TEST_F(LibraryPanelTest, ShiftTakesAllBetween) {
  bench_.Click("clip_of_library/1");
  ImGui::GetIO().KeyShift = true;
  bench_.Click("clip_of_library/4");
  ImGui::GetIO().KeyShift = false;
  bench_.Frame({{kKeyDelete}});
  EXPECT_EQ(Last<LibraryTrash>().ids.size(), 4u);
}

TEST_F(LibraryPanelTest, OneClickComparesWithTheSameNoise) {
  bench_.Click("clip_of_library/0/mate");
  EXPECT_EQ(Last<LibraryCompare>().ids, (std::vector<uint64_t>{2, 1})) << "dense is the reference";
  bench_.Click("clip_of_library/1/mate");
  EXPECT_EQ(Last<LibraryCompare>().ids, (std::vector<uint64_t>{2, 1}));
  EXPECT_FALSE(bench_.Has("clip_of_library/2/mate"));
}

TEST_F(LibraryPanelTest, ACardIsDragged) {
  bench_.Click("clip_of_library/0");
  CtrlClick("clip_of_library/2");
  bench_.Hover("clip_of_library/2");
  ImGuiIO& io = ImGui::GetIO();
  io.MouseDown[0] = true;
  bench_.Frame();
  io.MousePos = ImVec2(io.MousePos.x + 60, io.MousePos.y + 40);
  bench_.Frames(2);
  const ImGuiPayload* payload = ImGui::GetDragDropPayload();
  ASSERT_NE(payload, nullptr);
  EXPECT_STREQ(payload->DataType, kClipPayload);
  EXPECT_EQ(std::string(static_cast<const char*>(payload->Data), static_cast<size_t>(payload->DataSize)),
            std::string("/out/c1.mp4\0/out/c3.mp4", 23));
  io.MouseDown[0] = false;
  bench_.Frames(2);
}

TEST_F(LibraryPanelTest, EncodeAgainAsksForAPlanAndGoes) {
  bench_.Click("clip_of_library/3");
  bench_.Click("library/encode");
  EXPECT_EQ(Last<LibraryPlanEncode>().id, 4u);
  EXPECT_EQ(Last<LibraryPlanEncode>().extension, "mp4");
  LibraryEncodePlan plan;
  plan.id = 4;
  plan.extension = "mp4";
  plan.out = "/out/c4_h264.mp4";
  bench_.view.library.encode = plan;
  bench_.Frames(2);
  bench_.all.clear();
  bench_.Click("encode/container/webm");
  EXPECT_EQ(Last<LibraryPlanEncode>().extension, "webm");
  plan.extension = "webm";
  plan.out = "/out/c4_vp9.webm";
  plan.why_not = "no such codec";
  bench_.view.library.encode = plan;
  bench_.Frames(2);
  bench_.all.clear();
  bench_.Click("encode/go");
  EXPECT_TRUE(Only<LibraryCommand>(bench_.all).empty()) << "it says why it cannot be done";
  bench_.view.library.encode->why_not.clear();
  bench_.Frames(2);
  bench_.Click("encode/go");
  EXPECT_EQ(Last<LibraryEncode>().out, "/out/c4_vp9.webm");
  EXPECT_FALSE(Last<LibraryEncode>().from_clip);
  EXPECT_FALSE(bench_.Has("encode/go")) << "it is closed";
}

}  // namespace
}  // namespace ui
