#pragma once

// The bytes of assets/fonts/DejaVuSans.ttf.
extern "C" const unsigned char sparge_font_begin[], sparge_font_end[];
