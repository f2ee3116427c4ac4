#include "app/gui/window.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "app/seen/job_record.h"
#include "attention/base/error.h"
#include "pipeline/weights/safetensors.h"
#include "tests/app/gui/window_fixture.h"
#include "tests/app/gui/window_pictures.h"

// What a person does with the window (tests/app/gui/window_fixture.h).
namespace app {
namespace {

using ui::JobState;

TEST_F(WindowTest, FromTheFirstStartToAClip) {
  EXPECT_NE(view().Find("model")->value.find("toybox"), std::string::npos) << "opens on the demo model";
  EXPECT_FALSE(view().Find("prompt")->value.empty()) << "with a prompt ready";
  Small(4);
  Click("prompt");
  X("key ctrl+a");
  X("type 'a green cube spinning on a gray floor'");
  EXPECT_EQ(view().Find("prompt")->value, "a green cube spinning on a gray floor");
  X("key ctrl+Return");
  ASSERT_TRUE(StepUntil([&] { return FirstIs(JobState::kDone); }, 120))
      << (view().jobs.empty() ? "" : view().jobs[0].error);
  ASSERT_TRUE(StepUntil([&] { return view().clip.has_value() && !view().clip->preview; }, 20));
  EXPECT_EQ(view().clip->frames.size(), 5u);
  EXPECT_EQ(view().clip->frames[0].width_px, 64);
  EXPECT_TRUE(view().sparsity.grid.Total().known);
  EXPECT_EQ(view().sparsity.grid.num_steps, 4);
  EXPECT_FALSE(view().sparsity.kernels.empty());
  EXPECT_TRUE(std::filesystem::exists(Path("clip_0.mp4")));
  RecordProperty("longest_gap_ms", static_cast<int>(window_->longest_gap_s() * 1000));
  EXPECT_LT(window_->longest_gap_s(), 1);
  Click("heat/2/1");
  EXPECT_TRUE(studio_->places().count("heads"));
}

// What there is to see while a clip is made: previews, kernels, an audit, the heads of a cell, a head's block map.
TEST_F(WindowTest, WatchesTheSparsity) {
  ASSERT_TRUE(StepUntil([&] { return !view().memory_estimate.empty(); }, 20));
  EXPECT_NE(view().memory_estimate.find("available"), std::string::npos) << view().memory_estimate;
  Small(60);
  controller_->Handle(ui::Generate{});
  ASSERT_TRUE(StepUntil([&] { return FirstIs(JobState::kRunning) && view().jobs[0].step >= 2; }, 120));
  controller_->Handle(ui::AuditStep{});
  ASSERT_TRUE(StepUntil([&] { return view().clip.has_value() && view().clip->preview; }, 120));
  EXPECT_EQ(view().clip->frames.size(), 5u);
  EXPECT_NE(view().clip->badge.find("of 60"), std::string::npos) << view().clip->badge;
  ASSERT_TRUE(StepUntil([&] { return view().sparsity.errors.Total().known(); }, 60));
  EXPECT_GT(view().sparsity.errors.Total().total, 0);
  EXPECT_FALSE(view().sparsity.kernels.empty());
  EXPECT_TRUE(view().sparsity.share_of_time.has_value());
  Click("heat/8/1");
  ASSERT_TRUE(studio_->places().count("heads/0/1"));
  Click("heads/0/1");
  ASSERT_TRUE(StepUntil([&] { return view().sparsity.map && view().sparsity.map->cells; }, 30))
      << (view().sparsity.map ? view().sparsity.map->note : "no map was asked for");
  EXPECT_EQ(view().sparsity.map->step, 8);
  EXPECT_EQ(view().sparsity.map->layer, 1);
  EXPECT_GT(view().sparsity.map->kept, 0);
  ASSERT_TRUE(StepUntil([&] { return FirstIs(JobState::kDone); }, 120)) << view().jobs[0].error;
  EXPECT_LT(window_->longest_gap_s(), 1);
}

TEST_F(WindowTest, ToggleCancelPauseResumeAndRestart) {
  Small(100);
  X("mousemove 640 400");
  X("key Escape");
  X("key ctrl+Return");
  ASSERT_TRUE(StepUntil([&] { return FirstIs(JobState::kRunning) && view().jobs[0].stage == "denoise"; }, 60));
  X("key t");  // sparge → dense, from the next step on
  ASSERT_TRUE(StepUntil([&] { return view().jobs[0].step >= 20; }, 60));
  X("key ctrl+p");
  ASSERT_TRUE(StepUntil([&] { return FirstIs(JobState::kPaused); }, 60));
  EXPECT_FALSE(std::filesystem::exists(Path("clip_0.mp4")));
  Start();  // another session: the queue is there, and still paused
  ASSERT_EQ(view().jobs.size(), 1u);
  EXPECT_TRUE(view().paused);
  X("mousemove 640 400");
  X("key ctrl+p");
  ASSERT_TRUE(StepUntil([&] { return FirstIs(JobState::kDone) || FirstIs(JobState::kFailed); }, 120));
  ASSERT_EQ(view().jobs[0].error, "");
  const ui::SkipGrid& grid = view().sparsity.grid;
  ASSERT_EQ(grid.num_steps, 100);
  EXPECT_TRUE(grid.Layer(1, 0).known && grid.Layer(99, 0).known) << "steps of both sessions";
  // Cancelled by holding Esc.
  controller_->Handle(ui::SetSetting{"seed", "7"});
  X("key ctrl+Return");
  ASSERT_TRUE(StepUntil([&] { return view().jobs.size() == 2 && view().jobs[1].stage == "denoise"; }, 60));
  X("keydown Escape");
  StepFor(1);
  X("keyup Escape");
  ASSERT_TRUE(StepUntil([&] { return view().jobs[1].state == JobState::kCancelled; }, 30));
  EXPECT_FALSE(std::filesystem::exists(Path("clip_7.mp4")));
}

TEST_F(WindowTest, AClipThatWasChangedOnTheWayRendersAgainToTheSameBits) {
  Small(60);
  X("mousemove 640 400");
  X("key Escape");
  X("key ctrl+Return");
  ASSERT_TRUE(StepUntil([&] { return FirstIs(JobState::kRunning) && view().jobs[0].step >= 3; }, 60));
  X("key t");  // sparge → dense
  ASSERT_TRUE(StepUntil([&] { return FirstIs(JobState::kDone) || FirstIs(JobState::kFailed); }, 120));
  ASSERT_EQ(view().jobs[0].error, "");
  const nlohmann::json sidecar = ReadSidecar(Path("clip_0.json"));
  ASSERT_TRUE(sidecar["job"]["attention.schedule"].is_array()) << "the change is part of the job: " << sidecar["job"];
  const std::string again = "env OMP_NUM_THREADS= " SPARGE_BINARY_DIR "/bin/sparge render " + Path("clip_0.mp4") +
                            " --set out=" + Path("again.mp4") + " > " + Path("log") + " 2>&1";
  std::ifstream log(Path("log"));
  ASSERT_EQ(std::system(again.c_str()), 0) << std::string(std::istreambuf_iterator<char>(log), {});
  const auto first = pipeline::SafetensorsFile::Open(Path("clip_0.latents.safetensors"));
  const auto second = pipeline::SafetensorsFile::Open(Path("again.latents.safetensors"));
  const pipeline::TensorEntry a = first->tensors().at("latents"), b = second->tensors().at("latents");
  ASSERT_EQ(a.bytes, b.bytes);
  EXPECT_EQ(std::memcmp(a.data, b.data, a.bytes), 0);
}

TEST_F(WindowTest, FoldersAreDroppedOnIt) {
  const auto drop = [&](const std::string& path) {
    const std::string command = SPARGE_BINARY_DIR "/bin/x_drop 'Sparge Studio' '" + path + "' && echo yes > " +
                                Path("dropped") + " || echo no > " + Path("dropped");
    std::filesystem::remove(Path("dropped"));
    ASSERT_EQ(std::system(("(" + command + ") &").c_str()), 0);
    ASSERT_TRUE(StepUntil([&] { return std::filesystem::exists(Path("dropped")); }, 30));
    StepFor(0.3);
    std::string said;
    std::ifstream(Path("dropped")) >> said;
    EXPECT_EQ(said, "yes") << "the window takes what is dropped";
  };
  const std::string demo = view().Find("model")->value;
  std::filesystem::create_directories(Path("a broken model"));
  std::ofstream(Path("a broken model/model_index.json")) << "{ no JSON";
  drop(Path("a broken model"));
  ASSERT_FALSE(view().notices.empty());
  EXPECT_NE(view().notices.back().text.find("a broken model/model_index.json"), std::string::npos)
      << view().notices.back().text;
  EXPECT_EQ(view().Find("model")->value, demo) << "the model stays";
  std::filesystem::create_directory_symlink(demo, Path("мій model #1 100%"));
  drop(Path("мій model #1 100%"));
  EXPECT_EQ(view().Find("model")->value, Path("мій model #1 100%"));
  EXPECT_EQ(view().why_not.generate, "");
}

// A few screens against references (window_pictures.h says how those are made).
TEST_F(WindowTest, LooksAsItDid) {
  fake_ = std::make_shared<FakeWorker>();
  Start();
  X("mousemove 640 780");
  const auto looks = [&](const std::string& name) {
    StepFor(0.2);
    EXPECT_EQ(DifferenceFromReference(window_->Picture(*controller_, *studio_), name), "") << name;
  };
  looks("first_start");
  controller_->Handle(ui::SetSetting{"steps", "8"});
  controller_->Handle(ui::Generate{});
  StepFor(0.2);
  ASSERT_EQ(view().jobs.size(), 1u);
  const uint64_t id = view().jobs[0].id;
  const int layers = view().model.num_layers, heads = view().model.num_heads;
  for (int step = 0; step < 5; ++step) {
    nlohmann::json calls = nlohmann::json::array();
    for (int layer = 0; layer < layers; ++layer) {
      calls.push_back({{"layer", layer},
                       {"kind", "self"},
                       {"pass", "cond"},
                       {"visible_blocks", std::vector<int>(static_cast<size_t>(heads), 100)},
                       {"kept_blocks", std::vector<int>(static_cast<size_t>(heads), 100 - 10 * step - 4 * layer)},
                       {"ms", 10.0 - step}});
    }
    fake_->Say({{"id", id}, {"event", "progress"}, {"stage", "denoise"}, {"step", step + 1}, {"total", 8}});
    fake_->Say({{"id", id},
                {"event", "stats"},
                {"step", step},
                {"seconds", 0.2},
                {"attention_seconds", 0.1},
                {"kernels", {{"avx512_vnni_bf16", 16 * (step + 1)}}},
                {"layers", calls}});
  }
  const int side = 64, frames = 2;
  std::string pixels;
  for (int i = 0; i < frames * side * side; ++i)
    for (const int value : {i % side * 4, i / side % side * 4, 128}) pixels += static_cast<char>(value);
  std::ofstream(Path("p"), std::ios::binary) << pixels;
  fake_->Say({{"id", id},
              {"event", "preview"},
              {"step", 4},
              {"path", Path("p")},
              {"width", side},
              {"height", side},
              {"frames", frames},
              {"format", "rgb24"}});
  ASSERT_TRUE(StepUntil([&] { return view().clip.has_value(); }, 20));
  looks("rendering");
  std::vector<ui::Command> commands;
  ASSERT_TRUE(studio_->RunAction("theme", view(), commands));
  ASSERT_TRUE(studio_->RunAction("palette", view(), commands));
  looks("palette_light");
}

TEST_F(WindowTest, AnySizeAndAgainAndAgain) {
  const auto resize = [&](int width, int height) {
    X("search --onlyvisible --name 'Sparge Studio' windowsize --sync " + std::to_string(width) + " " +
      std::to_string(height));
    StepFor(0.2);
    EXPECT_EQ(window_->width(), width);
    EXPECT_EQ(window_->height(), height);
  };
  resize(1, 1);
  resize(3840, 2160);
  resize(900, 500);
  Small(60);
  controller_->Handle(ui::Generate{});
  ASSERT_TRUE(StepUntil([&] { return FirstIs(JobState::kRunning); }, 30));
  for (int i = 0; i < 3; ++i) {
    window_->Recreate();
    StepFor(0.2);
  }
  EXPECT_TRUE(StepUntil([&] { return FirstIs(JobState::kDone); }, 120)) << "the job does not notice";
}

TEST_F(WindowTest, ThePaletteByKeyboardAlone) {
  X("mousemove 640 400");
  X("key ctrl+shift+p");
  EXPECT_TRUE(studio_->places().count("palette"));
  X("type 'light or'");
  X("key Return");
  EXPECT_FALSE(studio_->state().dark);
  X("key ctrl+3");
  EXPECT_EQ(studio_->state().workspace, ui::Workspace::kLibrary);
}

TEST_F(WindowTest, IdlesWhenNothingHappens) {
  X("mousemove 640 400");
  controller_->Handle(ui::SetSetting{"prompt", ""});  // no glowing button
  StepFor(1.5);
  const int64_t before = window_->frames();
  StepFor(3);
  EXPECT_LE(window_->frames() - before, 60) << "the glow of an empty queue alone may move";
}

TEST(WindowWithoutADisplay, SaysSoInOneLine) {
  unsetenv("DISPLAY");
  unsetenv("WAYLAND_DISPLAY");
  try {
    const Window window({});
    FAIL() << "there is no display";
  } catch (const base::Error& error) {
    const std::string text = error.what();
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    EXPECT_NE(text.find("sparge render"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace app
