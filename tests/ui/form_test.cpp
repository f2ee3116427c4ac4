#include <gtest/gtest.h>

#include <algorithm>

#include "tests/ui/bench.h"
#include "ui/widgets/setting_field.h"

namespace ui {
namespace {

SettingRow& RowOf(StudioView& view, const std::string& key) { return const_cast<SettingRow&>(*view.Find(key)); }

TEST(Form, GenerateIsOneClick) {
  Bench bench;
  const auto asked = Only<Generate>(bench.Click("generate"));
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_FALSE(asked[0].compare);
  ASSERT_EQ(Only<Generate>(bench.Click("generate_ab")).size(), 1u);
}

TEST(Form, GenerateWaitsForAReason) {
  Bench bench;
  bench.view.why_not.generate = "frames: 33, not 32";
  EXPECT_TRUE(Only<Generate>(bench.Click("generate")).empty());
  EXPECT_TRUE(Only<Generate>(bench.Frame({{kKeyEnter, true}})).empty());
}

TEST(Form, TypingSetsTheSetting) {
  Bench bench;
  bench.Click("width");
  const auto set = Only<SetSetting>(bench.Type("64"));
  ASSERT_FALSE(set.empty());
  EXPECT_EQ(set.back().key, "width");
  EXPECT_EQ(set.back().value, "64");
}

TEST(Form, ArrowsStepANumberFromItsDefault) {
  Bench bench;
  RowOf(bench.view, "frames").max = 37;
  bench.Click("frames");
  EXPECT_EQ(Only<SetSetting>(bench.PressArrow(ImGuiKey_UpArrow)).back().value, "37");
  EXPECT_EQ(Only<SetSetting>(bench.PressArrow(ImGuiKey_DownArrow)).back().value, "33");
}

TEST(Form, AWrongValueOffersItsFix) {
  Bench bench;
  SettingRow& frames = RowOf(bench.view, "frames");
  frames.value = "32";
  frames.error = "32 frames: this model makes 1 + 4·n";
  frames.fix = "33";
  bench.Frames(2);
  const auto set = Only<SetSetting>(bench.Click("fix/frames"));
  ASSERT_EQ(set.size(), 1u);
  EXPECT_EQ(set[0].value, "33");
}

TEST(Form, WordsGoToTheEndOfThePrompt) {
  Bench bench;
  auto set = Only<SetSetting>(bench.Click("word/spinning"));
  ASSERT_EQ(set.size(), 1u);
  EXPECT_EQ(set[0].value, "a red sphere spinning");
  RowOf(bench.view, "prompt").value = "";
  set = Only<SetSetting>(bench.Click("word/cube"));
  EXPECT_EQ(set.at(0).value, "cube");
}

TEST(Form, UnknownWordsAreSaidGently) {
  Bench bench;
  EXPECT_FALSE(bench.Has("add_model"));
  bench.view.model.unknown_words = {"cat"};
  bench.Frames(2);
  EXPECT_TRUE(bench.Has("add_model"));
  EXPECT_EQ(Only<Generate>(bench.Click("generate")).size(), 1u);
}

TEST(Form, WithoutVocabularyThereAreNoWords) {
  Bench bench;
  bench.view.model.vocabulary.clear();
  bench.Frames(2);
  EXPECT_FALSE(bench.Has("words"));
}

TEST(Form, SeedsLockAndShuffle) {
  Bench bench;
  const auto seeds = Only<SetSeeds>(bench.Click("seed/shuffle"));
  ASSERT_EQ(seeds.size(), 1u);
  EXPECT_TRUE(seeds[0].shuffle);
  EXPECT_EQ(seeds[0].count, 1);
}

TEST(Form, EveryOpenGroupShowsItsSettings) {
  Bench bench({}, ImVec2(1400, 1400));
  EXPECT_FALSE(bench.Has("threads"));
  bench.Click("group/how");
  bench.Frames(2);
  EXPECT_TRUE(bench.Has("threads"));
  EXPECT_EQ(bench.studio.state().open_groups, "how;");
  for (const SettingRow& row : bench.view.settings) {
    EXPECT_TRUE(row.group == "attention" || bench.Has(row.key)) << row.key;
  }
  bench.Click("group/how");
  EXPECT_EQ(bench.studio.state().open_groups, "");
}

TEST(Form, PromptTakesWhatIsTyped) {
  Bench bench;
  bench.Click("prompt");
  ImGui::GetIO().AddInputCharactersUTF8(" шар 球");
  bench.Frames(2);
  const auto set = Only<SetSetting>(bench.all);
  ASSERT_FALSE(set.empty());
  EXPECT_EQ(set.back().key, "prompt");
  EXPECT_NE(set.back().value.find("шар 球"), std::string::npos);
  EXPECT_EQ(set.back().value.find('\n'), std::string::npos);
}

TEST(Form, TooltipHasKeyRangeAndDefault) {
  SettingRow row;
  row.key = "attention.topk";
  row.help = "share of key blocks kept";
  row.range = "number above 0, up to 1";
  row.default_text = "0.5";
  row.default_from = "the model";
  const std::string text = SettingTooltip(row);
  for (const char* part :
       {"share of key blocks kept", "above 0", "Default: 0.5 (the model)", "In YAML: attention.topk"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part;
  }
  row.missing = "it is not built";
  EXPECT_NE(SettingTooltip(row).find("Not there yet: it is not built"), std::string::npos);
}

TEST(BreakLines, EveryBreakReplacesOneSpace) {
  Bench bench;
  std::string text = "one two three четыре 五 six seven eight nine ten";
  const std::string before = text;
  ImGui::NewFrame();
  BreakLines(text.data(), text.size(), 90);
  ASSERT_EQ(text.size(), before.size());
  std::string joined = text;
  std::replace(joined.begin(), joined.end(), '\n', ' ');
  EXPECT_EQ(joined, before);
  size_t lines = 0, start = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] != '\n') continue;
    EXPECT_LE(ImGui::CalcTextSize(text.substr(start, i - start).c_str()).x, 90) << text.substr(start, i - start);
    start = i + 1;
    ++lines;
  }
  EXPECT_GE(lines, 4u);
  BreakLines(text.data(), text.size(), 1e6f);
  EXPECT_EQ(text, before);
  ImGui::EndFrame();
}

TEST(BreakLines, AWordThatDoesNotFitStaysWhole) {
  Bench bench;
  ImGui::NewFrame();
  std::string text = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b";
  BreakLines(text.data(), text.size(), 40);
  EXPECT_EQ(text, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nb");
  ImGui::EndFrame();
}

TEST(Memory, AnOfferIsOneClick) {
  Bench bench;
  bench.view.memory_warning = "Will not fit: needs about 9 GB (decode), and 4 GB are available";
  bench.view.memory_offers = {{"17 frames instead of 33", "Then it takes about 3.9 GB", {{"frames", "17"}}},
                              {"64 x 64 px instead of 128 x 128", "", {{"width", "64"}, {"height", "64"}}}};
  bench.Frames(2);
  const auto one = Only<SetSetting>(bench.Click("memory_offer/0"));
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].key + one[0].value, "frames17");
  EXPECT_EQ(Only<SetSetting>(bench.Click("memory_offer/1")).size(), 2u);
  EXPECT_TRUE(bench.Has("generate")) << "there is still room for the button";
  bench.view.memory_offers.clear();
  bench.Frames(2);
  EXPECT_FALSE(bench.Has("memory_offer/0"));
}

}  // namespace
}  // namespace ui
