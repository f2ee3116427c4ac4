#include "ui/actions.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/ui/bench.h"

namespace ui {
namespace {

TEST(Actions, IdsAndShortcutsAreTheirOwn) {
  std::set<std::string> ids;
  std::map<std::string, std::string> keys;
  for (const Action& action : Actions()) {
    EXPECT_TRUE(ids.insert(action.id).second) << action.id;
    EXPECT_GT(std::string(action.title).size(), 3u);
    if (action.shortcut.key == 0) continue;
    const std::string text = action.shortcut.Text();
    // L: only one of the two can be done at a time (CompareKeys.LLocksTheWipeElseFaster).
    if (text == "L" && action.id == std::string("compare_lock")) continue;
    EXPECT_TRUE(keys.emplace(text, action.id).second) << text << " is of " << keys[text] << " and " << action.id;
    // A letter alone is text while text is edited.
    const bool is_text = !action.shortcut.ctrl && action.shortcut.key < 256;
    EXPECT_FALSE(is_text && action.while_typing) << action.id;
  }
  EXPECT_EQ(FindAction("generate")->shortcut.Text(), "Ctrl+Enter");
  EXPECT_EQ(FindAction("palette")->shortcut.Text(), "Ctrl+Shift+P");
  EXPECT_EQ(FindAction("no such action"), nullptr);
}

TEST(Actions, EveryOneRunsOrSaysWhyNot) {
  for (const Action& action : Actions()) {
    Bench bench;
    std::vector<Command> out;
    const bool ran = bench.studio.RunAction(action.id, bench.view, out);
    bench.Frames(3);  // whatever it opened draws
    EXPECT_TRUE(ran || out.empty()) << action.id;
  }
}

TEST(Actions, NothingToDoIsSaid) {
  Bench bench;
  std::vector<Command> out;
  EXPECT_FALSE(bench.studio.RunAction("cancel", bench.view, out));
  bench.view.jobs = {SampleJob(4, JobState::kRunning, "x")};
  EXPECT_TRUE(bench.studio.RunAction("cancel", bench.view, out));
  ASSERT_EQ(Only<CancelJob>(out).size(), 1u);
  EXPECT_EQ(Only<CancelJob>(out)[0].id, 4u);
}

TEST(Palette, FindsAndRuns) {
  Bench bench;
  bench.Frame({{'P', true, true}});
  bench.Frames(3);
  ASSERT_TRUE(bench.Has("palette"));
  bench.Type("libr");
  bench.Frame({{kKeyEnter}});
  bench.Frames(2);
  EXPECT_EQ(bench.studio.state().workspace, Workspace::kLibrary);
  EXPECT_FALSE(bench.Has("palette"));
}

TEST(Palette, ArrowsChooseAndEscapeLeaves) {
  Bench bench;
  bench.Frame({{'P', true, true}});
  bench.Frames(3);
  bench.Type("mode dense");  // "Mode dense", "Mode dense in 8 bits" and "Next mode: dense, …"
  bench.Frame({{kKeyDown}});
  bench.Frame({{kKeyUp}});
  bench.Frame({{kKeyDown}});
  bench.Frame({{kKeyEnter}});
  const auto set = Only<SetSetting>(bench.all);
  ASSERT_EQ(set.size(), 1u);
  EXPECT_EQ(set[0].value, "dense8") << "titles with these very words come first";
  bench.Frame({{'P', true, true}});
  bench.Frames(3);
  bench.Frame({{kKeyEscape}});
  bench.Frames(2);
  EXPECT_FALSE(bench.Has("palette"));
}

TEST(Palette, TakesTheKeyboardForItself) {
  Bench bench;
  bench.Frame({{'P', true, true}});
  bench.Frames(3);
  EXPECT_TRUE(Only<Generate>(bench.Frame({{kKeyEnter, true}})).empty());
}

TEST(Palette, DoesNotRunWhatCannotBeDone) {
  Bench bench;
  bench.Frame({{'P', true, true}});
  bench.Frames(3);
  bench.Type("cancel the clip");
  bench.Frame({{kKeyEnter}});
  EXPECT_TRUE(Only<CancelJob>(bench.all).empty());
}

TEST(Shortcuts, HeldEscapeCancelsOnce) {
  Bench bench;
  bench.view.jobs = {SampleJob(4, JobState::kRunning, "x")};
  ImGui::GetIO().KeysDown[ImGuiKey_Escape] = true;
  bench.Frames(10);
  EXPECT_TRUE(Only<CancelJob>(bench.all).empty()) << "a short press cancels nothing";
  bench.Frames(120);
  EXPECT_EQ(Only<CancelJob>(bench.all).size(), 1u);
  ImGui::GetIO().KeysDown[ImGuiKey_Escape] = false;
  bench.Frames(2);
}

}  // namespace
}  // namespace ui
