#include "tests/app/gui/window_fixture.h"

#include <chrono>
#include <cstdlib>
#include <thread>

#include "app/gui/gui.h"
#include "pipeline/memory_estimate.h"

namespace app {

using Clock = std::chrono::steady_clock;

void WindowTest::SetUp() {
  TempFolderTest::SetUp();
  ASSERT_FALSE(x_.display().empty()) << "Xvfb did not start: it is in scripts/packages.txt";
  setenv("DISPLAY", x_.display().c_str(), 1);
  setenv("LIBGL_ALWAYS_SOFTWARE", "1", 1);
  setenv("SPARGE_MODELS", SPARGE_SOURCE_DIR "/assets", 1);
  setenv("XDG_CACHE_HOME", Path("cache").c_str(), 1);  // what a preview learns stays here
  Start();
}

void WindowTest::TearDown() {
  window_.reset();
  controller_.reset();
  TempFolderTest::TearDown();
}

void WindowTest::Start() {
  window_.reset();
  controller_.reset();
  ControllerOptions options;
  options.state_folder = Path("state");
  options.start_link = [this]() -> std::unique_ptr<WorkerLink> {
    return fake_ ? LinkTo(fake_) : StartWorkerLink(SPARGE_BINARY_DIR "/bin/sparge");
  };
  options.read_jobs = ReadJobsForQueue;
  options.look_at_machine = pipeline::LookAtMachine;
  options.wake = Window::Wake;
  controller_ = std::make_unique<Controller>(std::move(options));
  WindowOptions window;
  window.font = SPARGE_SOURCE_DIR "/assets/fonts/DejaVuSans.ttf";
  window.width = width_;
  window.height = height_;
  window_ = std::make_unique<Window>(window);
  studio_ = std::make_unique<ui::Studio>(controller_->saved().ui);
  StepFor(0.3);
}

bool WindowTest::StepUntil(const std::function<bool()>& done, double timeout_s) {
  const auto end = Clock::now() + std::chrono::duration<double>(timeout_s);
  while (!done()) {
    if (Clock::now() > end) return false;
    if (wakeful_) {
      Window::Wake();
      std::this_thread::sleep_for(std::chrono::milliseconds(4));
    }
    window_->Step(*controller_, *studio_);
  }
  return true;
}

void WindowTest::StepFor(double seconds) {
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  StepUntil([&] { return Clock::now() >= end; }, seconds + 60);
}

void WindowTest::X(const std::string& arguments) {
  ASSERT_EQ(std::system(("xdotool " + arguments).c_str()), 0) << arguments;
  Settle();
}

void WindowTest::Settle() {
  if (!wakeful_) return StepFor(settle_s_);
  // At least this long; then until nothing was drawn for a while.
  constexpr double kLeastS = 0.08, kStillS = 0.04;
  const auto begin = Clock::now();
  const auto since = [](Clock::time_point then) { return std::chrono::duration<double>(Clock::now() - then).count(); };
  int64_t frames = window_->frames();
  auto drawn = begin;
  StepUntil(
      [&] {
        if (window_->frames() != frames) drawn = Clock::now();
        frames = window_->frames();
        return since(begin) >= kLeastS && (since(drawn) >= kStillS || since(begin) >= settle_s_);
      },
      settle_s_ + 60);
}

void WindowTest::MoveTo(double x, double y) {
  X("mousemove " + std::to_string(static_cast<int>(x)) + " " + std::to_string(static_cast<int>(y)));
}

ui::Rect WindowTest::Place(const std::string& place) const {
  const auto it = studio_->places().find(place);
  if (it != studio_->places().end()) return it->second;
  ADD_FAILURE() << "there is no " << place;
  return {};
}

void WindowTest::Point(const std::string& place) {
  const ui::Rect at = Place(place);
  MoveTo((at.x0 + at.x1) / 2, (at.y0 + at.y1) / 2);
}

void WindowTest::Click(const std::string& place) {
  Point(place);
  X("click 1");
}

void WindowTest::Small(int steps) {
  const std::pair<std::string, std::string> settings[] = {{"width", "64"},
                                                          {"height", "64"},
                                                          {"frames", "5"},
                                                          {"steps", std::to_string(steps)},
                                                          {"out", Path("clip_{seed}.mp4")}};
  for (const auto& [key, value] : settings) controller_->Handle(ui::SetSetting{key, value});
  StepFor(0.1);
  ASSERT_EQ(view().why_not.generate, "");
}

}  // namespace app
