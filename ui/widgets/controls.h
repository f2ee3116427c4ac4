#pragma once

#include <string>

#include "ui/context.h"

namespace ui {

// Text in a colour of the theme and one of its fonts.
void Label(const Context& c, ImU32 color, const std::string& text, ImFont* font = nullptr);
// The same, broken into lines at the panel's right edge.
void Paragraph(const Context& c, ImU32 color, const std::string& text, ImFont* font = nullptr);
// One line, cut with … at `width`.
std::string Cut(const std::string& text, float width);
// A heading of a section.
void Heading(const Context& c, const std::string& text);

// A tooltip over the last item, after a moment, also where it is disabled.
void Tooltip(const Context& c, const std::string& text);

// Buttons. A reason `why_not` disables it and is its tooltip.
bool Button(Context& c, const std::string& name, const std::string& text, const std::string& tooltip,
            const std::string& why_not = "", float width = 0);
bool PrimaryButton(Context& c, const std::string& name, const std::string& text, const std::string& tooltip,
                   const std::string& why_not, float width, bool glow);
// Small, without a frame until hovered.
bool QuietButton(Context& c, const std::string& name, const std::string& text, const std::string& tooltip,
                 const std::string& why_not = "");

// One of several, side by side. Returns the index clicked, −1 for none.
int Segments(Context& c, const std::string& name, const char* const* labels, const ImU32* dots, int count, int chosen,
             float width, const std::string& why_not = "");

// A bar of progress or of memory.
void Bar(const Context& c, double fraction, ImVec2 size, ImU32 color, const std::string& text = "");

// Puts the cursor so that what follows, `width` wide, ends at the right edge.
// The next control gets the keyboard.
void GiveKeysToNext();
// Whether the last item has the keyboard, and shows it.
bool HasKeys();
// The menu key, or Shift+F10, on the last item opens its context menu.
void MenuByKey(Context& c, const char* popup);
void AlignRight(float width);

// "0:24", "1:02:03".
std::string Clock(double seconds);
std::string Percent(double share, int decimals = 0);
std::string Number(double value, int decimals);

}  // namespace ui
