#include <algorithm>

#include "ui/compare/drop.h"
#include "ui/compare/panels.h"
#include "ui/compare/stage.h"
#include "ui/panels/panels.h"
#include "ui/widgets/controls.h"
#include "ui/widgets/panel.h"

namespace ui {
namespace {

constexpr float kGap = 8;

void EmptyCompare(Context& c) {
  const CompareView& view = c.view.compare;
  const ImVec2 from = ImGui::GetWindowPos(), size = ImGui::GetWindowSize();
  c.places["compare/empty"] = {from.x, from.y, from.x + size.x, from.y + size.y};
  TakeDroppedClips(c, "drop_empty", c.places["compare/empty"]);
  const ImVec2 room = ImGui::GetContentRegionAvail();
  const float width = std::min(room.x - c.Px(32), c.Px(540));
  ImGui::SetCursorPos(ImVec2((room.x - width) / 2, room.y * 0.32f));
  ImGui::BeginGroup();
  Label(c, c.theme.text, view.note.empty() ? "Compare two to four clips" : view.note, c.fonts.title);
  ImGui::PushTextWrapPos(ImGui::GetCursorPosX() + width);
  Label(
      c, c.theme.dim,
      "Drop clips on this window, drag them here from the Library, or make both at once: A/B renders dense and sparse "
      "from the same noise and opens them here.");
  ImGui::PopTextWrapPos();
  ImGui::Dummy(ImVec2(0, c.Px(4)));
  if (PrimaryButton(c, "compare/generate_ab", "Generate A/B", "Dense and as set in Create, from the same noise",
                    c.view.why_not.generate, c.Px(160), false)) {
    c.Do(Generate{true});
    c.state.workspace = Workspace::kCreate;
  }
  ImGui::SameLine(0, c.Px(8));
  if (Button(c, "compare/to_library", "Library", "Ctrl+3")) c.state.workspace = Workspace::kLibrary;
  ImGui::EndGroup();
}

}  // namespace

void DrawCompare(Context& c, ImVec2 at, ImVec2 area) {
  const CompareView& view = c.view.compare;
  CompareLocal& local = c.local.compare;
  FollowClips(local, view);
  if (AdvanceClock(local, view, c.input.time_s, c.state.speed)) *c.wants_frames = true;
  AskForLook(c);
  if (view.clips.empty()) {
    const Panel panel(c, "compare", at, area);
    EmptyCompare(c);
    return;
  }
  const float gap = c.Px(kGap), right = c.Px(std::min(316.0f, area.x / c.scale * 0.36f));
  const bool blind = view.abx.running && local.abx_open;  // nothing that tells A from B
  const float timeline = c.Px(view.clips.size() > 1 && !blind ? 184.0f : 60.0f);
  const float differs = view.clips.size() > 1 && !blind ? c.Px(64) : 0;
  const float left = area.x - right - gap;
  const float stage = std::max(area.y - timeline - differs - (differs > 0 ? 2 : 1) * gap, c.Px(40));
  {
    const Panel panel(c, "compare_stage", at, ImVec2(left, stage),
                      ImGuiWindowFlags_NoScrollbar | ImGuiWindowFlags_NoScrollWithMouse);
    if (local.heats_open && !local.pixel_held) local.has_pixel = false;
    local.heats_open ? DrawCompareHeats(c) : DrawCompareStage(c);
  }
  {
    const Panel panel(c, "compare_timeline", ImVec2(at.x, at.y + stage + gap), ImVec2(left, timeline),
                      ImGuiWindowFlags_NoScrollbar | ImGuiWindowFlags_NoScrollWithMouse);
    DrawCompareTimeline(c);
  }
  if (differs > 0) {
    const Panel panel(c, "compare_differs", ImVec2(at.x, at.y + stage + timeline + 2 * gap), ImVec2(left, differs));
    DrawCompareDiffers(c);
  }
  const Panel panel(c, "compare_side", ImVec2(at.x + left + gap, at.y), ImVec2(right, area.y));
  local.abx_open ? DrawABX(c) : DrawCompareSide(c);
}

}  // namespace ui
