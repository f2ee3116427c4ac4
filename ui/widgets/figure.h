#pragma once

#include <string>

#include "ui/compare/view.h"
#include "ui/context.h"

namespace ui {

// A number with its label: hovered it says how it was measured, clicked it is copied. `name`: of the place.
void DrawFigure(Context& c, const std::string& name, const Figure& figure, float width);

// Text that can be copied by a click; `tooltip` says what it is.
void CopyableText(Context& c, const std::string& name, ImU32 color, const std::string& text,
                  const std::string& tooltip);

}  // namespace ui
