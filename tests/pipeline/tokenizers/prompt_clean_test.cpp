#include "pipeline/tokenizers/prompt_clean.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "attention/base/error.h"
#include "tests/pipeline/tokenizers/goldens.h"

namespace {

using pipeline::CleanPrompt;

TEST(CleanPrompt, EqualsFtfyAndHtml) {
  const auto pairs = text_goldens::ReadJson("clean.json");
  ASSERT_GE(pairs.size(), 900u);
  for (const auto& pair : pairs) {
    const auto prompt = pair[0].get<std::string>();
    const auto result = CleanPrompt(prompt);
    ASSERT_EQ(result.text, pair[1].get<std::string>()) << "prompt: " << pair[0].dump(-1, ' ', true).substr(0, 300);
    EXPECT_TRUE(result.changed() || result.text == prompt);
  }
}

TEST(CleanPrompt, NamesWhatItChanged) {
  EXPECT_TRUE(CleanPrompt("a red sphere").steps.empty());
  EXPECT_EQ(CleanPrompt("“a”  &amp; b").steps, (std::vector<std::string>{"HTML entities", "quotes", "white space"}));
  EXPECT_EQ(CleanPrompt("ﬁ\x07 Ａ").steps,
            (std::vector<std::string>{"ligatures", "character width", "control characters"}));
}

TEST(CleanPrompt, RefusesWhatIsNotUtf8WithItsOffset) {
  const std::vector<std::pair<std::string, int>> broken = {{"\x80", 0},         {"ab\xC3", 2},
                                                           {"a\xC0\x80", 1},    {"red \xE2\x82 x", 4},
                                                           {"\xED\xA0\x80", 0}, {"\xF4\x90\x80\x80", 0},
                                                           {"\xE0\x80\x80", 0}, {"x\xF0\x8F\xBF\xBF", 1},
                                                           {"\xFF", 0},         {"é\xF8\x88\x80\x80\x80", 2}};
  for (const auto& [text, offset] : broken) {
    try {
      CleanPrompt(text);
      ADD_FAILURE() << "accepted the bytes at offset " << offset;
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), base::ErrorCode::kInvalidInput);
      EXPECT_NE(std::string(error.what()).find("offset " + std::to_string(offset) + " "), std::string::npos)
          << error.what();
    }
  }
}

TEST(CleanPrompt, TakesLongPrompts) {
  std::string prompt;
  for (int i = 0; i < 300000; ++i) prompt += "&amp;  é";
  EXPECT_EQ(CleanPrompt(prompt).text.size(), 300000u * 4);  // "& é" with "é&" joined: "& é& é…"
}

}  // namespace
