#include "ui/studio.h"

#include <imgui_internal.h>

#include <algorithm>
#include <cmath>

#include "ui/actions.h"
#include "ui/compare/panels.h"
#include "ui/panels/panels.h"
#include "ui/widgets/controls.h"
#include "ui/widgets/panel.h"

namespace ui {
namespace {

constexpr float kGap = 8, kTop = 48;  // px at scale 1
constexpr double kHoldSeconds = 0.6;

float Within(float value, float low, float high, float otherwise) {
  return std::isfinite(value) ? std::clamp(value, low, high) : otherwise;
}

// A gap between panels that can be dragged; changes `size` by the movement times `direction`.
void Splitter(Context& c, const char* name, ImVec2 at, ImVec2 area, bool vertical, float direction, float* size) {
  if (area.x < 1 || area.y < 1) return;
  ImGui::SetCursorScreenPos(at);
  ImGui::PushItemFlag(ImGuiItemFlags_NoNav, true);
  ImGui::InvisibleButton(name, area);
  ImGui::PopItemFlag();
  c.Mark(name);
  const bool active = ImGui::IsItemActive();
  if (active || ImGui::IsItemHovered()) {
    ImGui::SetMouseCursor(vertical ? ImGuiMouseCursor_ResizeEW : ImGuiMouseCursor_ResizeNS);
    ImGui::GetWindowDrawList()->AddRectFilled(at, ImVec2(at.x + area.x, at.y + area.y),
                                              WithAlpha(c.theme.accent, active ? 0.6 : 0.25), c.Px(3));
  }
  if (!active) return;
  const ImVec2 moved = ImGui::GetIO().MouseDelta;
  *size += direction * (vertical ? moved.x : moved.y) / c.scale;
}

void DrawCreate(Context& c, ImVec2 at, ImVec2 area) {
  const float gap = c.Px(kGap), whole = area.x / c.scale;
  // The middle keeps its place: the sides give way where the window is narrow.
  const float left = c.Px(std::min(c.state.left, whole * 0.34f)), right = c.Px(std::min(c.state.right, whole * 0.36f));
  const float bottom = c.Px(std::min(c.state.bottom, area.y / c.scale * 0.4f));
  const float height = area.y - bottom - gap, middle = area.x - left - right - 2 * gap;
  Splitter(c, "split/left", ImVec2(at.x + left, at.y), ImVec2(gap, height), true, 1, &c.state.left);
  Splitter(c, "split/right", ImVec2(at.x + left + gap + middle, at.y), ImVec2(gap, height), true, -1, &c.state.right);
  Splitter(c, "split/bottom", ImVec2(at.x, at.y + height), ImVec2(area.x, gap), false, -1, &c.state.bottom);
  {
    const Panel panel(c, "form", at, ImVec2(left, height));
    DrawForm(c);
  }
  {
    const Panel panel(c, "viewer", ImVec2(at.x + left + gap, at.y), ImVec2(middle, height),
                      ImGuiWindowFlags_NoScrollbar);
    DrawViewer(c);
  }
  {
    const Panel panel(c, "sparsity", ImVec2(at.x + left + middle + 2 * gap, at.y), ImVec2(right, height));
    DrawSparsity(c);
  }
  const Panel panel(c, "queue", ImVec2(at.x, at.y + height + gap), ImVec2(area.x, bottom),
                    ImGuiWindowFlags_NoScrollbar);
  DrawQueue(c);
}

// Esc held for a moment cancels; a short press only leaves what has the focus.
void HoldToCancel(Context& c) {
  const int escape = ImGui::GetKeyIndex(ImGuiKey_Escape);
  const bool down = escape >= 0 && ImGui::IsKeyDown(escape);
  if (!down || ImGui::GetIO().WantTextInput || c.local.palette_open || c.local.shortcuts_open || c.local.path_open) {
    c.local.escape_since = -1;
    return;
  }
  if (c.local.escape_since < 0) c.local.escape_since = c.input.time_s;
  const JobRow* running = c.view.Running();
  if (!running) return;
  *c.wants_frames = true;
  const double held = c.input.time_s - c.local.escape_since;
  if (held < kHoldSeconds || held > 1e6) return;
  c.local.escape_since = c.input.time_s + 1e9;  // once a press
  c.Do(CancelJob{running->id});
}

}  // namespace

UiState Sane(UiState s) {
  const UiState d;
  s.scale = Within(s.scale, 0.5f, 3, d.scale);
  s.left = Within(s.left, 240, 640, d.left);
  s.right = Within(s.right, 300, 800, d.right);
  s.bottom = Within(s.bottom, 104, 360, d.bottom);
  s.speed = std::isfinite(s.speed) ? std::clamp(s.speed, 0.25, 4.0) : 1;
  if (s.workspace < Workspace::kCreate || s.workspace > Workspace::kLibrary) s.workspace = d.workspace;
  if (s.heat_view < HeatView::kTotal || s.heat_view > HeatView::kError) s.heat_view = d.heat_view;
  if (s.open_groups.size() > 1000) s.open_groups.clear();
  return s;
}

std::vector<Command> Studio::Draw(const StudioView& view, const FrameInput& input, const Fonts& fonts,
                                  Textures& textures, float scale) {
  const Theme theme = MakeTheme(state_.dark);
  if (!themed_ || themed_dark_ != state_.dark || themed_scale_ != scale) {
    ApplyTheme(theme, scale);
    themed_ = true;
    themed_dark_ = state_.dark;
    themed_scale_ = scale;
  }
  std::vector<Command> out;
  places_.clear();
  wants_frames_ = false;
  Context c{view, input, theme, fonts, textures, state_, local_, out, places_, scale, &wants_frames_};
  if (view.go_count != local_.go_count) {
    local_.go_count = view.go_count;
    state_.workspace = view.go_to;
  }
  RunShortcuts(c);
  HoldToCancel(c);

  const ImVec2 display = ImGui::GetIO().DisplaySize;
  ImGui::SetNextWindowPos(ImVec2(0, 0));
  ImGui::SetNextWindowSize(display);
  ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, ImVec2(0, 0));
  ImGui::PushStyleVar(ImGuiStyleVar_WindowMinSize, ImVec2(1, 1));
  ImGui::Begin("studio", nullptr,
               ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_NoMove | ImGuiWindowFlags_NoSavedSettings |
                   ImGuiWindowFlags_NoBringToFrontOnFocus | ImGuiWindowFlags_NoScrollWithMouse);
  ImGui::PopStyleVar(2);
  const float gap = c.Px(kGap), top = c.Px(kTop);
  ImGui::SetCursorScreenPos(ImVec2(gap, std::floor((top - ImGui::GetFrameHeight()) / 2)));
  ImGui::PushStyleColor(ImGuiCol_ChildBg, WithAlpha(theme.back, 0));
  ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, ImVec2(0, 0));
  ImGui::BeginChild("top", ImVec2(std::max(display.x - 2 * gap, 1.0f), std::max(top - ImGui::GetCursorPosY(), 1.0f)),
                    false,
                    ImGuiWindowFlags_NoScrollbar | ImGuiWindowFlags_NoScrollWithMouse | ImGuiWindowFlags_NavFlattened);
  local_.panels.clear();
  Panel::Begins(c, "top");
  DrawTopBar(c);
  ImGui::EndChild();
  ImGui::PopStyleVar();
  ImGui::PopStyleColor();
  const ImVec2 at(gap, top), area(std::max(display.x - 2 * gap, 1.0f), std::max(display.y - top - gap, 1.0f));
  if (state_.workspace == Workspace::kCreate) {
    DrawCreate(c, at, area);
  } else if (state_.workspace == Workspace::kCompare) {
    DrawCompare(c, at, area);
  } else {
    const Panel panel(c, "later", at, area);
    DrawLibrary(c);
  }
  ImGui::End();
  DrawNotices(c);
  DrawPalette(c);
  DrawShortcuts(c);
  DrawPathEntry(c);
  if (state_.workspace == Workspace::kCompare) DrawExport(c);
  if (state_.workspace == Workspace::kLibrary) DrawEncodeAgain(c);
  state_ = Sane(std::move(state_));
  return out;
}

Letters Studio::CJKLetters(const StudioView& view) {
  Letters letters;
  const auto add = [&](const std::string& text) { AddCJKLetters(text, letters); };
  for (const std::string* text : {&local_.edited_text, &local_.path_text, &local_.palette_text}) add(*text);
  for (const SettingRow& row : view.settings) add(row.value);
  for (const ModelRow& row : view.models) add(row.path);
  for (const WordGroup& group : view.model.vocabulary) {
    for (const std::string& word : group.words) add(word);
  }
  for (const std::string& word : view.model.unknown_words) add(word);
  for (const auto* history : {&view.prompt_history, &view.negative_history}) {
    for (const std::string& prompt : *history) add(prompt);
  }
  for (const JobRow& job : view.jobs) {
    for (const std::string* text : {&job.title, &job.detail, &job.error, &job.output}) add(*text);
  }
  if (view.clip) add(view.clip->title);
  add(view.clip_note);
  for (const NoticeRow& notice : view.notices) add(notice.text);
  for (const CompareClip& clip : view.compare.clips) {
    for (const std::string* text : {&clip.title, &clip.path, &clip.job_text}) add(*text);
  }
  if (library_items_ != view.library.items) {  // thousands, seldom others
    library_items_ = view.library.items;
    library_letters_.clear();
    for (size_t i = 0; library_items_ && i < library_items_->size(); ++i)
      AddCJKLetters((*library_items_)[i].title, library_letters_);
  }
  letters.insert(library_letters_.begin(), library_letters_.end());
  return letters;
}

bool Studio::RunAction(const std::string& id, const StudioView& view, std::vector<Command>& out) {
  const Action* action = FindAction(id);
  if (!action) return false;
  class NoTextures final : public Textures {
   public:
    ImTextureID Show(int, const Image&, bool) override { return nullptr; }
    uint64_t Bytes(int, int) const override { return 0; }
  } textures;
  const Theme theme = MakeTheme(state_.dark);
  const FrameInput input;
  const Fonts fonts;
  Context c{view, input, theme, fonts, textures, state_, local_, out, places_, 1, &wants_frames_};
  if (!action->why_not(c).empty()) return false;
  action->run(c);
  return true;
}

}  // namespace ui
