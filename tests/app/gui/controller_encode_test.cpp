#include <gtest/gtest.h>

#include "pipeline/media/media.h"
#include "pipeline/weights/safetensors.h"
#include "tests/app/gui/controller_fixture.h"

// Clips of the library in another encoding: what is planned, what the worker is asked for, what becomes of the queue.
namespace app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ui::JobState;

class ControllerEncode : public ControllerTest {
 protected:
  void SetUp() override {
    ControllerTest::SetUp();
    fs::create_directories(Path("out"));
    const json record = {{"schema", 1}, {"hash", "77"}, {"job", {{"prompt", "a ball"}, {"model", model_}}}};
    pipeline::HostTensor frames{{4, 32, 48, 3}, std::vector<float>(4 * 32 * 48 * 3, 0.5f)};
    pipeline::VideoOptions options;
    options.comment = record.dump();
    pipeline::NoProgress quiet;
    pipeline::WriteMedia(Path("out/a.mp4"), pipeline::ViewOf(frames), options, quiet);
    std::ofstream(Path("out/a.json")) << record;
    controller_->saved().ui.workspace = ui::Workspace::kLibrary;
    controller_->OpenAll({Path("out")});
    ASSERT_TRUE(TickUntil([&] { return view().library.items && view().library.items->size() == 1; }));
    id_ = view().library.items->at(0).id;
  }
  void WriteLatents(const std::string& hash) {
    const pipeline::HostTensor latents{{1, 1, 2, 2}, {1, 2, 3, 4}};
    pipeline::WriteSafetensors(Path("out/a.latents.safetensors"), {{"latents", &latents}},
                               {{"sparge", json{{"schema", 1}, {"hash", hash}, {"job", json::object()}}.dump()}});
  }
  ui::LibraryEncodePlan Plan(const std::string& extension, bool from_clip) {
    controller_->Handle(ui::LibraryCommand(ui::LibraryPlanEncode{id_, extension, from_clip}));
    EXPECT_TRUE(TickUntil([&] { return view().library.encode && view().library.encode->extension == extension; }));
    return view().library.encode.value_or(ui::LibraryEncodePlan());
  }
  uint64_t Encode(const std::string& out, bool from_clip) {
    controller_->Handle(ui::LibraryCommand(ui::LibraryEncode{id_, Path(out), from_clip}));
    Tick();
    return view().jobs.back().id;
  }
  void Set(const char* key, const char* value) {
    controller_->Handle(ui::SetSetting{key, value});
    Tick();
  }

  uint64_t id_ = 0;
};

TEST_F(ControllerEncode, ThePlanSaysFromWhatAndWhyNot) {
  ui::LibraryEncodePlan plan = Plan("mp4", false);
  EXPECT_TRUE(plan.from_clip);
  EXPECT_NE(plan.why_not_latents.find("No latents are kept"), std::string::npos);
  EXPECT_EQ(plan.out, Path("out/a_again.mp4"));
  EXPECT_EQ(plan.why_not, "");
  WriteLatents("78");
  EXPECT_NE(Plan("mkv", false).why_not_latents.find("another job"), std::string::npos);
  WriteLatents("77");
  plan = Plan("webm", false);
  EXPECT_FALSE(plan.from_clip);
  EXPECT_EQ(plan.why_not_latents, "");
  EXPECT_TRUE(Plan("mov", true).from_clip) << "where it is asked for";
  Set("encode.codec", "prores");
  EXPECT_NE(Plan("webm", false).why_not.find("prores"), std::string::npos) << "no such codec in that container";
  plan = Plan("mov", false);
  EXPECT_EQ(plan.why_not, "");
  EXPECT_EQ(plan.out, Path("out/a_prores.mov"));
  std::ofstream(Path("out/a_prores.json")) << "{}";
  EXPECT_EQ(Plan("gif", false).why_not.empty(), false);
  EXPECT_EQ(Plan("mov", false).out, Path("out/a_prores_2.mov")) << "nothing is replaced";
  Set("encode.crf", "many");
  EXPECT_NE(Plan("mp4", false).why_not, "");
}

TEST_F(ControllerEncode, TheWorkerIsAskedForFilesNotForARender) {
  Set("encode.codec", "h265");
  Set("encode.crf", "30");
  const uint64_t job = Encode("out/b.mkv", true);
  ASSERT_EQ(worker_->Sent("render").size(), 1u);
  const json asked = worker_->Sent("render")[0];
  EXPECT_EQ(asked["from_clip"], Path("out/a.mp4"));
  EXPECT_EQ(asked["outputs"], json::array({Path("out/b.mkv")}));
  EXPECT_EQ(asked["replace"], false);
  EXPECT_FALSE(asked.contains("from_latents"));
  EXPECT_FALSE(asked.contains("maps"));
  EXPECT_EQ(
      asked["settings"],
      (json{
          {"encode.codec", "h265"}, {"encode.crf", 30}, {"encode.preset", nullptr}, {"encode.pixel_format", nullptr}}));
  Say(job, "progress", {{"stage", "write"}, {"step", 2}, {"total", 4}});
  EXPECT_EQ(Row(job).step, 2);
  Say(job, "output", {{"path", Path("out/b.mkv")}});
  Say(job, "done", {{"seconds", 1.5}});
  EXPECT_EQ(Row(job).state, JobState::kDone);
  Set("fps", "24");
  const uint64_t other = Encode("out/c.mkv", false);
  EXPECT_EQ(worker_->Sent("render")[1]["from_latents"], Path("out/a.latents.safetensors"));
  EXPECT_EQ(worker_->Sent("render")[1]["settings"]["fps"], 24);
  controller_->Handle(ui::CancelJob{other});
  ASSERT_EQ(worker_->Sent("cancel").size(), 1u);
  Say(other, "failed", {{"status", "cancelled"}, {"error", {{"cause", "cancelled"}, {"message", "cancelled"}}}});
  EXPECT_EQ(Row(other).state, JobState::kCancelled);
  controller_->Handle(ui::RetryJob{other});
  Tick();
  EXPECT_EQ(worker_->Sent("render").back()["from_latents"], Path("out/a.latents.safetensors"));
}

TEST_F(ControllerEncode, TheQueueKeepsItApartFromRenders) {
  const uint64_t render = Add();
  const uint64_t again = Encode("out/b.mkv", true);
  EXPECT_EQ(Row(again).state, JobState::kWaiting) << "after what renders";
  controller_->Handle(ui::DuplicateJob{again});
  controller_->Handle(ui::EditJob{again});
  Tick();
  EXPECT_EQ(view().jobs.size(), 2u) << "there are no settings of a render to duplicate or edit";
  EXPECT_EQ(view().Find("prompt")->value, "a sphere");
  controller_->Handle(ui::SaveQueue{Path("saved.yaml")});
  std::ifstream in(Path("saved.yaml"));
  const std::string saved(std::istreambuf_iterator<char>(in), {});
  EXPECT_NE(saved.find("a sphere"), std::string::npos);
  EXPECT_EQ(saved.find("encode"), std::string::npos) << saved;
  controller_->Handle(ui::CancelJob{again});
  Tick();
  ASSERT_EQ(view().jobs.size(), 1u);
  ASSERT_EQ(view().notices.back().action, "Undo");
  controller_->Handle(ui::NoticeAction{view().notices.back().id});
  Tick();
  ASSERT_EQ(view().jobs.size(), 2u);
  Say(render, "done");
  EXPECT_EQ(worker_->Sent("render").back()["from_clip"], Path("out/a.mp4")) << "it came back as what it was";
}

}  // namespace
}  // namespace app
