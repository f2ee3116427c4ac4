#include "app/gui/user_files.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/app/temp_folder.h"

namespace app {
namespace {

class UserFilesTest : public TempFolderTest {
 protected:
  void Write(const std::string& name, const std::string& text) { std::ofstream(Path(name), std::ios::binary) << text; }
  std::vector<std::string> problems_;
};

SavedJob Tricky() {
  return {"a \"name\": #1",
          {{"model", "/models/toy box"},
           {"prompt", "- ${HOME} $${x} {a: b} # not a comment\ttab \\ \"quotes\" шар 球 🎈"},
           {"seed", -3},
           {"guidance", 2.5},
           {"sidecar", false},
           {"out", {"a b.mp4", "c.png"}},
           {"attention.dense_steps", "0-1,-1"},
           {"attention.schedule", {{{"steps", "0-1"}, {"mode", "dense"}}}}}};
}

TEST_F(UserFilesTest, QueueComesBackAsItWas) {
  UserFiles files(folder_);
  const std::vector<SavedJob> jobs = {Tricky(), {"two", {{"model", "/m"}, {"prompt", "null"}}}};
  files.WriteQueue(jobs);
  files.Finish();
  const std::vector<SavedJob> back = files.ReadQueue(problems_);
  EXPECT_TRUE(problems_.empty()) << problems_[0];
  ASSERT_EQ(back.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(back[i].name, jobs[i].name);
    EXPECT_EQ(Value(back[i].settings), Value(jobs[i].settings));
  }
}

TEST_F(UserFilesTest, AnEmptyQueueIsAFileToo) {
  UserFiles files(folder_);
  files.WriteQueue({});
  files.Finish();
  EXPECT_TRUE(files.ReadQueue(problems_).empty());
  EXPECT_TRUE(problems_.empty());
}

TEST_F(UserFilesTest, ABrokenQueueIsKeptAsideAndSaid) {
  const std::string good = "  - {name: one, model: /m, prompt: x}\n";
  for (const std::string& text :
       {"version: 1\njobs:\n" + good + "  - {name: two, model: /m, prompt: y, steps: many}\n",
        std::string("version: 1\njobs: [\x01\x02"), std::string("\xff\xfe"), std::string("jobs: 7\n")}) {
    problems_.clear();
    UserFiles files(folder_);
    Write("queue.yaml", text);
    const std::vector<SavedJob> jobs = files.ReadQueue(problems_);
    ASSERT_EQ(problems_.size(), 1u) << text;
    EXPECT_NE(problems_[0].find("queue.yaml.broken"), std::string::npos) << problems_[0];
    std::ifstream aside(Path("queue.yaml.broken"), std::ios::binary);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(aside), {}), text);
    const bool has_good = text.find(good) != std::string::npos;
    EXPECT_GE(jobs.size(), has_good ? 1u : 0u) << "what can be read is kept";
  }
}

TEST_F(UserFilesTest, StateComesBack) {
  UserFiles files(folder_);
  SavedState state;
  state.ui.dark = false;
  state.ui.left = 300;
  state.ui.heat_view = ui::HeatView::kTiles;
  state.ui.open_groups = "how;encode;";
  state.width = 800;
  state.form = {{"prompt", "x"}, {"steps", 7}};
  state.prompt_history = {"b", "a"};
  state.negative_history = {"blurry"};
  state.paused = true;
  files.WriteState(state);
  files.Finish();
  const SavedState back = files.ReadState(problems_);
  EXPECT_TRUE(problems_.empty());
  EXPECT_FALSE(back.ui.dark);
  EXPECT_EQ(back.ui.left, 300);
  EXPECT_EQ(back.ui.heat_view, ui::HeatView::kTiles);
  EXPECT_EQ(back.ui.open_groups, "how;encode;");
  EXPECT_EQ(back.width, 800);
  EXPECT_EQ(back.form, state.form);
  EXPECT_EQ(back.prompt_history, state.prompt_history);
  EXPECT_EQ(back.negative_history, state.negative_history);
  EXPECT_TRUE(back.paused);
}

TEST_F(UserFilesTest, StateOfAnyFormIsRead) {
  UserFiles files(folder_);
  Write(
      "gui.json",
      R"({"ui": {"scale": "x", "left": 1e99, "workspace": 1e99}, "width": -5, "form": [1], "prompt_history": {"a": 1}})");
  const SavedState odd = files.ReadState(problems_);
  EXPECT_TRUE(problems_.empty());
  EXPECT_EQ(odd.width, 1);
  EXPECT_EQ(odd.ui.scale, 1);
  Write("gui.json", "{ \"ui\":");
  EXPECT_EQ(files.ReadState(problems_).width, SavedState().width);
  EXPECT_EQ(problems_.size(), 1u);
}

TEST_F(UserFilesTest, ASecondWindowLeavesTheFilesAlone) {
  UserFiles first(folder_);
  UserFiles second(folder_);
  EXPECT_TRUE(first.owned());
  EXPECT_FALSE(second.owned());
  first.WriteQueue({Tricky()});
  second.WriteQueue({});
  first.Finish();
  second.Finish();
  EXPECT_EQ(first.ReadQueue(problems_).size(), 1u);
}

}  // namespace
}  // namespace app
