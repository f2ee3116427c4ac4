#include "app/gui/system_fonts.h"

#include <fontconfig/fontconfig.h>

#include <filesystem>
#include <memory>

namespace app {
namespace {

namespace fs = std::filesystem;

// Of each script: a font with these has the others too.
constexpr FcChar32 kSamples[] = {0x4E2D, 0x9F8D, 0x3042, 0xD55C};

template <auto destroy>
struct Destroy {
  template <class T>
  void operator()(T* thing) const {
    destroy(thing);
  }
};
using Config = std::unique_ptr<FcConfig, Destroy<FcConfigDestroy>>;
using Pattern = std::unique_ptr<FcPattern, Destroy<FcPatternDestroy>>;
using CharSet = std::unique_ptr<FcCharSet, Destroy<FcCharSetDestroy>>;
using FontSet = std::unique_ptr<FcFontSet, Destroy<FcFontSetDestroy>>;

fs::path ProgramFolder() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error).parent_path();
}

int SamplesIn(FcPattern* font) {
  FcCharSet* letters = nullptr;
  if (FcPatternGetCharSet(font, FC_CHARSET, 0, &letters) != FcResultMatch) return 0;
  int count = 0;
  for (const FcChar32 sample : kSamples) count += FcCharSetHasChar(letters, sample) == FcTrue;
  return count;
}

}  // namespace

std::string FindFont() {
  std::error_code error;
  fs::path folder = ProgramFolder();
  for (int i = 0; i < 5 && !folder.empty(); ++i, folder = folder.parent_path()) {
    for (const char* place : {"assets/fonts/DejaVuSans.ttf", "share/sparge/assets/fonts/DejaVuSans.ttf"}) {
      if (fs::is_regular_file(folder / place, error)) return (folder / place).string();
    }
  }
  const char* const kSystem = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf";
  return fs::is_regular_file(kSystem, error) ? kSystem : "";
}

ui::FontFile FindCJKFont() {
  const Config config(FcInitLoadConfigAndFonts());
  const Pattern wanted(FcPatternCreate());
  const CharSet samples(FcCharSetCreate());
  if (!config || !wanted || !samples) return {};
  for (const FcChar32 sample : kSamples) FcCharSetAddChar(samples.get(), sample);
  FcPatternAddCharSet(wanted.get(), FC_CHARSET, samples.get());
  FcPatternAddString(wanted.get(), FC_FAMILY, reinterpret_cast<const FcChar8*>("sans-serif"));
  FcPatternAddBool(wanted.get(), FC_OUTLINE, FcTrue);
  FcPatternAddInteger(wanted.get(), FC_WEIGHT, FC_WEIGHT_REGULAR);
  FcConfigSubstitute(config.get(), wanted.get(), FcMatchPattern);
  FcDefaultSubstitute(wanted.get());
  FcResult result = FcResultNoMatch;
  const FontSet fonts(FcFontSort(config.get(), wanted.get(), FcFalse, nullptr, &result));
  if (!fonts) return {};
  ui::FontFile best;
  int most = 0;
  for (int i = 0; i < fonts->nfont; ++i) {
    FcPattern* const font = fonts->fonts[i];
    FcChar8* file = nullptr;
    FcBool variable = FcFalse, outline = FcFalse;
    int index = 0;
    FcPatternGetBool(font, FC_VARIABLE, 0, &variable);
    FcPatternGetBool(font, FC_OUTLINE, 0, &outline);
    FcPatternGetInteger(font, FC_INDEX, 0, &index);
    const int count = SamplesIn(font);
    if (count <= most || variable || !outline || FcPatternGetString(font, FC_FILE, 0, &file) != FcResultMatch) continue;
    most = count;
    best = {reinterpret_cast<const char*>(file), index & 0xFFFF};
  }
  return best;
}

}  // namespace app
