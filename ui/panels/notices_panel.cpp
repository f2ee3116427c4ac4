#include <algorithm>

#include "ui/panels/panels.h"
#include "ui/widgets/controls.h"

namespace ui {
namespace {

constexpr size_t kMostShown = 4;
constexpr double kInfoSeconds = 12;

ImU32 ColorOf(const Context& c, Level level) {
  return level == Level::kError ? c.theme.error : level == Level::kWarning ? c.theme.warning : c.theme.a;
}

void Card(Context& c, const NoticeRow& notice, float width) {
  const std::string name = "notice/" + std::to_string(notice.id);
  ImGui::PushID(name.c_str());
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  draw.ChannelsSplit(2);
  draw.ChannelsSetCurrent(1);
  const ImVec2 at = ImGui::GetCursorScreenPos();
  ImGui::SetCursorScreenPos(ImVec2(at.x + c.Px(16), at.y + c.Px(10)));
  ImGui::BeginGroup();
  const float wrap = ImGui::GetCursorPosX() + width - c.Px(28);
  ImGui::PushTextWrapPos(wrap);
  Label(c, c.theme.text, notice.text);
  if (!notice.remedy.empty()) Label(c, c.theme.dim, notice.remedy);
  ImGui::PopTextWrapPos();
  if (!notice.action.empty()) {
    if (Button(c, name + "/act", notice.action, "")) c.Do(NoticeAction{notice.id});
    ImGui::SameLine();
  }
  if (QuietButton(c, name + "/copy", "Copy", "Copies the text")) {
    ImGui::SetClipboardText((notice.text + (notice.remedy.empty() ? "" : "\n" + notice.remedy)).c_str());
  }
  ImGui::SameLine();
  if (QuietButton(c, name + "/dismiss", "Dismiss", "")) c.Do(DismissNotice{notice.id});
  ImGui::EndGroup();
  const ImVec2 end(at.x + width, ImGui::GetItemRectMax().y + c.Px(8));
  draw.ChannelsSetCurrent(0);
  draw.AddRectFilled(at, end, c.theme.raised, c.Px(6));
  draw.AddRect(at, end, c.theme.border, c.Px(6));
  draw.AddRectFilled(at, ImVec2(at.x + c.Px(5), end.y), ColorOf(c, notice.level), c.Px(6),
                     ImDrawFlags_RoundCornersLeft);
  draw.ChannelsMerge();
  ImGui::SetCursorScreenPos(ImVec2(at.x, end.y));
  ImGui::Dummy(ImVec2(width, c.Px(2)));
  c.places[name] = {at.x, at.y, end.x, end.y};
  ImGui::PopID();
}

}  // namespace

void DrawNotices(Context& c) {
  std::vector<const NoticeRow*> shown;
  for (auto it = c.view.notices.rbegin(); it != c.view.notices.rend() && shown.size() < kMostShown; ++it) {
    const double age = c.input.time_s - it->time_s;
    if (it->level == Level::kInfo && age > kInfoSeconds) {
      c.Do(DismissNotice{it->id});
      continue;
    }
    if (it->level == Level::kInfo) *c.wants_frames |= age > kInfoSeconds - 0.5;
    shown.push_back(&*it);
  }
  if (shown.empty()) return;
  const ImVec2 display = ImGui::GetIO().DisplaySize;
  const float width = std::min(c.Px(440), display.x - c.Px(16));
  const float bottom = display.y - c.Px(c.state.bottom) - c.Px(16);
  ImGui::SetNextWindowPos(ImVec2(display.x - c.Px(16), bottom), ImGuiCond_Always, ImVec2(1, 1));
  ImGui::SetNextWindowSizeConstraints(ImVec2(width, 0), ImVec2(width, std::max(bottom - c.Px(48), c.Px(40))));
  ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, ImVec2(0, 0));
  ImGui::PushStyleColor(ImGuiCol_WindowBg, WithAlpha(c.theme.back, 0));
  ImGui::Begin("notices", nullptr,
               ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_AlwaysAutoResize | ImGuiWindowFlags_NoSavedSettings |
                   ImGuiWindowFlags_NoFocusOnAppearing | ImGuiWindowFlags_NoMove);
  for (const NoticeRow* notice : shown) Card(c, *notice, width);
  ImGui::End();
  ImGui::PopStyleColor();
  ImGui::PopStyleVar();
}

}  // namespace ui
