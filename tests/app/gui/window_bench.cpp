#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

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

void Measure() {
  const XServer x("1600x1000x24");
  base::Check(!x.display().empty(), base::ErrorCode::kUnsupported, "Xvfb did not start: it is in scripts/packages.txt");
  setenv("DISPLAY", x.display().c_str(), 1);
  setenv("LIBGL_ALWAYS_SOFTWARE", "1", 1);
  setenv("SPARGE_MODELS", SPARGE_SOURCE_DIR "/assets", 1);
  const fs::path folder = fs::temp_directory_path() / ("sparge_window_bench_" + std::to_string(getpid()));
  fs::create_directories(folder);
  {
    ControllerOptions options;
    options.state_folder = (folder / "state").string();
    options.start_link = [] { return StartWorkerLink(SPARGE_BINARY_DIR "/bin/sparge"); };
    options.read_jobs = ReadJobsForQueue;
    options.wake = Window::Wake;
    Controller controller(std::move(options));
    WindowOptions size;
    size.font = SPARGE_SOURCE_DIR "/assets/fonts/DejaVuSans.ttf";
    Window window(size);
    ui::Studio studio(controller.saved().ui);
    const std::pair<const char*, std::string> settings[] = {{"width", "128"},  {"height", "128"},
                                                            {"frames", "33"},  {"steps", "16"},
                                                            {"guidance", "4"}, {"out", (folder / "clip.mp4").string()}};
    for (const auto& [key, value] : settings) controller.Handle(ui::SetSetting{key, value});
    controller.Tick(0);
    base::Check(controller.view().why_not.generate.empty(), base::ErrorCode::kInternal,
                controller.view().why_not.generate);
    controller.Handle(ui::Generate{});
    controller.Tick(0);
    const auto end = Clock::now() + std::chrono::duration<double>(kPatienceS);
    const auto done = [&] {
      const ui::JobState state = controller.view().jobs.at(0).state;
      return state == ui::JobState::kDone || state == ui::JobState::kFailed;
    };
    while (!done() && Clock::now() < end) window.Step(controller, studio);
    const ui::JobRow job = controller.view().jobs.at(0);
    base::Check(job.state == ui::JobState::kDone, base::ErrorCode::kInternal, "the clip was not rendered: ", job.error);
    std::printf(
        "window, %d x %d, while a clip of 33 frames, 128 x 128 px, 16 steps renders in %.1f s:\n"
        "  %.1f frames a second, longest gap between two frames %.0f ms\n",
        window.width(), window.height(), *job.seconds, window.busy_frames_a_second(), window.longest_gap_s() * 1000);
  }
  fs::remove_all(folder);
}

}  // namespace
}  // namespace app

int main() {
  try {
    app::Measure();
    return 0;
  } catch (const base::Error& error) {
    std::fprintf(stderr, "window_bench: %s\n", error.what());
    return 2;
  }
}
