#include <imgui.h>
#include <imgui_stdlib.h>

#include <algorithm>
#include <cctype>

#include "ui/actions.h"
#include "ui/panels/panels.h"
#include "ui/widgets/controls.h"

namespace ui {
namespace {

// Whether the letters of `wanted` come in `text` in this order, in any case.
bool Matches(const std::string& text, const std::string& wanted) {
  size_t at = 0;
  for (const char letter : wanted) {
    const int low = std::tolower(static_cast<unsigned char>(letter));
    while (at < text.size() && std::tolower(static_cast<unsigned char>(text[at])) != low) ++at;
    if (at++ == text.size()) return false;
  }
  return true;
}

bool Pressed(const Context& c, int key) {
  return std::any_of(c.input.keys.begin(), c.input.keys.end(),
                     [&](const KeyPress& press) { return press.key == key && !press.ctrl; });
}

// A panel in the upper middle of the window, over everything, that takes no input from what is below.
bool BeginOverlay(Context& c, const char* name, float width) {
  const ImVec2 display = ImGui::GetIO().DisplaySize;
  ImGui::SetNextWindowPos(ImVec2(display.x / 2, c.Px(72)), ImGuiCond_Always, ImVec2(0.5f, 0));
  ImGui::SetNextWindowSizeConstraints(
      ImVec2(std::min(c.Px(width), display.x), 0),
      ImVec2(std::min(c.Px(width), display.x), std::max(display.y - c.Px(120), c.Px(80))));
  ImGui::PushStyleVar(ImGuiStyleVar_WindowRounding, c.Px(8));
  ImGui::PushStyleVar(ImGuiStyleVar_WindowBorderSize, 1);
  ImGui::PushStyleColor(ImGuiCol_WindowBg, c.theme.panel);
  const bool drawn = ImGui::Begin(name, nullptr,
                                  ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_AlwaysAutoResize |
                                      ImGuiWindowFlags_NoSavedSettings | ImGuiWindowFlags_NoMove);
  ImGui::PopStyleColor();
  ImGui::PopStyleVar(2);
  return drawn;
}

}  // namespace

void DrawPalette(Context& c) {
  Local& local = c.local;
  if (!local.palette_open) return;
  if (local.focus_palette) ImGui::SetNextWindowFocus();
  BeginOverlay(c, "palette", 560);
  if (local.focus_palette) ImGui::SetKeyboardFocusHere();
  local.focus_palette = false;
  ImGui::SetNextItemWidth(-1);
  if (ImGui::InputTextWithHint("###palette", "What to do…", &local.palette_text)) local.palette_row = 0;
  c.Mark("palette");
  std::vector<const Action*> found;
  for (const Action& action : Actions()) {
    if (Matches(std::string(action.group) + " " + action.title, local.palette_text)) found.push_back(&action);
  }
  const auto count = static_cast<int>(found.size());
  if (Pressed(c, kKeyDown)) ++local.palette_row;
  if (Pressed(c, kKeyUp)) --local.palette_row;
  local.palette_row = count > 0 ? (local.palette_row % count + count) % count : 0;
  constexpr int kRows = 12;
  const int first = std::clamp(local.palette_row - kRows / 2, 0, std::max(0, count - kRows));
  const Action* run = nullptr;
  for (int i = first; i < std::min(count, first + kRows); ++i) {
    const Action& action = *found[static_cast<size_t>(i)];
    const std::string why_not = action.why_not(c);
    ImGui::BeginDisabled(!why_not.empty());
    if (ImGui::Selectable((std::string(action.group) + ":  " + action.title).c_str(), i == local.palette_row))
      run = &action;
    ImGui::EndDisabled();
    Tooltip(c, why_not);
    const std::string keys = why_not.empty() ? action.shortcut.Text() : why_not;
    ImGui::SameLine();
    ImGui::PushFont(c.fonts.small);
    AlignRight(ImGui::CalcTextSize(Cut(keys, c.Px(240)).c_str()).x);
    Label(c, c.theme.faint, Cut(keys, c.Px(240)));
    ImGui::PopFont();
  }
  if (count == 0) Label(c, c.theme.faint, "Nothing of that name");
  if (Pressed(c, kKeyEnter) && count > 0) run = found[static_cast<size_t>(local.palette_row)];
  if (run && !run->why_not(c).empty()) run = nullptr;
  const bool clicked_away = ImGui::IsMouseClicked(0) && !ImGui::IsWindowHovered(ImGuiHoveredFlags_RootAndChildWindows);
  ImGui::End();
  if (run || Pressed(c, kKeyEscape) || clicked_away) {
    local.palette_open = false;
    local.palette_text.clear();
  }
  if (run) run->run(c);
}

void DrawShortcuts(Context& c) {
  if (!c.local.shortcuts_open) return;
  BeginOverlay(c, "shortcuts", 640);
  Label(c, c.theme.text, "Keys", c.fonts.title);
  std::string group;
  if (ImGui::BeginTable("keys", 2, ImGuiTableFlags_SizingStretchSame)) {
    for (const Action& action : Actions()) {
      if (action.shortcut.key == 0) continue;
      if (group != action.group) {
        group = action.group;
        ImGui::TableNextRow();
        ImGui::TableNextColumn();
        Label(c, c.theme.accent, group, c.fonts.small);
      }
      ImGui::TableNextRow();
      ImGui::TableNextColumn();
      Label(c, c.theme.text, action.title);
      ImGui::TableNextColumn();
      Label(c, c.theme.dim, action.shortcut.Text() + (std::string(action.id) == "cancel" ? " (hold)" : ""));
    }
    ImGui::EndTable();
  }
  Paragraph(c, c.theme.faint,
            "Tab and the arrows move between controls, Space and Enter use them; single letters work while no text is "
            "edited.",
            c.fonts.small);
  const bool clicked_away = ImGui::IsMouseClicked(0) && !ImGui::IsWindowHovered(ImGuiHoveredFlags_RootAndChildWindows);
  ImGui::End();
  if (Pressed(c, kKeyEscape) || clicked_away) c.local.shortcuts_open = false;
}

void DrawPathEntry(Context& c) {
  Local& local = c.local;
  if (!local.path_open) return;
  if (local.focus_path) ImGui::SetNextWindowFocus();
  BeginOverlay(c, "path", 560);
  Label(c, c.theme.text, local.path_saves ? "Save the queue as YAML" : "Open", c.fonts.title);
  Paragraph(c, c.theme.dim,
            local.path_saves ? "A file for sparge render; one that is there is replaced."
                             : "A model folder, a JOBS.yaml, or a clip. Dropping it on the window does the same.");
  if (local.focus_path) ImGui::SetKeyboardFocusHere();
  local.focus_path = false;
  ImGui::SetNextItemWidth(-1);
  ImGui::InputTextWithHint("###path", local.path_saves ? "jobs.yaml" : "path", &local.path_text);
  c.Mark("path");
  const std::string why_not = local.path_text.empty() ? "Type a path first" : "";
  const bool done = Button(c, "path/ok", local.path_saves ? "Save" : "Open", "", why_not) ||
                    (Pressed(c, kKeyEnter) && why_not.empty());
  ImGui::SameLine();
  const bool cancelled = Button(c, "path/cancel", "Cancel", "") || Pressed(c, kKeyEscape);
  ImGui::End();
  if (done && local.path_saves) c.Do(SaveQueue{local.path_text});
  if (done && !local.path_saves) c.Do(OpenPath{local.path_text});
  if (done || cancelled) local.path_open = false;
}

}  // namespace ui
