#pragma once

#include <string>

#include "ui/context.h"

namespace ui {

// A setting's label, widget, tooltip and, where its value is wrong, the error with the fix as a button. `width`: of
// the field.
void SettingField(Context& c, const SettingRow& row, float width);

// Two of them beside each other, together `width` wide; `b` may be null.
void SettingPair(Context& c, const SettingRow& a, const SettingRow* b, float width);

// Its widget alone, named by the setting's key.
void SettingWidget(Context& c, const SettingRow& row, float width);

// What its tooltip says: help, unit, range, default and where it is from, the YAML key.
std::string SettingTooltip(const SettingRow& row);

// A text of several lines, broken at words; `lines` high.
void ParagraphField(Context& c, const SettingRow& row, float width, int lines);

// Breaks lines at spaces so that each fits: every break replaces one space, so positions stay the same.
void BreakLines(char* text, size_t bytes, float width);

}  // namespace ui
