#include <imgui.h>
#include <imgui_stdlib.h>

#include <algorithm>

#include "ui/compare/panels.h"
#include "ui/widgets/controls.h"

namespace ui {

void DrawExport(Context& c) {
  CompareLocal& local = c.local.compare;
  const CompareView& view = c.view.compare;
  if (!local.export_open) return;
  if (view.clips.size() < 2) {
    local.export_open = false;
    return;
  }
  const ImVec2 display = ImGui::GetIO().DisplaySize;
  const float width = std::min(c.Px(460), display.x);
  if (local.focus_export) ImGui::SetNextWindowFocus();
  ImGui::SetNextWindowPos(ImVec2(display.x / 2, c.Px(96)), ImGuiCond_Always, ImVec2(0.5f, 0));
  ImGui::SetNextWindowSize(ImVec2(width, 0));
  ImGui::PushStyleVar(ImGuiStyleVar_WindowRounding, c.Px(8));
  ImGui::PushStyleVar(ImGuiStyleVar_WindowBorderSize, 1);
  ImGui::PushStyleColor(ImGuiCol_WindowBg, c.theme.panel);
  ImGui::Begin("export", nullptr,
               ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_AlwaysAutoResize | ImGuiWindowFlags_NoSavedSettings |
                   ImGuiWindowFlags_NoMove);
  CompareExport& wanted = local.wanted;
  if (local.focus_export && wanted.folder.empty()) {
    const std::string& first = view.clips[0].path;
    const size_t slash = first.find_last_of('/', first.size() - 2);
    wanted.folder = (slash == std::string::npos ? std::string() : first.substr(0, slash)) + "/comparison";
  }
  local.focus_export = false;
  Label(c, c.theme.text, "Export this comparison", c.fonts.title);
  const auto box = [&](const char* name, const char* label, bool* value, const char* tooltip) {
    ImGui::Checkbox((std::string(label) + "###" + name).c_str(), value);
    c.Mark(std::string("export/") + name);
    Tooltip(c, tooltip);
  };
  box("side", "side by side, with labels (MP4)", &wanted.side_by_side, "side_by_side.mp4");
  box("wipe", "wipe, with labels (MP4)", &wanted.wipe, "wipe.mp4");
  if (wanted.wipe) {
    ImGui::SameLine(0, c.Px(12));
    bool fixed = wanted.wipe_position >= 0;
    if (ImGui::Checkbox("line where it is now", &fixed)) wanted.wipe_position = fixed ? local.wipe : -1;
    c.Mark("export/fixed");
    Tooltip(c, "Else it moves from side to side.");
    if (fixed) wanted.wipe_position = local.wipe;
  }
  box("difference", "difference (MP4)", &wanted.difference, "difference.mp4");
  box("pictures", "this frame of every clip (PNG)", &wanted.pictures, "frame_NNNN_A.png, frame_NNNN_B.png");
  box("numbers", "metrics (CSV and JSON)", &wanted.numbers,
      "metrics.csv, metrics.json: per frame, and the clip's; of the whole picture");
  box("report", "report and contact sheet (HTML, PNG)", &wanted.report, "report.html, contact_sheet.png");
  Label(c, c.theme.dim, "into the folder", c.fonts.small);
  ImGui::SetNextItemWidth(-1);
  ImGui::InputText("###export_folder", &wanted.folder);
  c.Mark("export/folder");
  Tooltip(c, "One that is not there yet; else a number is added to its name.");
  const bool any =
      wanted.side_by_side || wanted.wipe || wanted.difference || wanted.pictures || wanted.numbers || wanted.report;
  const float each = (ImGui::GetContentRegionAvail().x - c.Px(8)) / 2;
  if (PrimaryButton(c, "export/go", "Export", "Goes on in the background",
                    view.exporting.running ? "An export runs"
                    : any                  ? ""
                                           : "Nothing is chosen",
                    each, false)) {
    c.Do(wanted);
    local.export_open = false;
  }
  ImGui::SameLine(0, c.Px(8));
  const bool escaped = std::any_of(c.input.keys.begin(), c.input.keys.end(),
                                   [](const KeyPress& press) { return press.key == kKeyEscape; });
  if (Button(c, "export/close", "Cancel", "Esc", "", each) || escaped) local.export_open = false;
  ImGui::End();
  ImGui::PopStyleColor();
  ImGui::PopStyleVar(2);
}

}  // namespace ui
