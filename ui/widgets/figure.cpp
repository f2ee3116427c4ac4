#include "ui/widgets/figure.h"

#include <algorithm>

#include "ui/widgets/controls.h"

namespace ui {

void CopyLast(Context& c, const std::string& text, const std::string& tooltip) {
  if (ImGui::IsItemHovered()) ImGui::SetMouseCursor(ImGuiMouseCursor_Hand);
  if (ImGui::IsItemClicked()) ImGui::SetClipboardText(text.c_str());
  Tooltip(c, tooltip + (tooltip.empty() ? "" : "\n\n") + "click: copy “" + text + "”");
}

void CopyLastByRightClick(Context& c, const std::string& text, const std::string& tooltip) {
  if (ImGui::IsItemClicked(ImGuiMouseButton_Right)) ImGui::SetClipboardText(text.c_str());
  Tooltip(c, tooltip + (tooltip.empty() ? "" : "\n\n") + "right click: copy “" + text + "”");
}

void DrawFigure(Context& c, const std::string& name, const Figure& figure, float width) {
  const ImVec2 at = ImGui::GetCursorScreenPos();
  ImGui::PushFont(c.fonts.small);
  const float label_height = ImGui::GetTextLineHeight();
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  draw.AddText(at, c.theme.faint, Cut(figure.label, width).c_str());
  ImGui::PopFont();
  const float height = label_height + ImGui::GetTextLineHeight() + c.Px(1);
  ImGui::InvisibleButton(name.c_str(), ImVec2(std::max(width, 1.0f), height));
  c.Mark(name);
  const std::string shown = Cut(figure.text, width);
  draw.AddText(ImVec2(at.x, at.y + label_height + c.Px(1)), ImGui::IsItemHovered() ? c.theme.accent : c.theme.text,
               shown.c_str());
  CopyLast(c, figure.text, figure.definition);
}

void CopyableText(Context& c, const std::string& name, ImU32 color, const std::string& text, const std::string& tooltip,
                  const std::string& copied) {
  const ImVec2 at = ImGui::GetCursorScreenPos(), size = ImGui::CalcTextSize(text.c_str());
  ImGui::InvisibleButton(name.c_str(), ImVec2(std::max(size.x, 1.0f), std::max(size.y, 1.0f)));
  c.Mark(name);
  ImGui::GetWindowDrawList()->AddText(at, ImGui::IsItemHovered() ? c.theme.accent : color, text.c_str());
  CopyLast(c, copied.empty() ? text : copied, tooltip);
}

void CopyableParagraph(Context& c, const std::string& name, ImU32 color, const std::string& text,
                       const std::string& tooltip) {
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const float width = std::max(ImGui::GetContentRegionAvail().x, 1.0f);
  const ImVec2 size = ImGui::CalcTextSize(text.c_str(), nullptr, false, width);
  ImGui::InvisibleButton(name.c_str(), ImVec2(width, std::max(size.y, 1.0f)));
  c.Mark(name);
  ImGui::GetWindowDrawList()->AddText(ImGui::GetFont(), ImGui::GetFontSize(), at,
                                      ImGui::IsItemHovered() ? c.theme.accent : color, text.c_str(), nullptr, width);
  CopyLast(c, text, tooltip);
}

}  // namespace ui
