#include "ui/widgets/controls.h"

#include <imgui_internal.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace ui {

void Label(const Context& c, ImU32 color, const std::string& text, ImFont* font) {
  if (font) ImGui::PushFont(font);
  ImGui::PushStyleColor(ImGuiCol_Text, color);
  ImGui::TextUnformatted(text.c_str(), text.c_str() + text.size());
  ImGui::PopStyleColor();
  if (font) ImGui::PopFont();
}

void Paragraph(const Context& c, ImU32 color, const std::string& text, ImFont* font) {
  ImGui::PushTextWrapPos(0);
  Label(c, color, text, font);
  ImGui::PopTextWrapPos();
}

std::string Cut(const std::string& text, float width) {
  std::string line = text.substr(0, text.find('\n'));
  if (line.size() == text.size() && ImGui::CalcTextSize(line.c_str()).x <= width) return line;
  const float room = width - ImGui::CalcTextSize("…").x;
  size_t fits = 0;
  for (size_t at = 0; at < line.size();) {
    size_t next = at + 1;
    while (next < line.size() && (line[next] & 0xC0) == 0x80) ++next;
    if (ImGui::CalcTextSize(line.c_str(), line.c_str() + next).x > room) break;
    fits = at = next;
  }
  return line.substr(0, fits) + "…";
}

void Heading(const Context& c, const std::string& text) {
  ImGui::Dummy(ImVec2(0, c.Px(2)));
  Label(c, c.theme.dim, text, c.fonts.small);
}

void Tooltip(const Context& c, const std::string& text) {
  if (text.empty() || !ImGui::IsItemHovered(ImGuiHoveredFlags_AllowWhenDisabled)) return;
  ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, ImVec2(c.Px(10), c.Px(8)));
  ImGui::BeginTooltip();
  ImGui::PushTextWrapPos(c.Px(380));
  ImGui::TextUnformatted(text.c_str());
  ImGui::PopTextWrapPos();
  ImGui::EndTooltip();
  ImGui::PopStyleVar();
}

namespace {

bool Framed(Context& c, const std::string& name, const std::string& text, const std::string& tooltip,
            const std::string& why_not, ImVec2 size) {
  ImGui::BeginDisabled(!why_not.empty());
  const bool pressed = ImGui::Button((text + "###" + name).c_str(), size);
  ImGui::EndDisabled();
  c.Mark(name);
  Tooltip(c, why_not.empty() ? tooltip : why_not);
  return pressed && why_not.empty();
}

}  // namespace

bool Button(Context& c, const std::string& name, const std::string& text, const std::string& tooltip,
            const std::string& why_not, float width) {
  return Framed(c, name, text, tooltip, why_not, ImVec2(width, 0));
}

bool PrimaryButton(Context& c, const std::string& name, const std::string& text, const std::string& tooltip,
                   const std::string& why_not, float width, bool glow) {
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const float height = ImGui::GetFrameHeight() + c.Px(6);
  if (glow && why_not.empty()) {
    const double wave = 0.5 + 0.5 * std::sin(c.input.time_s * 2.2);
    for (int ring = 3; ring >= 1; --ring) {
      const float grow = c.Px(1.5f * static_cast<float>(ring));
      ImGui::GetWindowDrawList()->AddRectFilled(ImVec2(at.x - grow, at.y - grow),
                                                ImVec2(at.x + width + grow, at.y + height + grow),
                                                WithAlpha(c.theme.accent, (0.05 + 0.09 * wave)), c.Px(6));
    }
    *c.wants_frames = true;
  }
  ImGui::PushStyleColor(ImGuiCol_Button, c.theme.accent);
  ImGui::PushStyleColor(ImGuiCol_ButtonHovered, WithAlpha(c.theme.accent, 0.88));
  ImGui::PushStyleColor(ImGuiCol_ButtonActive, WithAlpha(c.theme.accent, 0.75));
  ImGui::PushStyleColor(ImGuiCol_Text, c.theme.on_accent);
  const bool pressed = Framed(c, name, text, tooltip, why_not, ImVec2(width, height));
  ImGui::PopStyleColor(4);
  return pressed;
}

bool QuietButton(Context& c, const std::string& name, const std::string& text, const std::string& tooltip,
                 const std::string& why_not) {
  ImGui::PushStyleColor(ImGuiCol_Button, WithAlpha(c.theme.panel, 0));
  ImGui::PushStyleColor(ImGuiCol_Border, WithAlpha(c.theme.panel, 0));
  ImGui::PushStyleVar(ImGuiStyleVar_FramePadding, ImVec2(c.Px(6), c.Px(3)));
  const bool pressed = Framed(c, name, text, tooltip, why_not, ImVec2(0, 0));
  ImGui::PopStyleVar();
  ImGui::PopStyleColor(2);
  return pressed;
}

int Segments(Context& c, const std::string& name, const char* const* labels, const ImU32* dots, int count, int chosen,
             float width, const std::string& why_not) {
  int clicked = -1;
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const float height = ImGui::GetFrameHeight(), each = std::floor(width / static_cast<float>(count));
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  draw.AddRectFilled(at, ImVec2(at.x + each * static_cast<float>(count), at.y + height), c.theme.field, c.Px(4));
  ImGui::BeginGroup();
  ImGui::BeginDisabled(!why_not.empty());
  for (int i = 0; i < count; ++i) {
    const ImVec2 a(at.x + each * static_cast<float>(i), at.y), b(a.x + each, a.y + height);
    ImGui::SetCursorScreenPos(a);
    ImGui::PushID(i);
    if (ImGui::InvisibleButton(name.c_str(), ImVec2(each, height)) && i != chosen) clicked = i;
    ImGui::PopID();
    c.Mark(name + "/" + labels[i]);
    const bool hovered = ImGui::IsItemHovered();
    if (i == chosen) {
      draw.AddRectFilled(a, b, c.theme.accent_dim, c.Px(4));
      draw.AddRect(a, b, c.theme.accent, c.Px(4));
    } else if (hovered) {
      draw.AddRectFilled(a, b, c.theme.raised, c.Px(4));
    }
    if (HasKeys()) draw.AddRect(a, b, c.theme.text, c.Px(4));
    const ImVec2 size = ImGui::CalcTextSize(labels[i]);
    float x = a.x + (each - size.x) / 2;
    if (dots) {
      x += c.Px(7);
      draw.AddCircleFilled(ImVec2(x - c.Px(11), a.y + height / 2), c.Px(4), dots[i]);
    }
    draw.AddText(ImVec2(std::floor(x), std::floor(a.y + (height - size.y) / 2)),
                 i == chosen ? c.theme.text : c.theme.dim, labels[i]);
    Tooltip(c, why_not);
  }
  ImGui::EndDisabled();
  ImGui::EndGroup();
  return clicked;
}

void Bar(const Context& c, double fraction, ImVec2 size, ImU32 color, const std::string& text) {
  const ImVec2 a = ImGui::GetCursorScreenPos(), b(a.x + size.x, a.y + size.y);
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  const float rounding = std::min(size.y / 2, c.Px(4));
  draw.AddRectFilled(a, b, c.theme.field, rounding);
  const auto filled = static_cast<float>(std::clamp(fraction, 0.0, 1.0)) * size.x;
  if (filled >= 1) draw.AddRectFilled(a, ImVec2(a.x + std::max(filled, rounding * 2), b.y), color, rounding);
  if (!text.empty()) {
    const ImVec2 t = ImGui::CalcTextSize(text.c_str());
    draw.AddText(ImVec2(a.x + (size.x - t.x) / 2, a.y + (size.y - t.y) / 2), c.theme.text, text.c_str());
  }
  ImGui::Dummy(size);
}

void GiveKeysToNext() {
  ImGuiContext& g = *ImGui::GetCurrentContext();
  ImGui::FocusWindow(ImGui::GetCurrentWindow());
  ImGui::NavInitWindow(ImGui::GetCurrentWindow(), true);
  g.NavDisableHighlight = false;
}

bool HasKeys() { return ImGui::IsItemFocused() && ImGui::GetIO().NavVisible; }

void MenuByKey(Context& c, const char* popup) {
  if (!HasKeys()) return;
  for (const KeyPress& press : c.input.keys) {
    if (press.key == kKeyMenu) ImGui::OpenPopup(popup);
  }
}

void AlignRight(float width) {
  const float x = ImGui::GetWindowContentRegionMax().x - width;
  if (x > ImGui::GetCursorPosX()) ImGui::SetCursorPosX(x);
}

std::string Clock(double seconds) {
  const auto total = static_cast<long>(std::clamp(std::isfinite(seconds) ? std::round(seconds) : 0.0, 0.0, 359999.0));
  char text[32];
  if (total >= 3600) {
    std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", total / 3600, total / 60 % 60, total % 60);
  } else {
    std::snprintf(text, sizeof text, "%ld:%02ld", total / 60, total % 60);
  }
  return text;
}

std::string Number(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string Percent(double share, int decimals) { return Number(share * 100, decimals) + " %"; }

}  // namespace ui
