#pragma once

#include <string>

#include "ui/image.h"

namespace app {

// What is different between a picture of the window and tests/app/gui/pictures/NAME.png; "" if they look alike. Both
// at a quarter of the size, where one font rasteriser is like another; a meter or a glow may differ.
//
// With SPARGE_WRITE_PICTURES=FOLDER in the environment the picture is left there as NAME_full.png, and at a quarter of
// the size, as a reference is, as NAME.png.
std::string DifferenceFromReference(const ui::Image& picture, const std::string& name);

}  // namespace app
