#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <thread>

#include "app/gui/gui.h"
#include "app/gui/window.h"
#include "attention/base/error.h"
#include "tests/app/gui/x_server.h"

// The window's frames while the demo model renders a clip on the same cores, under Xvfb with OpenGL in software.
namespace app {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr double kPatienceS = 600;
constexpr int kWidth = 1440, kHeight = 900;

enum class Hand { kNoWindow, kNobodys, kMoving };

struct Measured {
  double clip_s = 0, seconds = 0;  // as the worker says; of frames
  int64_t frames = 0;
  double longest_gap_s = 0;
};

// A mouse that moves over all panels, 60 times a second.
class Mouse {
 public:
  Mouse() : xdotool_(popen("xdotool -", "we")) {
    base::Check(xdotool_ != nullptr, base::ErrorCode::kUnsupported, "no xdotool: it is in scripts/packages.txt");
  }
  ~Mouse() { pclose(xdotool_); }
  Mouse(const Mouse&) = delete;
  Mouse& operator=(const Mouse&) = delete;

  void Move() {
    const auto now = Clock::now();
    if (now - moved_ < std::chrono::milliseconds(16)) return;
    moved_ = now;
    ++moves_;
    std::fprintf(xdotool_, "mousemove %d %d\n", 40 + moves_ * 7 % (kWidth - 80), 60 + moves_ * 5 % (kHeight - 120));
    std::fflush(xdotool_);
  }

 private:
  FILE* xdotool_;
  Clock::time_point moved_;
  int moves_ = 0;
};

Measured Measure(const fs::path& folder, Hand hand) {
  ControllerOptions options;
  options.state_folder = (folder / "state").string();
  options.start_link = [] { return StartWorkerLink(SPARGE_BINARY_DIR "/bin/sparge"); };
  options.read_jobs = ReadJobsForQueue;
  options.wake = hand == Hand::kNoWindow ? [] {} : Window::Wake;
  Controller controller(std::move(options));
  const std::pair<const char*, std::string> settings[] = {{"width", "128"},     {"height", "128"},
                                                          {"frames", "33"},     {"steps", "16"},
                                                          {"guidance", "4"},    {"out", (folder / "clip.mp4").string()},
                                                          {"overwrite", "true"}};
  for (const auto& [key, value] : settings) controller.Handle(ui::SetSetting{key, value});
  controller.Tick(0);
  base::Check(controller.view().why_not.generate.empty(), base::ErrorCode::kInternal,
              controller.view().why_not.generate);
  std::optional<Window> window;
  std::optional<Mouse> mouse;
  if (hand != Hand::kNoWindow) {
    WindowOptions size;
    size.font = SPARGE_SOURCE_DIR "/assets/fonts/DejaVuSans.ttf";
    size.width = kWidth;
    size.height = kHeight;
    window.emplace(size);
  }
  if (hand == Hand::kMoving) mouse.emplace();
  ui::Studio studio(controller.saved().ui);
  const auto step = [&] {
    if (mouse) mouse->Move();
    if (window) return void(window->Step(controller, studio));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    controller.Tick(std::chrono::duration<double>(Clock::now().time_since_epoch()).count());
  };
  for (int i = 0; window && i < 10; ++i) step();  // what a first frame prepares
  controller.Handle(ui::Generate{});
  controller.Tick(0);
  const auto start = Clock::now(),
             end = start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(kPatienceS));
  const int64_t frames = window ? window->frames() : 0;
  const auto done = [&] {
    const ui::JobState state = controller.view().jobs.at(0).state;
    return state == ui::JobState::kDone || state == ui::JobState::kFailed;
  };
  while (!done() && Clock::now() < end) step();
  const ui::JobRow& job = controller.view().jobs.at(0);
  base::Check(job.state == ui::JobState::kDone, base::ErrorCode::kInternal, "the clip was not rendered: ", job.error);
  Measured measured;
  measured.clip_s = *job.seconds;
  measured.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  if (window) {
    measured.frames = window->frames() - frames;
    measured.longest_gap_s = window->longest_gap_s();
  }
  return measured;
}

void MeasureEach() {
  const XServer x("1600x1000x24");
  base::Check(!x.display().empty(), base::ErrorCode::kUnsupported, "Xvfb did not start: it is in scripts/packages.txt");
  setenv("DISPLAY", x.display().c_str(), 1);
  setenv("LIBGL_ALWAYS_SOFTWARE", "1", 1);
  setenv("SPARGE_MODELS", SPARGE_SOURCE_DIR "/assets", 1);
  const fs::path folder = fs::temp_directory_path() / ("sparge_window_bench_" + std::to_string(getpid()));
  fs::create_directories(folder);
  setenv("XDG_CACHE_HOME", (folder / "cache").c_str(), 1);
  std::printf("window, %d x %d, OpenGL in software, while a clip of 33 frames, 128 x 128 px, 16 steps renders:\n",
              kWidth, kHeight);
  for (const auto& [hand, text] :
       {std::pair(Hand::kNoWindow, "no window"), std::pair(Hand::kNobodys, "nobody's hand on it"),
        std::pair(Hand::kMoving, "the mouse moving over it")}) {
    const Measured measured = Measure(folder, hand);
    std::printf("  %-24s  the clip takes %4.1f s", text, measured.clip_s);
    if (hand != Hand::kNoWindow) {
      std::printf("; %4.1f frames a second, longest wait for one %3.0f ms",
                  static_cast<double>(measured.frames) / measured.seconds, measured.longest_gap_s * 1000);
    }
    std::printf("\n");
    std::fflush(stdout);
  }
  fs::remove_all(folder);
}

}  // namespace
}  // namespace app

int main() {
  try {
    app::MeasureEach();
    return 0;
  } catch (const base::Error& error) {
    std::fprintf(stderr, "window_bench: %s\n", error.what());
    return 2;
  }
}
