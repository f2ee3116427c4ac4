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

// Whether `wanted` stands in the title as it is.
bool Contains(const Action& action, const std::string& wanted) {
  const auto low = [](std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
  };
  return low(action.title).find(low(wanted)) != std::string::npos;
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
  std::stable_partition(found.begin(), found.end(),
                        [&](const Action* action) { return Contains(*action, local.palette_text); });
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
  struct Line {
    const char* group;  // a heading, or
    const Action* action;
  };
  std::vector<Line> lines;
  const char* group = "";
  for (const Action& action : Actions()) {
    if (action.shortcut.key == 0) continue;
    if (std::string(group) != action.group) lines.push_back({action.group, nullptr});
    group = action.group;
    lines.push_back({nullptr, &action});
  }
  constexpr float kColumn = 400;
  const auto columns = static_cast<size_t>(std::clamp(ImGui::GetIO().DisplaySize.x / c.Px(kColumn + 20), 1.0f, 3.0f));
  BeginOverlay(c, "shortcuts", kColumn * static_cast<float>(columns) + 40);
  Label(c, c.theme.text, "Keys", c.fonts.title);
  const size_t rows = (lines.size() + columns - 1) / columns;
  ImGui::PushFont(c.fonts.small);
  if (ImGui::BeginTable("keys", static_cast<int>(2 * columns))) {
    for (size_t column = 0; column < columns; ++column) {
      ImGui::TableSetupColumn("", ImGuiTableColumnFlags_WidthStretch, 3);
      ImGui::TableSetupColumn("", ImGuiTableColumnFlags_WidthStretch, 1.25f);
    }
    for (size_t row = 0; row < rows; ++row) {
      ImGui::TableNextRow();
      for (size_t column = 0; column < columns; ++column) {
        const size_t i = column * rows + row;
        ImGui::TableNextColumn();
        if (i < lines.size() && lines[i].group) Label(c, c.theme.accent, lines[i].group);
        const Action* const action = i < lines.size() ? lines[i].action : nullptr;
        if (action) Label(c, c.theme.text, Cut(action->title, ImGui::GetContentRegionAvail().x));
        ImGui::TableNextColumn();
        if (action) {
          Label(c, c.theme.dim, action->shortcut.Text() + (std::string(action->id) == "cancel" ? " (hold)" : ""));
        }
      }
    }
    ImGui::EndTable();
  }
  ImGui::PopFont();
  Paragraph(
      c, c.theme.faint,
      "F6 goes from panel to panel, the arrows and Tab between controls; Space and Enter use them, the menu key says "
      "what else can be done with them. Single letters work while no text is edited.",
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
