#include "ui/draw_changes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace ui {
namespace {

class DrawChangesTest : public testing::Test {
 protected:
  void SetUp() override {
    context_ = ImGui::CreateContext();
    ImGui::GetIO().IniFilename = nullptr;
    ImGui::GetIO().DisplaySize = ImVec2(800, 600);
    ImGui::GetIO().BackendFlags |= ImGuiBackendFlags_RendererHasVtxOffset;
    unsigned char* pixels = nullptr;
    int width = 0, height = 0;
    ImGui::GetIO().Fonts->GetTexDataAsRGBA32(&pixels, &width, &height);
    ImGui::GetIO().Fonts->SetTexID(reinterpret_cast<ImTextureID>(1));
  }
  void TearDown() override { ImGui::DestroyContext(context_); }

  // A window over all with two lines of text and a picture, and a second one.
  std::vector<PixelRect> Frame(const std::string& first, const std::string& second, bool popup = false,
                               ImTextureID painted_over = nullptr) {
    ImGui::NewFrame();
    ImGui::SetNextWindowPos(ImVec2(0, 0));
    ImGui::SetNextWindowSize(ImGui::GetIO().DisplaySize);
    ImGui::Begin("all", nullptr, ImGuiWindowFlags_NoDecoration);
    ImGui::SetCursorScreenPos(ImVec2(100, 100));
    ImGui::TextUnformatted(first.c_str());
    ImGui::SetCursorScreenPos(ImVec2(500, 400));
    ImGui::TextUnformatted(second.c_str());
    ImGui::GetWindowDrawList()->AddImage(Picture(), ImVec2(300, 200), ImVec2(364, 264));
    ImGui::End();
    if (popup) {
      ImGui::SetNextWindowPos(ImVec2(600, 40));
      ImGui::SetNextWindowSize(ImVec2(100, 50));
      ImGui::Begin("small", nullptr, ImGuiWindowFlags_NoDecoration);
      ImGui::End();
    }
    ImGui::Render();
    return changes_.Next(*ImGui::GetDrawData(), [&](ImTextureID texture) { return texture == painted_over; });
  }
  static ImTextureID Picture() { return reinterpret_cast<ImTextureID>(7); }

  static bool Cover(const std::vector<PixelRect>& rects, int x, int y) {
    int times = 0;
    for (const PixelRect& rect : rects) times += x >= rect.x0 && x < rect.x1 && y >= rect.y0 && y < rect.y1;
    EXPECT_LE(times, 1) << "rectangles overlap at " << x << ", " << y;
    return times > 0;
  }
  static int Area(const std::vector<PixelRect>& rects) {
    int area = 0;
    for (const PixelRect& rect : rects) area += (rect.x1 - rect.x0) * (rect.y1 - rect.y0);
    return area;
  }

  ImGuiContext* context_ = nullptr;
  DrawChanges changes_;
};

TEST_F(DrawChangesTest, TheFirstFrameAndAnotherSizeAreAllNew) {
  EXPECT_EQ(Area(Frame("one", "two")), 800 * 600);
  ImGui::GetIO().DisplaySize = ImVec2(810, 600);
  EXPECT_EQ(Area(Frame("one", "two")), 810 * 600);
  changes_.Forget();
  EXPECT_EQ(Area(Frame("one", "two")), 810 * 600);
}

TEST_F(DrawChangesTest, WhatLooksTheSameIsNoChange) {
  Frame("one", "two");
  EXPECT_TRUE(Frame("one", "two").empty());
}

TEST_F(DrawChangesTest, AWordIsAsSmallAsItIs) {
  Frame("12/25", "two");
  const auto same_length = Frame("13/25", "two");
  EXPECT_TRUE(Cover(same_length, 104, 106));
  EXPECT_FALSE(Cover(same_length, 504, 406));
  EXPECT_LE(Area(same_length), 4 * 32 * 32);
  const auto longer = Frame("113/25", "two");
  EXPECT_TRUE(Cover(longer, 104, 106));
  EXPECT_FALSE(Cover(longer, 504, 406));
  const auto both = Frame("113/26", "2");
  EXPECT_TRUE(Cover(both, 104 + 5 * 7, 106));
  EXPECT_TRUE(Cover(both, 504 + 2 * 7, 406)) << "where letters went";
}

TEST_F(DrawChangesTest, WindowsComeAndGo) {
  Frame("one", "two");
  for (const bool there : {true, false}) {
    Frame("one", "two", !there);
    const auto rects = Frame("one", "two", there);
    EXPECT_TRUE(Cover(rects, 650, 60)) << there;
    EXPECT_FALSE(Cover(rects, 104, 106)) << there;
  }
}

TEST_F(DrawChangesTest, APictureThatIsPaintedOverChanges) {
  Frame("one", "two");
  const auto rects = Frame("one", "two", false, Picture());
  EXPECT_TRUE(Cover(rects, 301, 201) && Cover(rects, 363, 263));
  EXPECT_FALSE(Cover(rects, 104, 106));
}

TEST_F(DrawChangesTest, TheFrameIsCutDownToTheChanges) {
  Frame("one", "two");
  const auto rects = Frame("none", "two", true);
  ImDrawData& frame = *ImGui::GetDrawData();
  LimitTo(rects, frame);
  int commands = 0;
  for (int i = 0; i < frame.CmdListsCount; ++i) {
    for (const ImDrawCmd& command : frame.CmdLists[i]->CmdBuffer) {
      ++commands;
      const auto inside = [&](const PixelRect& rect) {
        return command.ClipRect.x >= static_cast<float>(rect.x0) && command.ClipRect.y >= static_cast<float>(rect.y0) &&
               command.ClipRect.z <= static_cast<float>(rect.x1) && command.ClipRect.w <= static_cast<float>(rect.y1);
      };
      EXPECT_TRUE(std::any_of(rects.begin(), rects.end(), inside));
    }
  }
  EXPECT_GT(commands, 1);
}

}  // namespace
}  // namespace ui
