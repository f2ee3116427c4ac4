#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "app/draw/canvas.h"

namespace app {

// A table of numbers drawn as coloured cells with labelled axes and a labelled colour scale.
struct HeatGrid {
  std::string title, subtitle;
  std::string x_label, y_label;  // what columns and rows count
  int64_t rows = 0, columns = 0;
  std::vector<std::string> row_names, column_names;  // one a row and a column; shown as far as there is room
  std::vector<double> values;                        // [rows][columns]; NaN: no value, drawn hatched
  double low = 0, high = 1;                          // ends of the colour scale; values beyond have the end's colour
  std::string scale_label;
  std::function<std::string(double)> format;  // of the scale's numbers and of those in cells that have room
};

// From dark to light with the value, evenly in lightness, so that it also reads in grey.
Color HeatColor(double share);  // in 0…1

Canvas DrawHeatGrid(const HeatGrid& grid);

// Pictures under one another on one white canvas.
Canvas Stacked(const std::vector<Canvas>& pictures);

}  // namespace app
