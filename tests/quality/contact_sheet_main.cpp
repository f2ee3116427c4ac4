// contact_sheet OUT.png EVERY LABEL CLIP [LABEL CLIP …]: a picture of clips, every EVERY-th frame of each under its
// label. A CLIP is a video file or a folder of PNG frames.
#include <cstdlib>
#include <exception>
#include <iostream>

#include "tests/quality/contact_sheet.h"

int main(int argc, char** argv) {
  if (argc < 5 || argc % 2 == 0) {
    std::cerr << "usage: contact_sheet OUT.png EVERY LABEL CLIP [LABEL CLIP …]\n";
    return 2;
  }
  try {
    std::vector<quality::SheetRow> rows;
    for (int i = 3; i < argc; i += 2) rows.push_back({argv[i], quality::ReadClip(argv[i + 1])});
    quality::WritePng(argv[1], quality::ContactSheet(rows, std::atoi(argv[2]), 128, 1));
  } catch (const std::exception& e) {
    std::cerr << "contact_sheet: error: " << e.what() << "\n";
    return 2;
  }
  return 0;
}
