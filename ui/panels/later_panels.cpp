#include <algorithm>

#include "ui/panels/panels.h"
#include "ui/widgets/controls.h"

namespace ui {
namespace {

void ComesLater(Context& c, const std::string& title, const std::string& text) {
  const ImVec2 room = ImGui::GetContentRegionAvail();
  const float width = std::min(room.x - c.Px(32), c.Px(520));
  ImGui::SetCursorPos(ImVec2((room.x - width) / 2, room.y * 0.36f));
  ImGui::BeginGroup();
  Label(c, c.theme.text, title, c.fonts.title);
  ImGui::PushTextWrapPos(ImGui::GetCursorPosX() + width);
  Label(c, c.theme.dim, text);
  ImGui::PopTextWrapPos();
  ImGui::Dummy(ImVec2(0, c.Px(4)));
  if (Button(c, "back", "Back to Create", "Ctrl+1")) c.state.workspace = Workspace::kCreate;
  ImGui::EndGroup();
}

}  // namespace

void DrawCompare(Context& c) {
  ComesLater(
      c, "Compare comes later",
      "Two clips side by side, with a wipe, a difference view and metrics, is not in the window yet. Until then: "
      "Generate A/B makes both clips from the same noise, and `sparge compare REF OTHER --out DIR` writes the videos, "
      "the numbers and a report.");
}

void DrawLibrary(Context& c) {
  ComesLater(
      c, "The library comes later",
      "All clips as thumbnails, with search, is not in the window yet. Until then: drop a clip on this window to "
      "see it, and `sparge info CLIP` says how it was made.");
}

}  // namespace ui
