#include "app/gui/window.h"

#include <GLFW/glfw3.h>
#include <backends/imgui_impl_glfw.h>
#include <backends/imgui_impl_opengl3.h>
#include <imgui.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <utility>
#include <vector>

#include "app/gui/gl_textures.h"
#include "attention/base/error.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;

constexpr double kIdleWaitS = 0.5;        // nothing moves
constexpr double kFrameS = 1.0 / 62;      // between two frames that move
constexpr double kBusyFrameS = 1.0 / 40;  // the same while a job renders: the cores are its
constexpr int kSettlingFrames = 3;        // after input: hovering and layout take a frame or two

int KeyOf(int key) {
  switch (key) {
    case GLFW_KEY_F1:
      return ui::kKeyF1;
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

fs::path ProgramFolder() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error).parent_path();
}

}  // namespace

std::string FindFont() {
  std::error_code error;
  fs::path folder = ProgramFolder();
  for (int i = 0; i < 5 && !folder.empty(); ++i, folder = folder.parent_path()) {
    for (const char* place : {"assets/fonts/DejaVuSans.ttf", "share/sparge/assets/fonts/DejaVuSans.ttf"}) {
      if (fs::is_regular_file(folder / place, error)) return (folder / place).string();
    }
  }
  const char* const kSystem = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf";
  return fs::is_regular_file(kSystem, error) ? kSystem : "";
}

std::string FindCJKFont() {
  std::error_code error;
  for (const char* path :
       {"/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
        "/usr/share/fonts/truetype/noto/NotoSansCJK-Regular.ttc", "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
        "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf"}) {
    if (fs::is_regular_file(path, error)) return path;
  }
  return "";
}

class Window::Impl {
 public:
  explicit Impl(const WindowOptions& options) : options_(options) {
    glfwWindowHint(GLFW_CONTEXT_VERSION_MAJOR, 3);
    glfwWindowHint(GLFW_CONTEXT_VERSION_MINOR, 2);
    glfwWindowHint(GLFW_OPENGL_PROFILE, GLFW_OPENGL_CORE_PROFILE);
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
      Of(window).settling_ = kSettlingFrames;
    });
    glfwSetWindowRefreshCallback(window_, [](GLFWwindow* window) { Of(window).settling_ = kSettlingFrames; });
    glfwSetCursorPosCallback(window_,
                             [](GLFWwindow* window, double, double) { Of(window).settling_ = kSettlingFrames; });
    glfwSetMouseButtonCallback(window_,
                               [](GLFWwindow* window, int, int, int) { Of(window).settling_ = kSettlingFrames; });
    glfwSetScrollCallback(window_, [](GLFWwindow* window, double, double) { Of(window).settling_ = kSettlingFrames; });
    glfwSetCharCallback(window_, [](GLFWwindow* window, unsigned) { Of(window).settling_ = kSettlingFrames; });
    glfwSetWindowFocusCallback(window_, [](GLFWwindow* window, int) { Of(window).settling_ = kSettlingFrames; });
    context_ = ImGui::CreateContext();
    ImGuiIO& io = ImGui::GetIO();
    io.IniFilename = nullptr;
    io.ConfigFlags |= ImGuiConfigFlags_NavEnableKeyboard;
    ImGui_ImplGlfw_InitForOpenGL(window_, true);
    ImGui_ImplOpenGL3_Init("#version 150");
  }

  ~Impl() {
    textures_.reset();
    ImGui_ImplOpenGL3_Shutdown();
    ImGui_ImplGlfw_Shutdown();
    ImGui::DestroyContext(context_);
    glfwDestroyWindow(window_);
  }

  bool Step(Controller& controller, ui::Studio& studio) {
    const bool busy = controller.busy();
    const bool moves = busy || settling_ > 0 || studio.wants_frames();
    const double wait = moves ? (busy ? kBusyFrameS : kFrameS) - (glfwGetTime() - last_frame_s_) : kIdleWaitS;
    wait > 0 ? glfwWaitEventsTimeout(wait) : glfwPollEvents();
    if (!dropped_.empty()) controller.OpenAll(std::exchange(dropped_, {}));
    const bool changed = controller.Tick(glfwGetTime());
    const bool waited = glfwGetTime() - last_frame_s_ >= (busy ? kBusyFrameS : kFrameS);
    if (changed) settling_ = std::max(settling_, 1);
    if ((busy || settling_ > 0 || studio.wants_frames() || !keys_.empty()) && waited) Draw(controller, studio);
    if (!controller.busy()) was_busy_ = false;
    return glfwWindowShouldClose(window_) == GLFW_FALSE && !controller.quits();
  }

  ui::Image Picture(Controller& controller, ui::Studio& studio) {
    ui::Image picture;
    wanted_ = &picture;
    Draw(controller, studio);
    return picture;
  }

  int64_t frames_ = 0, busy_frames_ = 0;
  double longest_gap_s_ = 0, busy_s_ = 0;
  int width_ = 0, height_ = 0;

 private:
  static Impl& Of(GLFWwindow* window) { return *static_cast<Impl*>(glfwGetWindowUserPointer(window)); }

  void OnKey(int key, int action, int mods) {
    settling_ = kSettlingFrames;
    if (action == GLFW_RELEASE) return;
    if (key >= 0 && action == GLFW_PRESS) {
      pressed_.push_back(key);
      ctrl_pressed_ |= (mods & GLFW_MOD_CONTROL) != 0;
      shift_pressed_ |= (mods & GLFW_MOD_SHIFT) != 0;
    }
    const int known = KeyOf(key);
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
  }
  void LetPressedKeysGo() {
    ImGuiIO& io = ImGui::GetIO();
    const auto down = [&](int key) { return glfwGetKey(window_, key) == GLFW_PRESS; };
    for (const int key : std::exchange(pressed_, {})) {
      if (static_cast<size_t>(key) < std::size(io.KeysDown)) io.KeysDown[key] = down(key);
    }
    if (std::exchange(ctrl_pressed_, false)) io.KeyCtrl = down(GLFW_KEY_LEFT_CONTROL) || down(GLFW_KEY_RIGHT_CONTROL);
    if (std::exchange(shift_pressed_, false)) io.KeyShift = down(GLFW_KEY_LEFT_SHIFT) || down(GLFW_KEY_RIGHT_SHIFT);
  }

  void LoadFontsFor(float scale) {
    if (scale == scale_) return;
    scale_ = scale;
    fonts_ = ui::LoadFonts(options_.font, options_.cjk_font, scale, nullptr);
    ImGui_ImplOpenGL3_DestroyFontsTexture();
    ImGui_ImplOpenGL3_CreateFontsTexture();
  }

  void Draw(Controller& controller, ui::Studio& studio) {
    const double now = glfwGetTime();
    if (was_busy_) {
      longest_gap_s_ = std::max(longest_gap_s_, now - last_frame_s_);
      busy_s_ += now - last_frame_s_;
      ++busy_frames_;
    }
    was_busy_ = controller.busy();
    last_frame_s_ = now;
    if (settling_ > 0) --settling_;
    float scale_x = 1, scale_y = 1;
    glfwGetWindowContentScale(window_, &scale_x, &scale_y);
    const float scale = std::clamp(std::max(scale_x, scale_y) * studio.state().scale, 0.5f, 4.0f);
    LoadFontsFor(scale);
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
    glViewport(0, 0, width, height);
    glClearColor(0, 0, 0, 1);
    glClear(GL_COLOR_BUFFER_BIT);
    ImGui_ImplOpenGL3_RenderDrawData(ImGui::GetDrawData());
    if (wanted_ != nullptr) Read(width, height, *std::exchange(wanted_, nullptr));
    glfwSwapBuffers(window_);
    ++frames_;
    glfwGetWindowSize(window_, &width_, &height_);
    controller.saved().ui = studio.state();
    const bool maximized = glfwGetWindowAttrib(window_, GLFW_MAXIMIZED) == GLFW_TRUE;
    controller.saved().maximized = maximized;
    if (!maximized && width_ > 0 && height_ > 0) {
      controller.saved().width = width_;
      controller.saved().height = height_;
    }
    for (const ui::Command& command : commands) controller.Handle(command);
    if (!commands.empty()) settling_ = std::max(settling_, 2);
  }

  // OpenGL's rows begin at the bottom.
  static void Read(int width, int height, ui::Image& image) {
    const size_t row = static_cast<size_t>(width) * 3;
    std::vector<uint8_t> bottom_up(row * static_cast<size_t>(height)), rgb(bottom_up.size());
    glPixelStorei(GL_PACK_ALIGNMENT, 1);
    glReadPixels(0, 0, width, height, GL_RGB, GL_UNSIGNED_BYTE, bottom_up.data());
    for (size_t y = 0; y < static_cast<size_t>(height); ++y) {
      std::copy_n(bottom_up.begin() + static_cast<ptrdiff_t>((static_cast<size_t>(height) - 1 - y) * row), row,
                  rgb.begin() + static_cast<ptrdiff_t>(y * row));
    }
    image = {0, width, height, std::make_shared<std::vector<uint8_t>>(std::move(rgb))};
  }

  const WindowOptions options_;
  GLFWwindow* window_ = nullptr;
  ImGuiContext* context_ = nullptr;
  std::unique_ptr<GLTextures> textures_ = std::make_unique<GLTextures>();
  ui::Fonts fonts_;
  float scale_ = 0;
  std::vector<ui::KeyPress> keys_;
  std::vector<int> pressed_;  // since the last frame, as GLFW has them
  bool ctrl_pressed_ = false, shift_pressed_ = false;
  std::vector<std::string> dropped_;
  ui::Image* wanted_ = nullptr;
  int settling_ = kSettlingFrames;
  double last_frame_s_ = 0;
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
  if (impl_->width_ > 0) {
    options_.width = impl_->width_;
    options_.height = impl_->height_;
  }
  impl_.reset();
  impl_ = std::make_unique<Impl>(options_);
}

int64_t Window::frames() const { return impl_->frames_; }
double Window::busy_frames_a_second() const {
  return impl_->busy_s_ > 0 ? static_cast<double>(impl_->busy_frames_) / impl_->busy_s_ : 0;
}
ui::Image Window::Picture(Controller& controller, ui::Studio& studio) { return impl_->Picture(controller, studio); }
double Window::longest_gap_s() const { return impl_->longest_gap_s_; }
int Window::width() const { return impl_->width_; }
int Window::height() const { return impl_->height_; }

void Window::Wake() { glfwPostEmptyEvent(); }

}  // namespace app
