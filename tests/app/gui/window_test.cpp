#include "app/gui/window.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <functional>

#include "app/gui/gui.h"
#include "attention/base/error.h"
#include "tests/app/temp_folder.h"

// A real window on an X server of its own, with the real worker, and a person's input through xdotool.
namespace app {
namespace {

using ui::JobState;
using Clock = std::chrono::steady_clock;

// Xvfb on a display that it chooses.
class XServer {
 public:
  XServer() {
    int ends[2];
    if (pipe(ends) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      const int null = open("/dev/null", O_WRONLY);
      dup2(null, STDOUT_FILENO);
      dup2(null, STDERR_FILENO);
      const std::string fd = std::to_string(ends[1]);
      execlp("Xvfb", "Xvfb", "-displayfd", fd.c_str(), "-screen", "0", "3840x2160x24", "-nolisten", "tcp", nullptr);
      _exit(127);
    }
    close(ends[1]);
    char digits[16] = {};
    for (size_t at = 0; at + 1 < sizeof digits && read(ends[0], digits + at, 1) == 1 && digits[at] != '\n'; ++at) {
    }
    close(ends[0]);
    const int number = std::atoi(digits);
    display_ = digits[0] == 0 ? "" : ":" + std::to_string(number);
  }
  ~XServer() {
    if (pid_ <= 0) return;
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  const std::string& display() const { return display_; }

 private:
  pid_t pid_ = -1;
  std::string display_;
};

class WindowTest : public TempFolderTest {
 protected:
  void SetUp() override {
    TempFolderTest::SetUp();
    ASSERT_FALSE(x_.display().empty()) << "Xvfb did not start: it is in scripts/packages.txt";
    setenv("DISPLAY", x_.display().c_str(), 1);
    setenv("LIBGL_ALWAYS_SOFTWARE", "1", 1);
    setenv("SPARGE_MODELS", SPARGE_SOURCE_DIR "/assets", 1);
    Start();
  }
  void TearDown() override {
    window_.reset();
    controller_.reset();
    TempFolderTest::TearDown();
  }

  void Start() {
    window_.reset();
    controller_.reset();
    ControllerOptions options;
    options.state_folder = Path("state");
    options.start_link = [] { return StartWorkerLink(SPARGE_BINARY_DIR "/bin/sparge"); };
    options.read_jobs = ReadJobsForQueue;
    options.wake = Window::Wake;
    controller_ = std::make_unique<Controller>(std::move(options));
    WindowOptions window;
    window.font = SPARGE_SOURCE_DIR "/assets/fonts/DejaVuSans.ttf";
    window.width = 1280;
    window.height = 800;
    window_ = std::make_unique<Window>(window);
    studio_ = std::make_unique<ui::Studio>(controller_->saved().ui);
    StepFor(0.3);
  }

  bool StepUntil(const std::function<bool()>& done, double timeout_s) {
    const auto end = Clock::now() + std::chrono::duration<double>(timeout_s);
    while (!done()) {
      if (Clock::now() > end) return false;
      window_->Step(*controller_, *studio_);
    }
    return true;
  }
  void StepFor(double seconds) {
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    StepUntil([&] { return Clock::now() >= end; }, seconds + 60);
  }

  void X(const std::string& arguments) {
    ASSERT_EQ(std::system(("xdotool " + arguments).c_str()), 0) << arguments;
    StepFor(0.25);
  }
  void Point(const std::string& place) {
    const auto it = studio_->places().find(place);
    ASSERT_NE(it, studio_->places().end()) << place;
    X("mousemove " + std::to_string(static_cast<int>((it->second.x0 + it->second.x1) / 2)) + " " +
      std::to_string(static_cast<int>((it->second.y0 + it->second.y1) / 2)));
  }
  void Click(const std::string& place) {
    Point(place);
    X("click 1");
  }

  // Small and quick, `steps` long.
  void Small(int steps) {
    const std::pair<std::string, std::string> settings[] = {{"width", "64"},
                                                            {"height", "64"},
                                                            {"frames", "5"},
                                                            {"steps", std::to_string(steps)},
                                                            {"out", Path("clip_{seed}.mp4")}};
    for (const auto& [key, value] : settings) controller_->Handle(ui::SetSetting{key, value});
    StepFor(0.1);
    ASSERT_EQ(view().why_not.generate, "");
  }
  const ui::StudioView& view() { return controller_->view(); }
  bool FirstIs(JobState state) { return !view().jobs.empty() && view().jobs[0].state == state; }

  XServer x_;
  std::unique_ptr<Controller> controller_;
  std::unique_ptr<Window> window_;
  std::unique_ptr<ui::Studio> studio_;
};

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
  ASSERT_TRUE(StepUntil([&] { return view().clip.has_value(); }, 20));
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
