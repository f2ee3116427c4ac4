#include "app/draw/font_data.h"

asm(".section .rodata\n"
    ".balign 16\n"
    ".globl sparge_font_begin\n"
    ".globl sparge_font_end\n"
    "sparge_font_begin:\n"
    ".incbin \"" SPARGE_FONT_FILE
    "\"\n"
    "sparge_font_end:\n"
    ".byte 0\n"
    ".previous\n");
