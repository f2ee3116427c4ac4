#include "app/gui/controller.h"

#include <gtest/gtest.h>

#include <fstream>

#include "pipeline/weights/safetensors.h"
#include "tests/app/gui/controller_fixture.h"

namespace app {
namespace {

using nlohmann::json;
using ui::JobState;

TEST_F(ControllerTest, OneClipAtATimeGoesToTheWorker) {
  const uint64_t one = Add(), two = Add();
  ASSERT_EQ(worker_->Sent("render").size(), 1u);
  const json render = worker_->Sent("render")[0];
  EXPECT_EQ(render["id"], one);
  EXPECT_EQ(render["settings"]["prompt"], "a sphere");
  EXPECT_EQ(render["settings"]["model"], model_);
  EXPECT_EQ(render["name"], "a sphere");
  EXPECT_EQ(Row(two).state, JobState::kWaiting);
  EXPECT_EQ(view().shown_job, one);
  Say(one, "progress", {{"stage", "denoise"}, {"step", 3}, {"total", 10}, {"s_per_step", 0.5}, {"eta_s", 3.5}});
  EXPECT_EQ(Row(one).step, 3);
  EXPECT_EQ(*Row(one).eta_s, 3.5);
  Say(one, "done", {{"seconds", 5.0}});
  EXPECT_EQ(Row(one).state, JobState::kDone);
  EXPECT_EQ(worker_->Sent("render").size(), 2u);
  EXPECT_EQ(view().shown_job, two) << "the view follows";
}

TEST_F(ControllerTest, SeedsCountUpAndABHasBothModes) {
  controller_->Handle(ui::SetSetting{"seed", "5"});
  controller_->Handle(ui::SetSeeds{false, 2});
  controller_->Handle(ui::Generate{true});
  Tick();
  ASSERT_EQ(view().jobs.size(), 4u);
  controller_->Handle(ui::SaveQueue{Path("all.yaml")});
  std::ifstream in(Path("all.yaml"));
  const std::string text(std::istreambuf_iterator<char>(in), {});
  size_t dense = 0;
  for (size_t at = text.find("attention.mode: \"dense\""); at != std::string::npos;
       at = text.find("attention.mode: \"dense\"", at + 1))
    ++dense;
  EXPECT_EQ(dense, 2u) << text;
  EXPECT_NE(text.find("seed: 5"), std::string::npos);
  EXPECT_NE(text.find("seed: 6"), std::string::npos);
}

TEST_F(ControllerTest, TheDevicesMemoryIsShownWhereThereIsADevice) {
  const auto meter = [&]() -> const ui::Meter* {
    for (const ui::Meter& one : view().meters) {
      if (one.label == "VRAM") return &one;
    }
    return nullptr;
  };
  const uint64_t id = Add();
  Say(id, "progress", {{"stage", "denoise"}, {"step", 0}, {"total", 10}});
  Say(id, "progress", {{"stage", "denoise"}, {"step", 1}, {"total", 10}, {"device_memory", {{"used_bytes", "x"}}}});
  EXPECT_EQ(meter(), nullptr) << "the CPU has none, and nothing is made up";
  const json memory = {{"used_bytes", int64_t{6} << 30}, {"total_bytes", int64_t{24} << 30}};
  Say(id, "progress", {{"stage", "denoise"}, {"step", 2}, {"total", 10}, {"device_memory", memory}});
  ASSERT_NE(meter(), nullptr);
  EXPECT_EQ(meter()->text, "6 of 24 GiB in use");
  EXPECT_EQ(meter()->used / meter()->total, 0.25);
  worker_->Say({{"id", nullptr}, {"event", "worker_died"}, {"error", {{"message", "status 0"}}}});
  Tick();
  ASSERT_NE(meter(), nullptr);
  EXPECT_EQ(meter()->total, 0) << "nobody knows it now";
  EXPECT_EQ(meter()->text, "not known now");
}

TEST_F(ControllerTest, WhatIsWrongIsNotQueued) {
  controller_->Handle(ui::SetSetting{"frames", "32"});
  controller_->Handle(ui::Generate{});
  Tick();
  EXPECT_TRUE(view().jobs.empty());
  EXPECT_FALSE(view().notices.empty());
}

TEST_F(ControllerTest, LiveChangesGoToTheJobAndIntoItsSettings) {
  const uint64_t id = Add();
  controller_->Handle(ui::SetSetting{"attention.topk", "0.3"});
  controller_->Handle(ui::SetSetting{"attention.topk", "0.2"});
  controller_->Handle(ui::SetSetting{"width", "64"});
  Tick();
  const auto sets = worker_->Sent("set");
  ASSERT_EQ(sets.size(), 1u) << "only the last of a drag, and only attention";
  EXPECT_EQ(sets[0]["settings"], (json{{"attention.topk", 0.2}}));
  Say(id, "set", {{"step", 3}, {"rule", {{"steps", "3-9"}, {"topk", 0.2}}}, {"hash", "x"}});
  std::string text;
  TickUntil([&] {
    std::ifstream in(Path("state/queue.yaml"));
    text.assign(std::istreambuf_iterator<char>(in), {});
    return text.find("schedule") != std::string::npos;
  });
  EXPECT_NE(text.find(R"(attention.schedule: [{"steps":"3-9","topk":0.2}])"), std::string::npos) << text;
  controller_->Handle(ui::SetLive{false});
  controller_->Handle(ui::SetSetting{"attention.topk", "0.9"});
  Tick();
  EXPECT_EQ(worker_->Sent("set").size(), 1u);
}

TEST_F(ControllerTest, PauseFreesTheWorkerAndResumeRendersOn) {
  const uint64_t id = Add();
  controller_->Handle(ui::PauseQueue{true});
  Tick();
  EXPECT_EQ(Row(id).state, JobState::kPausing);
  ASSERT_EQ(worker_->Sent("pause").size(), 1u);
  Say(id, "paused");
  ASSERT_EQ(worker_->Sent("cancel").size(), 1u);
  Say(id, "failed", {{"status", "cancelled"}, {"error", {{"cause", "cancelled"}}}});
  EXPECT_EQ(Row(id).state, JobState::kPaused);
  ASSERT_EQ(worker_->Sent("quit").size(), 1u);
  controller_->Handle(ui::PauseQueue{false});
  Tick();
  EXPECT_EQ(worker_->Sent("render").size(), 1u) << "the old worker is still ending";
  worker_->Say({{"id", nullptr}, {"event", "worker_died"}, {"error", {{"message", "status 0"}}}});
  Tick();
  EXPECT_EQ(worker_->Sent("render").size(), 2u);
  EXPECT_EQ(worker_->Sent("render")[0]["settings"], worker_->Sent("render")[1]["settings"]);
  EXPECT_TRUE(view().notices.empty());
}

TEST_F(ControllerTest, CancelRunningAndWaiting) {
  const uint64_t one = Add(), two = Add();
  controller_->Handle(ui::CancelJob{two});
  Tick();
  EXPECT_EQ(view().FindJob(two), nullptr);
  ASSERT_FALSE(view().notices.empty());
  controller_->Handle(ui::NoticeAction{view().notices.back().id});
  Tick();
  EXPECT_EQ(view().jobs.size(), 2u) << "undone";
  controller_->Handle(ui::CancelAll{});
  Say(one, "failed", {{"status", "cancelled"}, {"error", {{"message", "cancelled"}}}});
  EXPECT_EQ(Row(one).state, JobState::kCancelled);
  EXPECT_EQ(view().jobs.size(), 1u);
  controller_->Handle(ui::ClearFinished{});
  Tick();
  EXPECT_TRUE(view().jobs.empty());
}

TEST_F(ControllerTest, AWorkerThatDiesIsTriedOnceMore) {
  const uint64_t id = Add();
  const json death = {{"status", "failed"},
                      {"worker_died", true},
                      {"error", {{"cause", "signal"}, {"message", "the worker died of signal 9"}}}};
  Say(id, "failed", death);
  EXPECT_EQ(worker_->Sent("render").size(), 2u);
  ASSERT_FALSE(view().notices.empty());
  Say(id, "failed", death);
  EXPECT_EQ(Row(id).state, JobState::kFailed);
  EXPECT_EQ(worker_->Sent("render").size(), 2u);
  controller_->Handle(ui::NoticeAction{view().notices.back().id});
  Tick();
  EXPECT_EQ(worker_->Sent("render").size(), 3u) << "try again";
}

TEST_F(ControllerTest, AJobThatFailsLeavesTheOthers) {
  const uint64_t one = Add(), two = Add();
  Say(one, "failed", {{"status", "failed"}, {"error", {{"cause", "io"}, {"message", "disk full"}}}});
  EXPECT_EQ(Row(one).error, "disk full");
  EXPECT_EQ(Row(two).state, JobState::kRunning);
}

TEST_F(ControllerTest, NoWorkerPausesAndLosesNothing) {
  worker_->fails = true;
  const uint64_t id = Add();
  EXPECT_TRUE(view().paused);
  EXPECT_EQ(Row(id).state, JobState::kWaiting);
  worker_->fails = false;
  controller_->Handle(ui::PauseQueue{false});
  Tick();
  EXPECT_EQ(Row(id).state, JobState::kRunning);
}

TEST_F(ControllerTest, TheQueueSurvivesWithoutAGoodbye) {
  Add();
  Add();
  controller_->Handle(ui::SetSetting{"prompt", "another"});
  controller_->Handle(ui::SetSetting{"negative_prompt", "blurry"});
  Add();
  Tick();
  Start();  // as after a crash: nothing was shut down
  Tick();
  ASSERT_EQ(view().jobs.size(), 3u);
  EXPECT_EQ(view().jobs[0].title, "a sphere");
  EXPECT_EQ(view().Find("prompt")->value, "another");
  EXPECT_EQ(view().prompt_history, (std::vector<std::string>{"another", "a sphere"}));
  EXPECT_EQ(view().negative_history, std::vector<std::string>{"blurry"});
  EXPECT_EQ(worker_->Sent("render").back()["name"], "a sphere") << "the same name: it finds its checkpoint";
}

TEST_F(ControllerTest, FinishedClipsDoNotComeBack) {
  const uint64_t id = Add();
  Say(id, "done");
  Start();
  Tick();
  EXPECT_TRUE(view().jobs.empty());
}

TEST_F(ControllerTest, MovingEditingDuplicating) {
  Add();
  const uint64_t two = Add(), three = Add();
  controller_->Handle(ui::MoveJob{three, 1});
  Tick();
  EXPECT_EQ(view().jobs[1].id, three);
  controller_->Handle(ui::MoveJob{three, 99});
  controller_->Handle(ui::SetSetting{"prompt", "other"});
  controller_->Handle(ui::EditJob{two});
  Tick();
  EXPECT_EQ(view().FindJob(two), nullptr);
  EXPECT_EQ(view().Find("prompt")->value, "a sphere");
  controller_->Handle(ui::DuplicateJob{three});
  Tick();
  EXPECT_EQ(view().jobs.size(), 3u);
}

TEST_F(ControllerTest, WhatCannotBeOpenedIsSaid) {
  std::ofstream(Path("broken.yaml")) << "x";
  std::ofstream(Path("text.txt")) << "x";
  std::filesystem::create_directories(Path("empty"));
  size_t notices = 0;
  for (const std::string name : {"nothing", "broken.yaml", "text.txt", "empty"}) {
    controller_->Open(Path(name));
    Tick();
    EXPECT_EQ(view().notices.size(), ++notices) << name;
  }
  EXPECT_EQ(view().Find("model")->value, model_) << "the model stays";
}

TEST_F(ControllerTest, AModelThatVanishesIsANotice) {
  controller_->Handle(ui::SetSetting{"model", Path("gone")});
  Tick();
  EXPECT_NE(view().why_not.generate, "");
  EXPECT_FALSE(view().Find("model")->error.empty());
  controller_->Handle(ui::SetSetting{"model", model_});
  Tick();
  EXPECT_EQ(view().why_not.generate, "");
}

TEST_F(ControllerTest, EventsOfAnyFormAreSurvived) {
  const uint64_t id = Add();
  for (const json& event : std::vector<json>{
           json::object(),
           {{"event", 5}},
           {{"id", "x"}, {"event", "done"}},
           {{"id", 99999}, {"event", "done"}},
           {{"id", id}, {"event", "progress"}, {"stage", 7}, {"step", "x"}, {"total", nullptr}},
           {{"id", id}, {"event", "set"}, {"rule", 5}},
           {{"id", id}, {"event", "output"}, {"path", 3}},
           {{"id", id}, {"event", "preview"}, {"path", "/dev/null"}, {"width", 1e9}, {"height", 4}, {"frames", 2}},
           {{"id", id}, {"event", "preview"}, {"path", Path("no")}, {"width", 4}, {"height", 4}, {"frames", 2}},
           {{"id", id}, {"event", "something new"}}}) {
    worker_->Say(event);
    Tick();
  }
  EXPECT_EQ(Row(id).state, JobState::kRunning);
}

TEST_F(ControllerTest, APreviewIsShownUntilTheClipIsThere) {
  const uint64_t id = Add();
  std::ofstream(Path("p.rgb"), std::ios::binary) << std::string(2 * 4 * 3 * 3, 'x');
  EXPECT_EQ(worker_->Sent("render")[0]["preview"], true);
  Say(id, "progress", {{"stage", "denoise"}, {"step", 3}, {"total", 10}});
  Say(id, "preview", {{"step", 2}, {"path", Path("p.rgb")}, {"width", 4}, {"height", 2}, {"frames", 3}});
  ASSERT_TRUE(TickUntil([&] { return view().clip.has_value(); }));
  EXPECT_EQ(view().clip->badge, "preview, step 3 of 10");
  EXPECT_NEAR(view().clip->fps, 3 / (5 / 8.0), 1e-9) << "the latent frames take as long as the clip's";
  EXPECT_TRUE(view().clip->preview);
  EXPECT_EQ(view().clip->frames.size(), 3u);
  Say(id, "done");
  EXPECT_FALSE(view().clip);
}

TEST_F(ControllerTest, AnAuditIsAskedForOnceAStep) {
  controller_->Handle(ui::AuditStep{});
  EXPECT_TRUE(worker_->sent.empty()) << "nothing renders";
  Tick();
  EXPECT_NE(view().why_not.audit, "");
  const uint64_t id = Add();
  EXPECT_EQ(view().why_not.audit, "");
  controller_->Handle(ui::AuditStep{});
  controller_->Handle(ui::AuditStep{});
  Tick();
  ASSERT_EQ(worker_->Sent("audit").size(), 1u);
  EXPECT_EQ(worker_->Sent("audit")[0]["id"], id);
  EXPECT_NE(view().why_not.audit, "");
  Say(id, "audit",
      {{"step", 4},
       {"calls",
        {{{"step", 4},
          {"layer", 1},
          {"total", {0.1}},
          {"skipping", {0.1}},
          {"eight_bit", {0.0}},
          {"dense8", {0.0}}}}}});
  EXPECT_EQ(view().why_not.audit, "");
  EXPECT_TRUE(view().sparsity.errors.at(4, 1, 0).known());
}

TEST_F(ControllerTest, ABlockMapIsReadFromTheFileOfItsStep) {
  const uint64_t id = Add();
  const std::string folder = worker_->Sent("render")[0]["maps"];
  ASSERT_TRUE(std::filesystem::is_directory(folder));
  const std::vector<uint8_t> map = {1, 0, 0, 1, 1, 1, 1, 1};  // 2 heads, 2 × 2
  pipeline::WriteTensors(folder + "/m.safetensors", {{"block_map", pipeline::DType::kU8, {1, 2, 2, 2}, map.data()}},
                         {{"mode", "sparge"}});
  Say(id, "stats",
      {{"step", 3},
       {"layers", {{{"layer", 1}, {"kind", "self"}, {"visible_blocks", {4, 4}}, {"kept_blocks", {2, 4}}, {"ms", 1.0}}}},
       {"maps",
        {{{"layer", 1}, {"pass", "cond"}, {"path", folder + "/m.safetensors"}},
         {{"layer", 1}, {"pass", "uncond"}, {"path", folder + "/none.safetensors"}},
         {{"layer", "x"}},
         5}}});
  controller_->Handle(ui::ShowMap{3, 1, 0, ""});
  ASSERT_TRUE(TickUntil([&] { return view().sparsity.map && view().sparsity.map->cells; }));
  EXPECT_EQ(view().sparsity.map->kept, 2);
  EXPECT_EQ(view().sparsity.map->passes, (std::vector<std::string>{"cond", "uncond"}));
  controller_->Handle(ui::ShowMap{3, 1, 0, "uncond"});
  ASSERT_TRUE(TickUntil([&] { return view().sparsity.map->note.find("gone") != std::string::npos; }));
  controller_->Handle(ui::ShowMap{3, 0, 0, ""});
  Tick();
  EXPECT_EQ(view().sparsity.map->note, "This step has not run yet.");
  controller_.reset();
  EXPECT_FALSE(std::filesystem::exists(folder)) << "they are only to be looked at";
}

TEST_F(ControllerTest, OnlyTheNewestClipsKeepTheirMaps) {
  std::string first;
  for (int i = 0; i < 6; ++i) {
    const uint64_t id = Add();
    if (i == 0) first = worker_->Sent("render")[0]["maps"];
    Say(id, "done");
  }
  EXPECT_TRUE(TickUntil([&] { return !std::filesystem::exists(first); }));
  EXPECT_TRUE(std::filesystem::exists(worker_->Sent("render")[5]["maps"].get<std::string>()));
}

TEST_F(ControllerTest, ADenseClipIsTheMeasureOfTheNextOne) {
  controller_->Handle(ui::SetSetting{"attention.mode", "dense"});
  const auto stats = [](int kept, double ms) {
    return json{
        {"step", 0},
        {"seconds", 0.1},
        {"attention_seconds", ms / 1e3},
        {"layers", {{{"layer", 0}, {"kind", "self"}, {"visible_blocks", {8}}, {"kept_blocks", {kept}}, {"ms", ms}}}}};
  };
  const uint64_t dense = Add();
  Say(dense, "stats", stats(8, 60));
  Say(dense, "done");
  controller_->Handle(ui::SetSetting{"attention.mode", "sparge"});
  const uint64_t sparse = Add();
  Say(sparse, "stats", stats(4, 10));
  ASSERT_TRUE(view().sparsity.speedup);
  EXPECT_NEAR(*view().sparsity.speedup, 1.5, 1e-9);
}

// One click: the reference first, the same noise, and both in Compare when both are there.
TEST_F(ControllerTest, ABRendersBothAndOpensThemTogether) {
  controller_->Handle(ui::Generate{true});
  Tick();
  ASSERT_EQ(view().jobs.size(), 2u);
  const uint64_t a = view().jobs[0].id, b = view().jobs[1].id;
  const uint64_t before = view().go_count;
  for (const uint64_t id : {a, b}) {
    EXPECT_EQ(view().go_count, before) << "opened before both are there";
    Say(id, "output", {{"path", Path(std::to_string(id) + ".mp4")}, {"bytes", 1}});
    Say(id, "done");
  }
  const auto sent = worker_->Sent("render");
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0]["settings"]["attention.mode"], "dense");
  EXPECT_EQ(sent[0]["settings"].value("seed", json()), sent[1]["settings"].value("seed", json()));
  EXPECT_EQ(view().go_count, before + 1);
  EXPECT_EQ(view().go_to, ui::Workspace::kCompare);
}

TEST_F(ControllerTest, AFolderDroppedOnTheLibraryIsLookedInto) {
  const std::string folder = Path("clips");
  std::filesystem::create_directories(folder);
  controller_->saved().ui.workspace = ui::Workspace::kLibrary;
  controller_->OpenAll({folder});
  Tick();
  EXPECT_EQ(view().library.folders, std::vector<std::string>{folder});
  EXPECT_TRUE(view().notices.empty());
}

}  // namespace
}  // namespace app
