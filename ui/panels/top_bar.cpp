#include <algorithm>

#include "ui/actions.h"
#include "ui/compare/drop.h"
#include "ui/panels/panels.h"
#include "ui/widgets/controls.h"
#include "ui/widgets/figure.h"
#include "ui/widgets/setting_field.h"

namespace ui {
namespace {

void Menu(Context& c) {
  if (QuietButton(c, "menu", "Sparge ▾", c.view.program)) ImGui::OpenPopup("menu");
  if (!ImGui::BeginPopup("menu")) return;
  std::string group;
  for (const Action& action : Actions()) {
    if (group != action.group) {
      if (!group.empty()) ImGui::Separator();
      group = action.group;
      Label(c, c.theme.faint, group, c.fonts.small);
    }
    const std::string why_not = action.why_not(c);
    if (ImGui::MenuItem(action.title, action.shortcut.Text().c_str(), false, why_not.empty())) action.run(c);
    Tooltip(c, why_not);
  }
  ImGui::EndPopup();
}

void Progress(Context& c, const JobRow& job, float width) {
  std::string text = job.stage.empty() ? "starting" : job.stage;
  if (job.total > 0) text += " " + std::to_string(job.step) + "/" + std::to_string(job.total);
  if (job.state == JobState::kPaused) text = "paused at " + text;
  if (job.state == JobState::kPausing) text = "pausing…";
  if (job.eta_s && job.state == JobState::kRunning) text += " · " + Clock(*job.eta_s) + " left";
  Bar(c, job.fraction(), ImVec2(width, ImGui::GetFrameHeight()), c.theme.accent_dim, Cut(text, width - c.Px(8)));
  CopyLast(c, text, job.title + "\n" + job.detail);
  ImGui::SameLine(0, c.Px(4));
  if (QuietButton(c, "cancel_running", "✕", "Cancel this clip (hold Esc)")) c.Do(CancelJob{job.id});
}

}  // namespace

void DrawTopBar(Context& c) {
  ImGui::PushStyleVar(ImGuiStyleVar_FramePadding, ImVec2(c.Px(8), c.Px(5)));
  Menu(c);
  ImGui::SameLine(0, c.Px(12));
  const char* const spaces[] = {"Create", "Compare", "Library"};
  const int space = Segments(c, "workspace", spaces, nullptr, 3, static_cast<int>(c.state.workspace), c.Px(270));
  if (space >= 0) c.state.workspace = static_cast<Workspace>(space);
  TakeDroppedClips(c, "drop_compare", c.places.at("workspace/Compare"));

  const float total = ImGui::GetWindowContentRegionMax().x;
  if (const SettingRow* mode = c.view.Find("attention.mode")) {
    const char* const labels[] = {"dense", "8-bit", "sparge"};
    const char* const values[] = {"dense", "dense8", "sparge"};
    const ImU32 dots[] = {c.theme.dense, c.theme.dense8, c.theme.sparge};
    const auto chosen = std::find(std::begin(values), std::end(values), mode->effective()) - std::begin(values);
    ImGui::SameLine(std::max(ImGui::GetCursorPosX() + c.Px(316), total * 0.36f));
    const int clicked = Segments(c, "mode", labels, dots, 3, static_cast<int>(chosen), c.Px(264));
    if (clicked >= 0) c.Do(SetSetting{"attention.mode", values[clicked]});
    if (ImGui::IsItemHovered()) Tooltip(c, "T changes the mode, at any time\n\n" + SettingTooltip(*mode));
  }

  const JobRow* running = c.view.Running();
  const float meter = c.Px(96), bar = running ? c.Px(220) : 0, close = running ? c.Px(34) : 0;
  const float device = ImGui::CalcTextSize(c.view.device.c_str()).x;
  const auto meters = static_cast<float>(c.view.meters.size()) * (meter + c.Px(8));
  const float used = device + c.Px(16) + meters + bar + close;
  ImGui::SameLine(0, c.Px(16));
  const bool room = ImGui::GetCursorPosX() + used <= total;
  AlignRight(room ? used : meters + bar + close);
  if (room) {
    ImGui::AlignTextToFramePadding();
    Label(c, c.theme.dim, c.view.device);
    ImGui::SameLine(0, c.Px(16));
  }
  for (const Meter& m : c.view.meters) {
    const double share = m.total > 0 ? m.used / m.total : 0;
    ImGui::PushFont(c.fonts.small);
    Bar(c, share, ImVec2(meter, ImGui::GetFrameHeight() + c.Px(2)), share > 0.92 ? c.theme.error : c.theme.raised,
        m.label + " " + (m.total > 0 ? Percent(share) : "–"));
    ImGui::PopFont();
    c.Mark("meter/" + m.label);
    CopyLast(c, m.label + " " + m.text, m.text + "\n" + m.tooltip);
    ImGui::SameLine(0, c.Px(8));
  }
  if (running) Progress(c, *running, bar);
  ImGui::PopStyleVar();
}

}  // namespace ui
