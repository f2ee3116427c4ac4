#include "ui/theme.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <initializer_list>

namespace ui {
namespace {

constexpr ImU32 Hex(unsigned rgb) { return IM_COL32((rgb >> 16) & 255, (rgb >> 8) & 255, rgb & 255, 255); }

// A line's height in the size of the letters (em), by the tables head and hhea of an OpenType file; 0 where they cannot
// be read. ImGui's sizes are lines: fonts are to be as large as each other, not their lines.
double LineOverEm(const FontFile& font) {
  std::ifstream in(font.path, std::ios::binary);
  const auto read = [&](int64_t at, int bytes) {
    unsigned char data[4] = {};
    in.seekg(at);
    in.read(reinterpret_cast<char*>(data), bytes);
    unsigned value = 0;
    for (int i = 0; i < bytes; ++i) value = value << 8 | data[i];
    return value;
  };
  constexpr unsigned kCollection = 0x74746366, kHead = 0x68656164, kHhea = 0x68686561;
  const int64_t start = read(0, 4) == kCollection ? read(12 + 4 * int64_t{font.number}, 4) : 0;
  const unsigned tables = read(start + 4, 2);
  int64_t head = 0, hhea = 0;
  for (unsigned i = 0; i < tables && in; ++i) {
    const int64_t entry = start + 12 + 16 * int64_t{i};
    const unsigned tag = read(entry, 4);
    if (tag == kHead) head = read(entry + 8, 4);
    if (tag == kHhea) hhea = read(entry + 8, 4);
  }
  if (head == 0 || hhea == 0) return 0;
  const unsigned em = read(head + 18, 2);
  const int line = static_cast<int16_t>(read(hhea + 4, 2)) - static_cast<int16_t>(read(hhea + 6, 2));
  return in && em > 0 && line > 0 ? static_cast<double>(line) / em : 0;
}

bool Readable(const std::string& path) { return !path.empty() && std::ifstream(path, std::ios::binary).good(); }

// What the panels and people's prompts use of DejaVu Sans.
constexpr ImWchar kRanges[] = {
    0x0020, 0x024F,  // Latin
    0x0250, 0x02FF,  // IPA, modifiers
    0x0370, 0x03FF,  // Greek
    0x0400, 0x052F,  // Cyrillic
    0x1E00, 0x1EFF,  // Latin, Vietnamese
    0x2000, 0x206F,  // punctuation
    0x2070, 0x209F,  // superscripts
    0x20A0, 0x20BF,  // currency
    0x2100, 0x22FF,  // letter-like, arrows, mathematics
    0x2300, 0x23FF,  // technical
    0x2500, 0x26FF,  // boxes, shapes, signs
    0x2700, 0x27FF,  // dingbats
    0,
};

}  // namespace

ImU32 Theme::ModeColor(CellMode mode) const {
  switch (mode) {
    case CellMode::kDense:
      return dense;
    case CellMode::kDense8:
      return dense8;
    case CellMode::kSparge:
      return sparge;
    case CellMode::kBase:
      break;
  }
  return unknown;
}

Theme MakeTheme(bool dark) {
  Theme t = {};
  t.dark = dark;
  t.back = Hex(dark ? 0x12151A : 0xEEF1F4);
  t.panel = Hex(dark ? 0x1A1E25 : 0xF8F9FB);
  t.field = Hex(dark ? 0x252B35 : 0xE0E5EB);
  t.raised = Hex(dark ? 0x2D3541 : 0xD0D8E1);
  t.border = Hex(dark ? 0x2F3743 : 0xCBD2DB);
  t.text = Hex(dark ? 0xE7EBF0 : 0x1B2027);
  t.dim = Hex(dark ? 0xA3AEBC : 0x4E5968);
  t.faint = Hex(dark ? 0x77828F : 0x727D8B);
  t.accent = Hex(dark ? 0x3FC6A4 : 0x08795F);
  t.accent_dim = Hex(dark ? 0x23564D : 0xBFE4DA);
  t.on_accent = Hex(dark ? 0x06231C : 0xFFFFFF);
  t.a = Hex(dark ? 0x5B9BFF : 0x1D5FD1);
  t.b = Hex(dark ? 0xF59342 : 0xB9560A);
  t.error = Hex(dark ? 0xFF7A7A : 0xB3261E);
  t.warning = Hex(dark ? 0xF0C24B : 0x8A6100);
  t.good = Hex(dark ? 0x7BD88F : 0x1F7A35);
  t.dense = Hex(dark ? 0x8793A5 : 0x8793A5);
  t.dense8 = Hex(dark ? 0xB48CD9 : 0x8E5EBF);
  t.sparge = t.accent;
  t.unknown = Hex(dark ? 0x20262F : 0xE2E6EC);
  return t;
}

void ApplyTheme(const Theme& t, float scale) {
  ImGuiStyle style;
  const auto color = [&](ImGuiCol slot, ImU32 value) { style.Colors[slot] = ImGui::ColorConvertU32ToFloat4(value); };
  t.dark ? ImGui::StyleColorsDark(&style) : ImGui::StyleColorsLight(&style);
  color(ImGuiCol_WindowBg, t.back);
  color(ImGuiCol_ChildBg, t.panel);
  color(ImGuiCol_PopupBg, t.panel);
  color(ImGuiCol_Border, t.border);
  color(ImGuiCol_Text, t.text);
  color(ImGuiCol_TextDisabled, t.faint);
  color(ImGuiCol_TextSelectedBg, WithAlpha(t.accent, 0.35));
  for (const ImGuiCol slot : {ImGuiCol_FrameBg, ImGuiCol_Button, ImGuiCol_Header}) color(slot, t.field);
  for (const ImGuiCol slot : {ImGuiCol_FrameBgHovered, ImGuiCol_ButtonHovered, ImGuiCol_HeaderHovered})
    color(slot, t.raised);
  for (const ImGuiCol slot : {ImGuiCol_FrameBgActive, ImGuiCol_ButtonActive, ImGuiCol_HeaderActive}) {
    color(slot, t.accent_dim);
  }
  for (const ImGuiCol slot : {ImGuiCol_CheckMark, ImGuiCol_SliderGrab, ImGuiCol_SliderGrabActive, ImGuiCol_NavHighlight,
                              ImGuiCol_PlotHistogram}) {
    color(slot, t.accent);
  }
  color(ImGuiCol_ScrollbarBg, WithAlpha(t.panel, 0));
  color(ImGuiCol_ScrollbarGrab, t.raised);
  color(ImGuiCol_ScrollbarGrabHovered, t.faint);
  color(ImGuiCol_ScrollbarGrabActive, t.dim);
  color(ImGuiCol_Separator, t.border);
  color(ImGuiCol_ModalWindowDimBg, WithAlpha(t.back, 0.5));
  style.WindowRounding = 0;
  style.ChildRounding = style.PopupRounding = 6;
  style.FrameRounding = style.GrabRounding = style.ScrollbarRounding = 4;
  style.WindowBorderSize = 0;
  style.ChildBorderSize = style.PopupBorderSize = 1;
  style.FrameBorderSize = t.dark ? 0 : 1;
  style.WindowPadding = ImVec2(12, 12);
  style.FramePadding = ImVec2(8, 5);
  style.ItemSpacing = ImVec2(8, 8);
  style.ItemInnerSpacing = ImVec2(8, 4);
  style.ScrollbarSize = 12;
  style.GrabMinSize = 12;
  style.DisabledAlpha = 0.45f;
  style.ScaleAllSizes(scale);
  style.ChildBorderSize = style.PopupBorderSize = 1;
  style.FrameBorderSize = t.dark ? 0 : 1;
  ImGui::GetStyle() = style;
}

ImU32 Viridis(double value) {
  constexpr std::array<unsigned, 11> kStops = {0x440154, 0x482475, 0x414487, 0x355F8D, 0x2A788E, 0x21918C,
                                               0x22A884, 0x44BF70, 0x7AD151, 0xBDDF26, 0xFDE725};
  const double at = std::clamp(std::isfinite(value) ? value : 0.0, 0.0, 1.0) * (kStops.size() - 1);
  const size_t low = std::min(static_cast<size_t>(at), kStops.size() - 2);
  const double t = at - static_cast<double>(low);
  const auto mix = [&](int shift) {
    const double a = (kStops[low] >> shift) & 255, b = (kStops[low + 1] >> shift) & 255;
    return static_cast<int>(std::lround(a + (b - a) * t));
  };
  return IM_COL32(mix(16), mix(8), mix(0), 255);
}

ImU32 WithAlpha(ImU32 color, double alpha) {
  const auto a = static_cast<ImU32>(std::lround(std::clamp(alpha, 0.0, 1.0) * 255));
  return (color & ~IM_COL32_A_MASK) | (a << IM_COL32_A_SHIFT);
}

ImU32 TextOn(ImU32 color) {
  const ImVec4 c = ImGui::ColorConvertU32ToFloat4(color);
  return 0.299f * c.x + 0.587f * c.y + 0.114f * c.z > 0.5f ? Hex(0x101418) : Hex(0xFFFFFF);
}

Fonts LoadFonts(const std::string& font, const FontFile& cjk, const Letters& letters, float scale,
                std::string* problem) {
  ImFontAtlas& atlas = *ImGui::GetIO().Fonts;
  atlas.Clear();
  atlas.TexDesiredWidth = 0;
  const bool readable = Readable(font);
  if (!readable && problem) *problem = "the font " + font + " cannot be read: letters beyond Latin will be missing";
  // The atlas reads the ranges when it is built, below.
  ImVector<ImWchar> cjk_ranges;
  ImFontGlyphRangesBuilder wanted;
  for (const ImWchar letter : letters) wanted.AddChar(letter);
  wanted.BuildRanges(&cjk_ranges);
  const double line = LineOverEm({font, 0}), cjk_line = LineOverEm(cjk);
  const bool with_cjk = !letters.empty() && cjk_line > 0;
  const float larger = line > 0 ? static_cast<float>(std::clamp(cjk_line / line, 0.5, 2.0)) : 1;
  const auto add = [&](float size_px, bool has_prompts) {
    const float size = std::round(size_px * scale);
    if (!readable) {
      ImFontConfig config;
      config.SizePixels = size;
      return atlas.AddFontDefault(&config);
    }
    ImFontConfig config;
    config.OversampleH = scale < 1.5f ? 2 : 1;
    config.OversampleV = 1;
    config.PixelSnapH = true;
    ImFont* added = atlas.AddFontFromFileTTF(font.c_str(), size, &config, kRanges);
    if (has_prompts && with_cjk) {
      ImFontConfig merge;
      merge.MergeMode = true;
      merge.FontNo = cjk.number;
      merge.OversampleH = merge.OversampleV = 1;
      merge.PixelSnapH = true;
      atlas.AddFontFromFileTTF(cjk.path.c_str(), std::round(size * larger), &merge, cjk_ranges.Data);
    }
    return added;
  };
  Fonts fonts;
  fonts.body = add(15, true);
  fonts.small = add(13, true);
  fonts.title = add(19, false);
  ImGui::GetIO().FontDefault = fonts.body;
  if (!atlas.Build() && with_cjk) return LoadFonts(font, {}, {}, scale, problem);  // a file that is no font
  return fonts;
}

}  // namespace ui
