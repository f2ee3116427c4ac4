#include "app/gui/system_fonts.h"

#include <gtest/gtest.h>
#include <imgui.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/app/temp_folder.h"

namespace app {
namespace {

// An OpenType font whose letters are all the same square.
class SquareFont {
 public:
  explicit SquareFont(std::vector<int> letters) {
    std::sort(letters.begin(), letters.end());
    const auto count = static_cast<int>(letters.size());
    Table("OS/2", Zeros(78));
    std::string cmap = Be(0, 2) + Be(1, 2) + Be(3, 2) + Be(1, 2) + Be(12, 4);
    const int segments = count + 1;
    int depth = 0;
    while (2 << depth <= segments) ++depth;
    cmap += Be(4, 2) + Be(16 + 8 * segments, 2) + Be(0, 2) + Be(2 * segments, 2) + Be(2 << depth, 2) + Be(depth, 2) +
            Be(2 * segments - (2 << depth), 2);
    std::string ends, starts, deltas, offsets;
    for (int i = 0; i <= count; ++i) {
      const int letter = i < count ? letters[static_cast<size_t>(i)] : 0xFFFF;
      ends += Be(letter, 2);
      starts += Be(letter, 2);
      deltas += Be(i < count ? (1 - letter) & 0xFFFF : 1, 2);
      offsets += Be(0, 2);
    }
    Table("cmap", cmap + ends + Be(0, 2) + starts + deltas + offsets);
    const std::string square = Be(1, 2) + Be(0, 2) + Be(0, 2) + Be(800, 2) + Be(800, 2) + Be(3, 2) + Be(0, 2) +
                               std::string("\x01\x01\x01\x01", 4) + Be(0, 2) + Be(800, 2) + Be(0, 2) + Be(-800, 2) +
                               Be(0, 2) + Be(0, 2) + Be(800, 2) + Be(0, 2);
    Table("glyf", square + square);
    Table("head", Be(0x10000, 4) + Be(0x10000, 4) + Be(0, 4) + Be(0x5F0F3CF5, 4) + Be(0, 2) + Be(1000, 2) + Zeros(16) +
                      Be(0, 4) + Be(800, 2) + Be(800, 2) + Be(0, 2) + Be(6, 2) + Be(2, 2) + Be(1, 2) + Be(0, 2));
    Table("hhea", Be(0x10000, 4) + Be(900, 2) + Be(-100, 2) + Be(0, 2) + Be(1000, 2) + Zeros(22) + Be(1, 2));
    Table("hmtx", Be(1000, 2) + Be(0, 2) + Be(0, 2));
    const auto each = static_cast<int>(square.size());
    Table("loca", Be(0, 4) + Be(each, 4) + Be(2 * each, 4));
    Table("maxp", Be(0x10000, 4) + Be(2, 2) + Be(4, 2) + Be(1, 2) + Zeros(22));
    const std::string name = "Squares";
    Table("name", Be(0, 2) + Be(1, 2) + Be(18, 2) + Be(1, 2) + Be(0, 2) + Be(0, 2) + Be(1, 2) +
                      Be(static_cast<int>(name.size()), 2) + Be(0, 2) + name);
    Table("post", Be(0x30000, 4) + Zeros(28));
  }
  void Write(const std::string& path) const {
    const auto count = static_cast<int>(tables_.size());
    std::string head = Be(0x10000, 4) + Be(count, 2) + Zeros(6), body;
    const int start = 12 + 16 * count;
    for (const auto& [tag, data] : tables_) {
      head += tag + Be(0, 4) + Be(start + static_cast<int>(body.size()), 4) + Be(static_cast<int>(data.size()), 4);
      body += data + Zeros((4 - static_cast<int>(data.size()) % 4) % 4);
    }
    std::ofstream(path, std::ios::binary) << head << body;
  }

 private:
  static std::string Be(int value, int bytes) {
    std::string text;
    for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(value >> (8 * i) & 255);
    return text;
  }
  static std::string Zeros(int count) { return std::string(static_cast<size_t>(count), '\0'); }
  void Table(const std::string& tag, const std::string& data) { tables_.emplace_back(tag, data); }
  std::vector<std::pair<std::string, std::string>> tables_;
};

constexpr const char* kBundled = SPARGE_SOURCE_DIR "/assets/fonts/DejaVuSans.ttf";

class SystemFonts : public TempFolderTest {
 protected:
  void SetUp() override {
    TempFolderTest::SetUp();
    std::filesystem::create_directories(Path("fonts"));
    std::ofstream(Path("fonts.conf")) << "<?xml version=\"1.0\"?><fontconfig><dir>" << Path("fonts")
                                      << "</dir><cachedir>" << Path("cache") << "</cachedir></fontconfig>";
    setenv("FONTCONFIG_FILE", Path("fonts.conf").c_str(), 1);
    context_ = ImGui::CreateContext();
  }
  void TearDown() override {
    if (context_ != nullptr) ImGui::DestroyContext(std::exchange(context_, nullptr));
    unsetenv("FONTCONFIG_FILE");
    TempFolderTest::TearDown();
  }
  static bool Has(const ui::Fonts& fonts, ImWchar letter) { return fonts.body->FindGlyphNoFallback(letter) != nullptr; }
  ImGuiContext* context_ = nullptr;
};

TEST_F(SystemFonts, NoneWhereThereIsNone) {
  EXPECT_EQ(FindCJKFont().path, "");
  SquareFont({0x0E01, 0x0E02}).Write(Path("fonts/thai.ttf"));
  EXPECT_EQ(FindCJKFont().path, "") << "Thai is none of them";
}

TEST_F(SystemFonts, TheOneWithMostOfThem) {
  SquareFont({0x4E2D}).Write(Path("fonts/han.ttf"));
  SquareFont({0x4E2D, 0x9F8D, 0x3042, 0xD55C}).Write(Path("fonts/all.ttf"));
  SquareFont({0x3042}).Write(Path("fonts/kana.ttf"));
  EXPECT_EQ(FindCJKFont().path, Path("fonts/all.ttf"));
}

TEST_F(SystemFonts, LettersComeFromItWhereTheyAreWanted) {
  const ui::FontFile cjk = {Path("cjk.ttf"), 0};
  SquareFont({0x4E2D, 0x3042, 0xD55C}).Write(cjk.path);
  ui::Letters letters;
  ui::AddCJKLetters("中 and あ, мир", letters);
  EXPECT_EQ(letters, (ui::Letters{0x4E2D, 0x3042}));
  const ui::Fonts fonts = ui::LoadFonts(kBundled, cjk, letters, 1, nullptr);
  for (const ImWchar letter : {0x4E2D, 0x3042, 0x0436, 0x03B1, 0x1EC7}) EXPECT_TRUE(Has(fonts, letter)) << letter;
  EXPECT_FALSE(Has(fonts, 0xD55C)) << "nobody wrote it";
  EXPECT_TRUE(ui::WithCommonOnes(letters).count(0x6C34)) << "water is a common one";
  // As large as the other letters: a line of DejaVu is 1.164 em, of this font 1.
  const ImFontGlyph& square = *fonts.body->FindGlyphNoFallback(0x4E2D);
  EXPECT_NEAR(square.X1 - square.X0, 0.8 * 15 / 1.164, 1.1);
}

TEST_F(SystemFonts, AFileThatIsNoFontIsLeftOut) {
  for (const std::string& content : {std::string("no font"), std::string("\0\1\0\0\xFF\xFF", 6), std::string("ttcf")}) {
    std::ofstream(Path("broken.ttf"), std::ios::binary) << content;
    const ui::Fonts fonts = ui::LoadFonts(kBundled, {Path("broken.ttf"), 3}, {0x4E2D}, 1, nullptr);
    EXPECT_TRUE(Has(fonts, 'a'));
    EXPECT_FALSE(Has(fonts, 0x4E2D));
  }
}

}  // namespace
}  // namespace app
