#pragma once

#include <string>

#include "ui/compare/view.h"
#include "ui/context.h"

namespace ui {

// A number with its label: hovered it says how it was measured, clicked it is copied. `name`: of the place.
void DrawFigure(Context& c, const std::string& name, const Figure& figure, float width);

// Text that can be copied by a click; `tooltip` says what it is. `copied`: in place of a text that is shown cut.
void CopyableText(Context& c, const std::string& name, ImU32 color, const std::string& text, const std::string& tooltip,
                  const std::string& copied = "");
// The same over several lines, broken at the panel's right edge.
void CopyableParagraph(Context& c, const std::string& name, ImU32 color, const std::string& text,
                       const std::string& tooltip);

// The last item shows this number: a click copies it. `tooltip` says how it was measured.
void CopyLast(Context& c, const std::string& text, const std::string& tooltip);
// The last item is a control, to which the click belongs: a right click copies its number. To its tooltip, if it has
// one, `tooltip` is added.
void CopyLastByRightClick(Context& c, const std::string& text, const std::string& tooltip = "");

}  // namespace ui
