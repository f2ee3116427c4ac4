#include "app/gui/window.h"

#include <GLFW/glfw3.h>
#include <backends/imgui_impl_glfw.h>
#include <backends/imgui_impl_opengl3.h>
#include <imgui.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <tuple>
#include <utility>
#include <vector>

#include "app/gui/gl_textures.h"
#include "app/gui/painter.h"
#include "attention/base/error.h"

namespace app {
namespace {

using base::ErrorCode;

constexpr double kIdleWaitS = 0.5;    // nothing moves
constexpr double kFrameS = 1.0 / 62;  // between two frames that move
// The same while a job renders, whose the cores are: with the window in hand, and with nobody's hand on it. Then
// drawing takes no more than this share of the time either, where it is slow.
constexpr double kBusyFrameS = 1.0 / 40, kWatchedFrameS = 1.0 / 20, kMostFrameS = 0.06, kWatchedShare = 0.1;
constexpr double kInHandS = 0.5;  // after the last input
constexpr int kArrows[] = {GLFW_KEY_LEFT, GLFW_KEY_RIGHT, GLFW_KEY_UP, GLFW_KEY_DOWN};
constexpr int kSettlingFrames = 3;  // after input: hovering and layout take a frame or two

int KeyOf(int key) {
  switch (key) {
    case GLFW_KEY_F1:
      return ui::kKeyF1;
    case GLFW_KEY_F6:
      return ui::kKeyF6;
    case GLFW_KEY_MENU:
      return ui::kKeyMenu;
    case GLFW_KEY_ESCAPE:
      return ui::kKeyEscape;
    case GLFW_KEY_ENTER:
    case GLFW_KEY_KP_ENTER:
      return ui::kKeyEnter;
    case GLFW_KEY_TAB:
      return ui::kKeyTab;
    case GLFW_KEY_BACKSPACE:
      return ui::kKeyBackspace;
    case GLFW_KEY_DELETE:
      return ui::kKeyDelete;
    case GLFW_KEY_LEFT:
      return ui::kKeyLeft;
    case GLFW_KEY_RIGHT:
      return ui::kKeyRight;
    case GLFW_KEY_UP:
      return ui::kKeyUp;
    case GLFW_KEY_DOWN:
      return ui::kKeyDown;
    default:
      return key < 128 ? key : 0;  // GLFW's printable keys are ASCII, letters as capitals
  }
}

std::string LastGLFWError() {
  const char* text = nullptr;
  glfwGetError(&text);
  return text != nullptr ? text : "no reason given";
}

}  // namespace

class Window::Impl {
 public:
  explicit Impl(const WindowOptions& options) : options_(options) {
    glfwWindowHint(GLFW_CONTEXT_VERSION_MAJOR, 3);
    glfwWindowHint(GLFW_CONTEXT_VERSION_MINOR, 2);
    glfwWindowHint(GLFW_OPENGL_PROFILE, GLFW_OPENGL_CORE_PROFILE);
    glfwWindowHint(GLFW_SCALE_TO_MONITOR, GLFW_TRUE);  // sizes are those at scale 1
    glfwWindowHint(GLFW_MAXIMIZED, options.maximized ? GLFW_TRUE : GLFW_FALSE);
    window_ = glfwCreateWindow(options.width, options.height, "Sparge Studio", nullptr, nullptr);
    if (window_ == nullptr) {
      base::Fail(ErrorCode::kUnsupported, "no window: ", LastGLFWError(),
                 "; `sparge generate` and `sparge render` need no OpenGL");
    }
    glfwMakeContextCurrent(window_);
    glfwSwapInterval(1);
    glfwSetWindowUserPointer(window_, this);
    glfwSetKeyCallback(
        window_, [](GLFWwindow* window, int key, int, int action, int mods) { Of(window).OnKey(key, action, mods); });
    glfwSetDropCallback(window_, [](GLFWwindow* window, int count, const char** paths) {
      for (int i = 0; i < count; ++i) Of(window).dropped_.emplace_back(paths[i]);
      Of(window).Touch();
    });
    glfwSetWindowRefreshCallback(window_, [](GLFWwindow* window) {
      Of(window).uncovered_ = true;
      Of(window).Touch();
    });
    glfwSetCursorPosCallback(window_, [](GLFWwindow* window, double, double) { Of(window).Touch(); });
    glfwSetMouseButtonCallback(window_, [](GLFWwindow* window, int, int, int) { Of(window).Touch(); });
    glfwSetScrollCallback(window_, [](GLFWwindow* window, double, double) { Of(window).Touch(); });
    glfwSetCharCallback(window_, [](GLFWwindow* window, unsigned) { Of(window).Touch(); });
    glfwSetWindowFocusCallback(window_, [](GLFWwindow* window, int) { Of(window).Touch(); });
    context_ = ImGui::CreateContext();
    ImGuiIO& io = ImGui::GetIO();
    io.IniFilename = nullptr;
    io.ConfigFlags |= ImGuiConfigFlags_NavEnableKeyboard;
    ImGui_ImplGlfw_InitForOpenGL(window_, true);
    ImGui_ImplOpenGL3_Init("#version 150");
  }

  ~Impl() {
    textures_.reset();
    painter_.reset();
    ImGui_ImplOpenGL3_Shutdown();
    ImGui_ImplGlfw_Shutdown();
    ImGui::DestroyContext(context_);
    glfwDestroyWindow(window_);
  }

  bool Step(Controller& controller, ui::Studio& studio) {
    const bool busy = controller.busy();
    const bool moves = busy || settling_ > 0 || studio.wants_frames();
    const double wait = moves ? FrameS(busy) - (glfwGetTime() - last_frame_s_) : kIdleWaitS;
    wait > 0 ? glfwWaitEventsTimeout(wait) : glfwPollEvents();
    if (!dropped_.empty()) controller.OpenAll(std::exchange(dropped_, {}));
    if (controller.Tick(glfwGetTime())) settling_ = std::max(settling_, 1);
    const bool wanted = settling_ > 0 || studio.wants_frames() || !keys_.empty();
    const double now = glfwGetTime();
    if (busy && was_busy_) longest_gap_s_ = std::max(longest_gap_s_, now - last_look_s_);
    last_look_s_ = now;
    if (wanted && wanted_since_s_ < 0) wanted_since_s_ = now;
    if (wanted && now - last_frame_s_ >= FrameS(busy)) Draw(controller, studio);
    if (!controller.busy()) was_busy_ = false;
    return glfwWindowShouldClose(window_) == GLFW_FALSE && !controller.quits();
  }

  ui::Image Picture(Controller& controller, ui::Studio& studio) {
    ui::Image picture;
    wanted_ = &picture;
    Draw(controller, studio);
    return picture;
  }
  void PaintAllAnew() { painter_->Forget(); }
  // At scale 1.
  std::pair<int, int> Size() const {
    const auto at_1 = [&](int px) { return std::max(1, static_cast<int>(std::lround(px / DisplayScale()))); };
    return {at_1(width_), at_1(height_)};
  }

  int64_t frames_ = 0;
  double longest_gap_s_ = 0;
  int width_ = 0, height_ = 0;

 private:
  static Impl& Of(GLFWwindow* window) { return *static_cast<Impl*>(glfwGetWindowUserPointer(window)); }

  void Touch() {
    settling_ = kSettlingFrames;
    touched_s_ = glfwGetTime();
  }

  // Of the display, in the units of the window's size: where those are scaled already it is 1.
  float DisplayScale() const {
    float scale_x = 1, scale_y = 1;
    int width = 0, height = 0, width_px = 0, height_px = 0;
    glfwGetWindowContentScale(window_, &scale_x, &scale_y);
    glfwGetWindowSize(window_, &width, &height);
    glfwGetFramebufferSize(window_, &width_px, &height_px);
    const float scaled = width > 0 ? static_cast<float>(width_px) / static_cast<float>(width) : 1;
    return std::max(std::max(scale_x, scale_y) / std::max(scaled, 1.0f), 0.25f);
  }

  // Between two frames.
  double FrameS(bool busy) const {
    if (!busy) return kFrameS;
    if (glfwGetTime() - touched_s_ < kInHandS) return kBusyFrameS;
    return std::clamp(drawing_s_ / kWatchedShare, kWatchedFrameS, kMostFrameS);
  }

  void OnKey(int key, int action, int mods) {
    Touch();
    if (action == GLFW_RELEASE) return;
    if (key >= 0 && action == GLFW_PRESS) {
      pressed_.push_back(key);
      ctrl_pressed_ |= (mods & GLFW_MOD_CONTROL) != 0;
      shift_pressed_ |= (mods & GLFW_MOD_SHIFT) != 0;
    }
    const int known = key == GLFW_KEY_F10 && (mods & GLFW_MOD_SHIFT) != 0 ? int{ui::kKeyMenu} : KeyOf(key);
    if (known == 0) return;
    keys_.push_back({known, (mods & GLFW_MOD_CONTROL) != 0, (mods & GLFW_MOD_SHIFT) != 0, (mods & GLFW_MOD_ALT) != 0});
  }

  // ImGui looks at keys once a frame: one that went down and up between two frames is held for one.
  void HoldPressedKeys() {
    ImGuiIO& io = ImGui::GetIO();
    for (const int key : pressed_) {
      if (static_cast<size_t>(key) < std::size(io.KeysDown)) io.KeysDown[key] = true;
    }
    io.KeyCtrl |= ctrl_pressed_;
    io.KeyShift |= shift_pressed_;
    // Ctrl and an arrow is a shortcut of ours, but for texts and sliders: it does not move ImGui's focus too.
    arrows_hidden_ = io.KeyCtrl && !io.WantTextInput && !ImGui::IsAnyItemActive();
    for (const int key : kArrows) io.KeysDown[key] &= !arrows_hidden_;
    // ImGui's Enter only begins to edit: on a button it presses too, as Space does.
    const bool enter = io.KeysDown[GLFW_KEY_ENTER] || io.KeysDown[GLFW_KEY_KP_ENTER];
    io.KeysDown[GLFW_KEY_SPACE] |= enter && !io.KeyCtrl && !io.WantTextInput;
  }
  void LetPressedKeysGo() {
    ImGuiIO& io = ImGui::GetIO();
    const auto down = [&](int key) { return glfwGetKey(window_, key) == GLFW_PRESS; };
    for (const int key : std::exchange(pressed_, {})) {
      if (static_cast<size_t>(key) < std::size(io.KeysDown)) io.KeysDown[key] = down(key);
    }
    for (const int key : kArrows) io.KeysDown[key] |= arrows_hidden_ && down(key);
    io.KeysDown[GLFW_KEY_SPACE] = down(GLFW_KEY_SPACE);
    if (std::exchange(ctrl_pressed_, false)) io.KeyCtrl = down(GLFW_KEY_LEFT_CONTROL) || down(GLFW_KEY_RIGHT_CONTROL);
    if (std::exchange(shift_pressed_, false)) io.KeyShift = down(GLFW_KEY_LEFT_SHIFT) || down(GLFW_KEY_RIGHT_SHIFT);
  }

  // Again for every scale, and where letters are to be seen that are not there yet.
  void LoadFontsFor(float scale, ui::Letters letters) {
    const bool known = std::includes(letters_.begin(), letters_.end(), letters.begin(), letters.end());
    if (scale == scale_ && (known || options_.cjk_font.path.empty())) return;
    scale_ = scale;
    if (!known) letters_.merge(ui::WithCommonOnes(letters));
    fonts_ = ui::LoadFonts(options_.font, options_.cjk_font, letters_, scale, nullptr);
    ImGui_ImplOpenGL3_DestroyFontsTexture();
    ImGui_ImplOpenGL3_CreateFontsTexture();
    painter_->Forget();
  }

  void Draw(Controller& controller, ui::Studio& studio) {
    const double now = glfwGetTime();
    if (was_busy_ && wanted_since_s_ >= 0)
      longest_gap_s_ = std::max(longest_gap_s_, now - std::max(last_frame_s_, wanted_since_s_));
    was_busy_ = controller.busy();
    wanted_since_s_ = -1;
    last_frame_s_ = now;
    if (settling_ > 0) --settling_;
    const float scale = std::clamp(DisplayScale() * studio.state().scale, 0.5f, 4.0f);
    LoadFontsFor(scale, studio.CJKLetters(controller.view()));
    ImGui_ImplOpenGL3_NewFrame();
    ImGui_ImplGlfw_NewFrame();
    HoldPressedKeys();
    ImGui::NewFrame();
    ui::FrameInput input;
    input.time_s = now;
    input.keys = std::exchange(keys_, {});
    const std::vector<ui::Command> commands = studio.Draw(controller.view(), input, fonts_, *textures_, scale);
    LetPressedKeysGo();
    ImGui::Render();
    int width = 0, height = 0;
    glfwGetFramebufferSize(window_, &width, &height);
    const bool painted = painter_->Paint(*ImGui::GetDrawData(), *textures_, width, height);
    if (painted || uncovered_) {
      painter_->CopyToWindow();
      glfwSwapBuffers(window_);
      uncovered_ = false;
    }
    if (wanted_ != nullptr) *std::exchange(wanted_, nullptr) = painter_->Read();
    ++frames_;
    glfwGetWindowSize(window_, &width_, &height_);
    controller.saved().ui = studio.state();
    const bool maximized = glfwGetWindowAttrib(window_, GLFW_MAXIMIZED) == GLFW_TRUE;
    controller.saved().maximized = maximized;
    if (!maximized && width_ > 0 && height_ > 0) std::tie(controller.saved().width, controller.saved().height) = Size();
    for (const ui::Command& command : commands) controller.Handle(command);
    if (!commands.empty()) settling_ = std::max(settling_, 2);
    if (settling_ > 0 || studio.wants_frames()) wanted_since_s_ = now;  // from now on
    drawing_s_ = glfwGetTime() - now;
  }

  const WindowOptions options_;
  GLFWwindow* window_ = nullptr;
  ImGuiContext* context_ = nullptr;
  std::unique_ptr<GLTextures> textures_ = std::make_unique<GLTextures>();
  std::unique_ptr<Painter> painter_ = std::make_unique<Painter>();
  ui::Fonts fonts_;
  float scale_ = 0;
  ui::Letters letters_;  // of those fonts
  std::vector<ui::KeyPress> keys_;
  std::vector<int> pressed_;  // since the last frame, as GLFW has them
  bool ctrl_pressed_ = false, shift_pressed_ = false, arrows_hidden_ = false;
  std::vector<std::string> dropped_;
  ui::Image* wanted_ = nullptr;
  int settling_ = kSettlingFrames;
  double last_frame_s_ = 0, last_look_s_ = 0, touched_s_ = -1e9;
  double wanted_since_s_ = -1;  // what the next frame has to show; −1: nothing
  double drawing_s_ = 0;        // that the last frame took
  bool uncovered_ = true;       // the window's own pixels are gone
  bool was_busy_ = false;
};

Window::Library::Library() {
  if (glfwInit() == GLFW_TRUE) return;
  std::string why = LastGLFWError();
  while (!why.empty() && (why.back() == '\n' || why.back() == '.')) why.pop_back();
  base::Fail(ErrorCode::kUnsupported, "no window: ", why, "; `sparge generate` and `sparge render` need no display");
}

Window::Library::~Library() { glfwTerminate(); }

Window::Window(WindowOptions options) : options_(std::move(options)), impl_(std::make_unique<Impl>(options_)) {}
Window::~Window() = default;

bool Window::Step(Controller& controller, ui::Studio& studio) { return impl_->Step(controller, studio); }

void Window::Recreate() {
  if (impl_->width_ > 0) std::tie(options_.width, options_.height) = impl_->Size();
  impl_.reset();
  impl_ = std::make_unique<Impl>(options_);
}

int64_t Window::frames() const { return impl_->frames_; }
void Window::PaintAllAnew() { impl_->PaintAllAnew(); }
ui::Image Window::Picture(Controller& controller, ui::Studio& studio) { return impl_->Picture(controller, studio); }
double Window::longest_gap_s() const { return impl_->longest_gap_s_; }
int Window::width() const { return impl_->width_; }
int Window::height() const { return impl_->height_; }

void Window::Wake() { glfwPostEmptyEvent(); }

}  // namespace app
