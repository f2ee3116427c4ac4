#include <algorithm>

#include "ui/compare/panels.h"
#include "ui/widgets/controls.h"
#include "ui/widgets/figure.h"

namespace ui {
namespace {

constexpr const char* kDefinition =
    "Probability of at least this many right answers by guessing: exact binomial, one-sided. Below 5 % is commonly "
    "taken to mean that a difference was seen.";

void Before(Context& c, float width) {
  CompareLocal& local = c.local.compare;
  const CompareView& view = c.view.compare;
  Paragraph(c, c.theme.dim,
            "X is A or B, drawn anew in every trial. Look at all three as long as you like and say which one X is. "
            "Labels, numbers and heat maps are hidden until the end.");
  Label(c, c.theme.dim, "trials", c.fonts.small);
  ImGui::SetNextItemWidth(width);
  ImGui::SliderInt("###abx_trials", &local.abx_trials, 5, 40, "%d", ImGuiSliderFlags_AlwaysClamp);
  c.Mark("abx/trials");
  CopyLastByRightClick(c, std::to_string(local.abx_trials),
                       "How often X is drawn. With 5 trials only all right is below 5 %; more trials show less.");
  if (PrimaryButton(c, "abx/start", "Start", "", view.clips.size() < 2 ? "It takes two clips" : "", width, false)) {
    c.Do(ABXStart{local.abx_trials, local.left, local.right});
    local.abx_show = 2;
    local.heats_open = false;
    local.playing = view.num_frames > 1;
  }
}

void During(Context& c, float width) {
  CompareLocal& local = c.local.compare;
  const ABXView& abx = c.view.compare.abx;
  ImGui::PushFont(c.fonts.title);
  CopyableText(c, "abx/trial", c.theme.text,
               "Trial " + std::to_string(abx.trial + 1) + " of " + std::to_string(abx.num_trials),
               "The one that is to be answered, from 1; how many are right is told at the end");
  ImGui::PopFont();
  Bar(c, static_cast<double>(abx.trial) / std::max(abx.num_trials, 1), ImVec2(width, c.Px(6)), c.theme.accent);
  const char* const names[] = {"A", "B", "X"};
  const ImU32 dots[] = {c.theme.a, c.theme.b, c.theme.accent};
  const int shown = Segments(c, "abx/show", names, dots, 3, local.abx_show, width);
  if (shown >= 0) local.abx_show = shown;
  Label(c, c.theme.faint, "keys 1, 2, 3", c.fonts.small);
  ImGui::Dummy(ImVec2(0, c.Px(8)));
  const float each = (width - c.Px(8)) / 2;
  if (Button(c, "abx/is_a", "X is A", "", "", each)) c.Do(ABXAnswer{true});
  ImGui::SameLine(0, c.Px(8));
  if (Button(c, "abx/is_b", "X is B", "", "", each)) c.Do(ABXAnswer{false});
}

void After(Context& c, float width) {
  const ABXView& abx = c.view.compare.abx;
  const std::string right = std::to_string(abx.correct) + " of " + std::to_string(abx.num_trials);
  DrawFigure(c, "abx/correct", {"right answers", right, "Trials in which X was named rightly."}, width);
  DrawFigure(c, "abx/p", {"p-value", Number(abx.p_value, 4), kDefinition}, width);
  Paragraph(c, c.theme.text,
            abx.p_value < 0.05 ? "You could tell them apart: guessing alone would hardly do that."
                               : "This does not show that you could tell them apart: guessing may do as well.");
  if (!abx.saved_path.empty()) {
    Label(c, c.theme.faint, "saved", c.fonts.small);
    CopyableText(c, "abx/path", c.theme.dim, Cut(abx.saved_path.substr(abx.saved_path.rfind('/') + 1), width),
                 "The record of this test: every trial's X and answer", abx.saved_path);
  }
  if (Button(c, "abx/again", "Again", "", "", width)) c.Do(ABXStop{});
}

}  // namespace

void DrawABX(Context& c) {
  const ABXView& abx = c.view.compare.abx;
  const float width = ImGui::GetContentRegionAvail().x;
  Label(c, c.theme.text, "Blind test (ABX)", c.fonts.title);
  abx.running ? During(c, width) : abx.finished ? After(c, width) : Before(c, width);
  ImGui::Dummy(ImVec2(0, c.Px(8)));
  if (Button(c, "abx/close", abx.running ? "Give up" : "Back", abx.running ? "Nothing is saved" : "", "", width)) {
    c.Do(ABXStop{});
    c.local.compare.abx_open = false;
  }
}

}  // namespace ui
