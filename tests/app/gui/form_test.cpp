#include "app/gui/form.h"

#include <gtest/gtest.h>

#include "app/settings/rules.h"
#include "app/settings/table.h"
#include "tests/app/gui/fake_link.h"

namespace app {
namespace {

using enum ui::CellMode;

Form FormWithModel() {
  Form form;
  form.SetModel(FakeCard("/models/fake"), "");
  form.Set("model", "/models/fake");
  form.Set("prompt", "a sphere");
  return form;
}

ui::StudioView ViewOf(const Form& form) {
  ui::StudioView view;
  form.Fill(view);
  return view;
}

TEST(Form, HasARowForEverySettingThatIsBuilt) {
  const ui::StudioView view = ViewOf(FormWithModel());
  for (const Setting& setting : Settings()) {
    const ui::SettingRow* row = view.Find(std::string(setting.key));
    if (setting.group == "reserved") {
      EXPECT_EQ(row, nullptr) << setting.key;
      continue;
    }
    ASSERT_NE(row, nullptr) << setting.key;
    EXPECT_EQ(row->help, setting.help);
    EXPECT_FALSE(row->range.empty()) << setting.key;
  }
}

TEST(Form, DefaultsAreTheModels) {
  const ui::StudioView view = ViewOf(FormWithModel());
  EXPECT_EQ(view.Find("width")->default_text, "32");
  EXPECT_EQ(view.Find("width")->default_from, "FakePipeline");
  EXPECT_EQ(view.Find("attention.topk")->default_text, "0.25");
  EXPECT_EQ(view.Find("attention.topk")->default_from, "sparge.yaml:3:3");
  EXPECT_EQ(view.Find("attention.theta")->default_from, "the program");
  EXPECT_EQ(view.why_not.generate, "");
}

TEST(Form, WrongSizesOfferTheNearest) {
  Form form = FormWithModel();
  form.Set("frames", "32");
  form.Set("width", "100");
  const ui::StudioView view = ViewOf(form);
  EXPECT_EQ(view.Find("frames")->fix, "33");
  EXPECT_NE(view.Find("frames")->error.find("not 32"), std::string::npos);
  EXPECT_EQ(view.Find("width")->fix, "96");
  EXPECT_NE(view.why_not.generate, "");
  form.Set("frames", "33");
  form.Set("width", "");
  EXPECT_EQ(form.WhyNot(), "");
}

TEST(Form, WrongTextsStayAndAreNoSettings) {
  Form form = FormWithModel();
  form.Set("steps", "many");
  EXPECT_EQ(form.Text("steps"), "many");
  EXPECT_EQ(form.Settings().count("steps"), 0u);
  EXPECT_FALSE(ViewOf(form).Find("steps")->error.empty());
  EXPECT_EQ(ViewOf(form).schedule.num_steps, 10) << "what is right still counts";
  form.Set("no.such.key", "1");
  EXPECT_EQ(form.Text("no.such.key"), "");
}

TEST(Form, AttentionIsHeldAgainstTheModel) {
  Form form = FormWithModel();
  form.Set("attention.dense_layers", "7");
  EXPECT_FALSE(ViewOf(form).Find("attention.dense_layers")->error.empty());
  EXPECT_FALSE(ViewOf(form).schedule.note.empty());
}

TEST(Form, TakesItsOwnSettingsBack) {
  Form form = FormWithModel();
  form.Set("seed", "-5");
  form.Set("keep_latents", "off");
  form.Set("attention.lambda", "-3.5");
  form.Set("attention.schedule", "[{steps: 0-1, mode: dense}]");
  const ExplicitSettings settings = form.Settings();
  EXPECT_EQ(settings.at("seed"), -5);
  EXPECT_EQ(settings.at("keep_latents"), false);
  Form other = FormWithModel();
  other.Take(settings);
  EXPECT_EQ(other.Settings(), settings);
}

TEST(Form, UnknownWordsAreListed) {
  Form form = FormWithModel();
  form.Set("prompt", "a cat and a cube");
  EXPECT_EQ(ViewOf(form).model.unknown_words, (std::vector<std::string>{"a", "cat", "and"}));
}

TEST(Form, WithoutModelOrPromptItSaysWhatIsMissing) {
  Form form;
  EXPECT_EQ(form.WhyNot(), "Choose a model first");
  form.Set("model", "/x");
  form.SetModel(std::nullopt, "/x: no model_index.json");
  EXPECT_EQ(form.WhyNot(), "/x: no model_index.json");
  form = FormWithModel();
  form.Set("prompt", "  ");
  EXPECT_NE(form.WhyNot().find("prompt"), std::string::npos);
}

TEST(Paint, BecomesFewRules) {
  // 4 steps × 3 layers: layer 0 dense throughout, layers 1 and 2 dense8 at step 3.
  std::vector<ui::CellMode> painted(12, kBase);
  for (size_t step = 0; step < 4; ++step) painted[step * 3] = kDense;
  painted[10] = painted[11] = kDense8;
  const Value rules = RulesOfPaint(painted, 4, 3);
  ASSERT_EQ(rules.size(), 3u) << rules;
  EXPECT_EQ(rules[0], (Value{{"steps", "0-2"}, {"layers", "0"}, {"mode", "dense"}}));
  EXPECT_EQ(rules[1], (Value{{"steps", "3"}, {"layers", "0"}, {"mode", "dense"}}));
  EXPECT_EQ(rules[2], (Value{{"steps", "3"}, {"layers", "1-2"}, {"mode", "dense8"}}));
  EXPECT_NO_THROW(ParseRulesJSON(*FindSetting("attention.schedule"), rules));
}

TEST(Paint, TheRulesGiveThePaintedGrid) {
  Form form = FormWithModel();
  uint32_t random = 7;
  std::vector<ui::CellMode> wanted(30, kBase);
  for (int i = 0; i < 40; ++i) {
    random = random * 1664525 + 1013904223;
    const int step = static_cast<int>(random >> 8) % 10, layer = static_cast<int>(random >> 16) % 3;
    const auto mode = static_cast<ui::CellMode>((random >> 24) % 4);
    form.Paint(step, step, layer, layer, mode);
    wanted[static_cast<size_t>(step * 3 + layer)] = mode;
    const ui::ScheduleView schedule = ViewOf(form).schedule;
    ASSERT_EQ(schedule.painted, wanted);
    for (size_t cell = 0; cell < wanted.size(); ++cell) {
      if (wanted[cell] != kBase) {
        ASSERT_EQ(schedule.effective[cell], wanted[cell]) << cell << " " << form.Text("attention.schedule");
      } else {
        ASSERT_NE(schedule.effective[cell], kBase);
      }
    }
  }
  form.ClearPaint();
  EXPECT_EQ(form.Text("attention.schedule"), "");
}

TEST(Paint, FollowsTheNumberOfSteps) {
  Form form = FormWithModel();
  form.Paint(0, 9, 2, 2, kDense);
  form.Set("steps", "4");
  EXPECT_EQ(form.Settings().at("attention.schedule")[0]["steps"], "0-3");
  EXPECT_EQ(form.WhyNot(), "");
}

TEST(Paint, DenseStepsAndLayersShowThrough) {
  Form form = FormWithModel();
  form.Set("attention.dense_layers", "-1");
  form.Set("attention.dense_as", "dense8");
  const ui::ScheduleView schedule = ViewOf(form).schedule;
  EXPECT_EQ(schedule.effective[schedule.index(5, 2)], kDense8);
  EXPECT_EQ(schedule.effective[schedule.index(5, 1)], kSparge);
}

}  // namespace
}  // namespace app
