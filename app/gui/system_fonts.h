#pragma once

#include <string>

#include "ui/theme.h"

namespace app {

// The bundled font, beside the program or in a folder above it, else the system's; "" where there is none.
std::string FindFont();

// The system's font with Chinese, Japanese and Korean letters, or most of them, as fontconfig knows it; no file where
// there is none.
ui::FontFile FindCJKFont();

}  // namespace app
