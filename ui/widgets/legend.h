#pragma once

#include <string>

#include "ui/context.h"

namespace ui {

// −1…1 to a colour: A's blue, dark where it is 0, B's orange; equally light on both sides.
ImU32 Diverging(double value);

// The scale of Viridis, with the values at its ends.
void DrawLegend(const Context& c, const std::string& low, const std::string& high, float width);

// The scale of Diverging, with the values at its ends.
void DrawDivergingLegend(const Context& c, const std::string& low, const std::string& high, float width);

// Black to white.
void DrawGreyLegend(const Context& c, const std::string& low, const std::string& high, float width);

}  // namespace ui
