#pragma once

#include <functional>
#include <optional>
#include <string>

#include "ui/context.h"

namespace ui {

struct HeatCell {
  std::optional<double> value;  // 0…1; absent: not known yet
  std::string tooltip;
};

struct HeatMap {
  std::string name;  // of the widget
  int columns = 0, rows = 0;
  std::string column_name, row_name;  // of the axes: "step", "layer"
  std::function<std::optional<double>(int column, int row)> value;
  ImU32 (*color)(double value) = nullptr;  // none: Viridis, of 0…1
  std::function<std::string(int column, int row)> tooltip;
  int chosen_column = -1, chosen_row = -1;
};

// Draws it into the given size, axes and their numbers in it. Returns the cell that was clicked.
std::optional<std::pair<int, int>> DrawHeatMap(Context& c, const HeatMap& map, ImVec2 size);

}  // namespace ui
