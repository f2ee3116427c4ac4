#include "ui/widgets/setting_field.h"

#include <imgui_stdlib.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "ui/widgets/controls.h"

namespace ui {
namespace {

bool IsNumeric(const SettingRow& row) { return row.widget == Widget::kInt || row.widget == Widget::kNumber; }

// The value one step of the arrow keys further, within its range.
std::string Stepped(const SettingRow& row, const std::string& text, int direction) {
  const std::string& from = text.empty() ? row.default_text : text;
  char* end = nullptr;
  double value = std::strtod(from.c_str(), &end);
  if (end == from.c_str()) value = row.min.value_or(0);
  value += direction * row.step;
  if (row.min) value = std::max(value, *row.min);
  if (row.max) value = std::min(value, *row.max);
  char out[64];
  std::snprintf(out, sizeof out, "%.6g", value);
  if (row.widget == Widget::kInt || row.widget == Widget::kSeed) std::snprintf(out, sizeof out, "%.0f", value);
  return out;
}

struct Editing {
  const SettingRow* row;
  float width;
};

int OnArrow(ImGuiInputTextCallbackData* data) {
  const auto& editing = *static_cast<const Editing*>(data->UserData);
  const int direction = data->EventKey == ImGuiKey_UpArrow ? 1 : -1;
  const std::string next =
      Stepped(*editing.row, std::string(data->Buf, static_cast<size_t>(data->BufTextLen)), direction);
  data->DeleteChars(0, data->BufTextLen);
  data->InsertChars(0, next.c_str());
  return 0;
}

int OnEdit(ImGuiInputTextCallbackData* data) {
  const auto& editing = *static_cast<const Editing*>(data->UserData);
  BreakLines(data->Buf, static_cast<size_t>(data->BufTextLen), editing.width);
  data->BufDirty = true;
  return 0;
}

// The text that the field shows: what is being typed, else the view's value.
std::string& TextOf(Context& c, const SettingRow& row, std::string& shown) {
  if (c.local.edited_key == row.key) return c.local.edited_text;
  shown = row.value;
  return shown;
}

void TakeFocus(Context& c, const SettingRow& row, const std::string& text) {
  if (ImGui::IsItemActivated()) {
    c.local.edited_key = row.key;
    c.local.edited_text = text;
  }
  if (ImGui::IsItemDeactivated() && c.local.edited_key == row.key) c.local.edited_key.clear();
}

void LineField(Context& c, const SettingRow& row, float width) {
  std::string shown;
  std::string& text = TextOf(c, row, shown);
  Editing editing{&row, 0};
  ImGui::SetNextItemWidth(width);
  const bool numeric = IsNumeric(row) || row.widget == Widget::kSeed;
  const bool steps = numeric && row.missing.empty();
  const int flags =
      (steps ? ImGuiInputTextFlags_CallbackHistory : 0) | (numeric ? ImGuiInputTextFlags_AutoSelectAll : 0);
  const bool wrong = !row.error.empty();
  if (wrong) {
    ImGui::PushStyleVar(ImGuiStyleVar_FrameBorderSize, 1);
    ImGui::PushStyleColor(ImGuiCol_Border, c.theme.error);
  }
  const bool edited = ImGui::InputTextWithHint(("###" + row.key).c_str(), row.default_text.c_str(), &text, flags,
                                               steps ? OnArrow : nullptr, &editing);
  if (wrong) {
    ImGui::PopStyleColor();
    ImGui::PopStyleVar();
  }
  if (edited) c.Do(SetSetting{row.key, text});
  TakeFocus(c, row, text);
}

void ChoiceField(Context& c, const SettingRow& row, float width) {
  ImGui::SetNextItemWidth(width);
  const std::string preview = row.value.empty() ? row.default_text : row.value;
  if (row.value.empty()) ImGui::PushStyleColor(ImGuiCol_Text, c.theme.dim);
  const bool open = ImGui::BeginCombo(("###" + row.key).c_str(), preview.c_str());
  if (row.value.empty()) ImGui::PopStyleColor();
  if (!open) return;
  const std::string back = "default: " + row.default_text;
  if (ImGui::Selectable(back.c_str(), row.value.empty())) c.Do(SetSetting{row.key, ""});
  for (const std::string& choice : row.choices) {
    if (ImGui::Selectable(choice.c_str(), row.value == choice)) c.Do(SetSetting{row.key, choice});
    if (row.value == choice) ImGui::SetItemDefaultFocus();
  }
  ImGui::EndCombo();
}

void BoolField(Context& c, const SettingRow& row) {
  bool on = row.effective() == "on";
  if (ImGui::Checkbox((row.label + "###" + row.key).c_str(), &on)) c.Do(SetSetting{row.key, on ? "on" : "off"});
}

void ContextMenu(Context& c, const SettingRow& row) {
  MenuByKey(c, ("menu " + row.key).c_str());
  if (!ImGui::BeginPopupContextItem(("menu " + row.key).c_str())) return;
  if (ImGui::MenuItem(("Back to the default: " + row.default_text).c_str(), nullptr, false, !row.value.empty())) {
    c.Do(SetSetting{row.key, ""});
  }
  if (ImGui::MenuItem("Copy as YAML")) ImGui::SetClipboardText((row.key + ": " + row.effective()).c_str());
  ImGui::EndPopup();
}

}  // namespace

std::string SettingTooltip(const SettingRow& row) {
  std::string text = row.help;
  if (!row.missing.empty()) text = "Not there yet: " + row.missing + ".\n\n" + text;
  text += "\n";
  if (!row.range.empty()) text += "\n" + row.range + (row.unit.empty() ? "" : ", in " + row.unit);
  if (!row.default_text.empty()) {
    text += "\nDefault: " + row.default_text + (row.default_from.empty() ? "" : " (" + row.default_from + ")");
  }
  return text + "\nIn YAML: " + row.key;
}

void BreakLines(char* text, size_t bytes, float width) {
  for (size_t i = 0; i < bytes; ++i) {
    if (text[i] == '\n' || text[i] == '\r') text[i] = ' ';
  }
  size_t line = 0, space = std::string::npos;
  for (size_t i = 0; i < bytes; ++i) {
    if (text[i] == ' ') space = i;
    if (i + 1 < bytes && (text[i + 1] & 0xC0) == 0x80) continue;  // within a character
    if (text[i] == ' ' || space == std::string::npos || space < line) continue;
    if (ImGui::CalcTextSize(text + line, text + i + 1).x <= width) continue;
    text[space] = '\n';
    line = space + 1;
    space = std::string::npos;
    for (size_t j = line; j < i; ++j) {
      if (text[j] == ' ') space = j;
    }
  }
}

void ParagraphField(Context& c, const SettingRow& row, float width, int lines) {
  const ImGuiStyle& style = ImGui::GetStyle();
  Editing editing{&row, width - 2 * style.FramePadding.x - style.ScrollbarSize};
  std::string text = c.local.edited_key == row.key ? c.local.edited_text : row.value;
  BreakLines(text.data(), text.size(), editing.width);
  const ImVec2 size(width, ImGui::GetTextLineHeight() * static_cast<float>(lines) + 2 * style.FramePadding.y);
  const bool edited = ImGui::InputTextMultiline(("###" + row.key).c_str(), &text, size,
                                                ImGuiInputTextFlags_CallbackEdit, OnEdit, &editing);
  c.Mark(row.key);
  const bool active = ImGui::IsItemActive();
  std::replace(text.begin(), text.end(), '\n', ' ');
  if (edited) {
    c.Do(SetSetting{row.key, text});
    c.local.edited_text = text;
  }
  TakeFocus(c, row, text);
  if (text.empty() && !active) {
    const ImVec2 at = ImGui::GetItemRectMin();
    ImGui::GetWindowDrawList()->AddText(ImVec2(at.x + style.FramePadding.x, at.y + style.FramePadding.y), c.theme.faint,
                                        Cut(row.help, width - 2 * style.FramePadding.x).c_str());
  }
}

void SettingWidget(Context& c, const SettingRow& row, float width) {
  ImGui::BeginDisabled(!row.missing.empty());
  switch (row.widget) {
    case Widget::kBool:
      BoolField(c, row);
      break;
    case Widget::kChoice:
      ChoiceField(c, row, width);
      break;
    case Widget::kParagraph:
      ParagraphField(c, row, width, 3);
      break;
    default:
      LineField(c, row, width);
  }
  ImGui::EndDisabled();
  c.Mark(row.key);
  if (!ImGui::IsItemActive()) Tooltip(c, SettingTooltip(row));
  ContextMenu(c, row);
}

void SettingField(Context& c, const SettingRow& row, float width) {
  ImGui::BeginGroup();
  if (row.widget != Widget::kBool) {
    const std::string unit = row.unit.empty() || row.unit == "fps" ? "" : ", " + row.unit;
    Label(c, row.value.empty() ? c.theme.dim : c.theme.text, Cut(row.label + unit, width), c.fonts.small);
    Tooltip(c, SettingTooltip(row));
    ImGui::SetCursorPosY(ImGui::GetCursorPosY() - c.Px(5));
  }
  SettingWidget(c, row, width);
  ImGui::PushTextWrapPos(ImGui::GetCursorPosX() + width);
  if (!row.error.empty()) {
    ImGui::PushStyleColor(ImGuiCol_Text, c.theme.error);
    ImGui::PushFont(c.fonts.small);
    ImGui::TextUnformatted(row.error.c_str());
    ImGui::PopFont();
    ImGui::PopStyleColor();
  }
  ImGui::PopTextWrapPos();
  if (!row.error.empty() && !row.fix.empty()) {
    if (Button(c, "fix/" + row.key, "Use " + row.fix, "Sets " + row.key + " to " + row.fix)) {
      c.Do(SetSetting{row.key, row.fix});
      if (c.local.edited_key == row.key) c.local.edited_text = row.fix;
    }
  }
  ImGui::EndGroup();
}

void SettingPair(Context& c, const SettingRow& a, const SettingRow* b, float width) {
  const float gap = ImGui::GetStyle().ItemSpacing.x, half = std::floor((width - gap) / 2);
  const ImVec2 at = ImGui::GetCursorPos();
  SettingField(c, a, half);
  if (!b) return;
  // No SameLine: it would lower the label to the base line of a frame.
  const float end = ImGui::GetCursorPosY();
  ImGui::SetCursorPos(ImVec2(at.x + half + gap, at.y));
  SettingField(c, *b, half);
  ImGui::SetCursorPosY(std::max(end, ImGui::GetCursorPosY()));
}

}  // namespace ui
