#include "app/draw/font.h"

#include <ft2build.h>
#include FT_FREETYPE_H

#include <algorithm>
#include <map>
#include <vector>

#include "app/draw/font_data.h"
#include "attention/base/error.h"

namespace app {
namespace {

void CheckFont(FT_Error error) {
  base::Check(error == 0, base::ErrorCode::kInternal, "the built-in font cannot be used (FreeType error ", error, ")");
}

struct Glyph {
  int left = 0, top = 0, advance = 0;  // px; `top` above the baseline
  int width = 0, height = 0;
  std::vector<uint8_t> cover;  // [height, width], 0…255
};

// The character at `i`, which moves behind it; bytes that are no UTF-8 count as U+FFFD, one each.
char32_t NextCharacter(std::string_view text, size_t& i) {
  const auto byte = [&](size_t k) { return static_cast<unsigned char>(text[k]); };
  const unsigned char first = byte(i++);
  const int more = first < 0x80                    ? 0
                   : first >= 0xC2 && first < 0xE0 ? 1
                   : (first & 0xF0) == 0xE0        ? 2
                   : (first & 0xF8) == 0xF0        ? 3
                                                   : -1;
  if (more == 0) return first;
  if (more < 0 || i + static_cast<size_t>(more) > text.size()) return 0xFFFD;
  char32_t character = first & (0x3F >> more);
  for (int k = 0; k < more; ++k) {
    if ((byte(i + static_cast<size_t>(k)) & 0xC0) != 0x80) return 0xFFFD;
    character = character << 6 | (byte(i + static_cast<size_t>(k)) & 0x3F);
  }
  i += static_cast<size_t>(more);
  return character;
}

}  // namespace

struct Font::Impl {
  FT_Library library = nullptr;
  FT_Face face = nullptr;
  int ascent = 0, line = 0;
  std::map<char32_t, Glyph> glyphs;  // those drawn so far

  ~Impl() {
    if (face != nullptr) FT_Done_Face(face);
    if (library != nullptr) FT_Done_FreeType(library);
  }

  const Glyph& Of(char32_t character) {
    if (character < ' ' || character == 0x7F) character = ' ';  // text of a file may hold anything
    const auto [it, fresh] = glyphs.try_emplace(character);
    if (!fresh) return it->second;
    CheckFont(FT_Load_Char(face, character, FT_LOAD_RENDER | FT_LOAD_TARGET_NORMAL));
    const FT_GlyphSlot slot = face->glyph;
    Glyph& glyph = it->second;
    glyph.left = slot->bitmap_left;
    glyph.top = slot->bitmap_top;
    glyph.advance = static_cast<int>(slot->advance.x >> 6);
    glyph.width = static_cast<int>(slot->bitmap.width);
    glyph.height = static_cast<int>(slot->bitmap.rows);
    for (int y = 0; y < glyph.height; ++y) {
      const uint8_t* row = slot->bitmap.buffer + y * slot->bitmap.pitch;
      glyph.cover.insert(glyph.cover.end(), row, row + glyph.width);
    }
    return glyph;
  }
};

Font::Font(int size_px) : impl_(std::make_unique<Impl>()) {
  CheckFont(FT_Init_FreeType(&impl_->library));
  CheckFont(
      FT_New_Memory_Face(impl_->library, sparge_font_begin, sparge_font_end - sparge_font_begin, 0, &impl_->face));
  CheckFont(FT_Set_Pixel_Sizes(impl_->face, 0, static_cast<FT_UInt>(size_px)));
  const FT_Size_Metrics& metrics = impl_->face->size->metrics;
  impl_->ascent = static_cast<int>((metrics.ascender + 63) >> 6);
  impl_->line = impl_->ascent + static_cast<int>((-metrics.descender + 63) >> 6);
}

Font::~Font() = default;

int Font::line_px() const { return impl_->line; }

int64_t Font::Width(std::string_view utf8) const {
  int64_t width = 0;
  for (size_t i = 0; i < utf8.size();) width += impl_->Of(NextCharacter(utf8, i)).advance;
  return width;
}

void Font::Draw(Canvas& canvas, int64_t x, int64_t y, std::string_view utf8, Color color) const {
  const int ink[3] = {color.r, color.g, color.b};
  for (size_t i = 0; i < utf8.size();) {
    const Glyph& glyph = impl_->Of(NextCharacter(utf8, i));
    const int64_t left = x + glyph.left, top = y + impl_->ascent - glyph.top;
    for (int row = 0; row < glyph.height; ++row) {
      for (int column = 0; column < glyph.width; ++column) {
        const int64_t v = top + row, u = left + column;
        if (v < 0 || u < 0 || v >= canvas.height_px || u >= canvas.width_px) continue;
        const int cover = glyph.cover[static_cast<size_t>(row * glyph.width + column)];
        uint8_t* pixel = canvas.at(v, u);
        for (int c = 0; c < 3; ++c)
          pixel[c] = static_cast<uint8_t>((pixel[c] * (255 - cover) + ink[c] * cover + 127) / 255);
      }
    }
    x += glyph.advance;
  }
}

std::string Font::Fitting(std::string_view utf8, int64_t width_px) const {
  if (Width(utf8) <= width_px) return std::string(utf8);
  const std::string dots = "…";
  int64_t width = Width(dots);
  size_t end = 0;
  for (size_t i = 0; i < utf8.size(); end = i) {
    width += impl_->Of(NextCharacter(utf8, i)).advance;
    if (width > width_px) break;
  }
  return std::string(utf8.substr(0, end)) + dots;
}

}  // namespace app
