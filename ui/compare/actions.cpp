#include "ui/compare/actions.h"

#include "ui/compare/panels.h"
#include "ui/compare/player.h"
#include "ui/compare/stage.h"

namespace ui {
namespace {

CompareLocal& Mine(Context& c) { return c.local.compare; }

std::string Here(const Context& c) {
  return c.state.workspace == Workspace::kCompare ? "" : "In the workspace Compare";
}

std::string HasOne(const Context& c) {
  if (!Here(c).empty()) return Here(c);
  return c.view.compare.clips.empty() ? "No clip is open" : "";
}

std::string HasTwo(const Context& c) {
  if (!Here(c).empty()) return Here(c);
  if (c.view.compare.abx.running) return "A blind test runs";
  return c.view.compare.clips.size() < 2 ? "It takes two clips" : "";
}

std::string HasThree(const Context& c) {
  if (!HasTwo(c).empty()) return HasTwo(c);
  return c.view.compare.clips.size() < 3 ? "There is no other clip" : "";
}

std::string InWipe(const Context& c) {
  if (!HasTwo(c).empty()) return HasTwo(c);
  return c.local.compare.mode == CompareMode::kWipe ? "" : "In the wipe";
}

std::string HasWorst(const Context& c) {
  if (!HasTwo(c).empty()) return HasTwo(c);
  const CompareCurves* curves = c.view.compare.CurvesOf(c.local.compare.right);
  return curves && curves->worst_frame >= 0 ? "" : "Nothing is measured yet";
}

std::string HasHeats(const Context& c) {
  if (!HasTwo(c).empty()) return HasTwo(c);
  return c.view.compare.heats.empty() ? "There is no record of their attention" : "";
}

std::string HasPixel(const Context& c) {
  if (!HasOne(c).empty()) return HasOne(c);
  if (c.view.compare.abx.running) return "A blind test runs";
  return c.local.compare.has_pixel ? "" : "Point at the picture";
}

// In a blind test 1, 2 and 3 show A, B and X.
std::string HasSides(const Context& c) {
  if (!Here(c).empty()) return Here(c);
  return c.view.compare.clips.size() < 2 ? "It takes two clips" : "";
}
std::string InTest(const Context& c) {
  if (!Here(c).empty()) return Here(c);
  return c.view.compare.abx.running ? "" : "In a blind test";
}

void OneSide(Context& c, size_t side) {
  CompareLocal& local = Mine(c);
  if (c.view.compare.abx.running) {
    local.abx_show = static_cast<int>(side);
  } else if (local.mode == CompareMode::kOneSide && local.one_side == side) {
    local.mode = CompareMode::kWipe;
  } else {
    local.mode = CompareMode::kOneSide;
    local.one_side = side;
  }
}

void Toggle(Context& c, CompareMode mode) {
  CompareLocal& local = Mine(c);
  local.mode = local.mode == mode ? CompareMode::kWipe : mode;
}

constexpr Action kActions[] = {
    {"compare_wipe",
     "Wipe, or side by side",
     "Compare",
     {'W'},
     false,
     HasTwo,
     [](Context& c) {
       CompareLocal& local = Mine(c);
       local.mode = local.mode == CompareMode::kWipe ? CompareMode::kSideBySide : CompareMode::kWipe;
     }},
    {"compare_lock",
     "Lock the wipe's line, or let it follow the mouse",
     "Compare",
     {'L'},
     false,
     InWipe,
     [](Context& c) { Mine(c).locked = !Mine(c).locked; }},
    {"compare_swap",
     "Swap the sides",
     "Compare",
     {'S'},
     false,
     HasTwo,
     [](Context& c) { Mine(c).swapped = !Mine(c).swapped; }},
    {"compare_left",
     "The left clip alone, or all",
     "Compare",
     {'1'},
     false,
     HasSides,
     [](Context& c) { OneSide(c, 0); }},
    {"compare_right",
     "The right clip alone, or all",
     "Compare",
     {'2'},
     false,
     HasSides,
     [](Context& c) { OneSide(c, 1); }},
    {"compare_x", "X of the blind test", "Compare", {'3'}, false, InTest, [](Context& c) { Mine(c).abx_show = 2; }},
    {"compare_next",
     "Next clip against the reference",
     "Compare",
     {kKeyTab},
     false,
     HasThree,
     [](Context& c) { NextClip(Mine(c), c.view.compare); }},
    {"compare_difference",
     "Difference, or wipe",
     "Compare",
     {'0'},
     false,
     HasTwo,
     [](Context& c) { Toggle(c, CompareMode::kDifference); }},
    {"compare_kind",
     "Next kind of difference",
     "Compare",
     {'G'},
     false,
     HasTwo,
     [](Context& c) {
       CompareLocal& local = Mine(c);
       local.difference = static_cast<DifferenceMode>((static_cast<int>(local.difference) + 1) % 4);
     }},
    {"compare_flicker",
     "Flicker between the two, or wipe",
     "Compare",
     {'F'},
     false,
     HasTwo,
     [](Context& c) { Toggle(c, CompareMode::kFlicker); }},
    {"compare_later",
     "Shift the right clip a frame later",
     "Compare",
     {'='},
     false,
     HasTwo,
     [](Context& c) {
       c.Do(CompareShift{Mine(c).right, 1});
     }},
    {"compare_earlier",
     "Shift the right clip a frame earlier",
     "Compare",
     {'-'},
     false,
     HasTwo,
     [](Context& c) {
       c.Do(CompareShift{Mine(c).right, -1});
     }},
    {"compare_worst",
     "Go to the worst frame",
     "Compare",
     {'B'},
     false,
     HasWorst,
     [](Context& c) { SeekClock(Mine(c), c.view.compare, c.view.compare.CurvesOf(Mine(c).right)->worst_frame); }},
    {"compare_region",
     "Measure inside a region",
     "Compare",
     {'R'},
     false,
     HasTwo,
     [](Context& c) { Mine(c).choosing_region = !Mine(c).choosing_region; }},
    {"compare_copy",
     "Copy the pixel's place and values",
     "Compare",
     {'C'},
     false,
     HasPixel,
     [](Context& c) {
       const CompareView& view = c.view.compare;
       const CompareLocal& local = Mine(c);
       std::string text = "frame " + std::to_string(view.shown_frame + 1) + ", pixel " + std::to_string(local.pixel_x) +
                          ", " + std::to_string(local.pixel_y) + ":";
       for (const CompareClip& clip : view.clips)
         text += " " + clip.letter + " " + PixelText(view, clip, local.pixel_x, local.pixel_y);
       ImGui::SetClipboardText(text.c_str());
     }},
    {"compare_smooth",
     "Nearest or linear between pixels",
     "Compare",
     {'I'},
     false,
     HasOne,
     [](Context& c) { Mine(c).smooth = !Mine(c).smooth; }},
    {"compare_heats",
     "Heat maps of both, and their difference",
     "Compare",
     {'V'},
     false,
     HasHeats,
     [](Context& c) { Mine(c).heats_open = !Mine(c).heats_open; }},
    {"compare_abx", "Blind test (ABX)", "Compare", {}, false, HasTwo, [](Context& c) { Mine(c).abx_open = true; }},
    {"compare_export",
     "Export this comparison…",
     "Compare",
     {'E'},
     false,
     HasTwo,
     [](Context& c) { Mine(c).export_open = Mine(c).focus_export = true; }},
    {"keep_a",
     "These settings are A of the next A/B",
     "Create",
     {},
     false,
     [](const Context& c) { return c.view.why_not.generate; },
     [](Context& c) { c.Do(CompareKeepA{true}); }},
    {"dense_a",
     "Dense is A of the next A/B",
     "Create",
     {},
     false,
     [](const Context& c) { return std::string(c.view.ab_reference == "dense" ? "It is" : ""); },
     [](Context& c) { c.Do(CompareKeepA{false}); }},
    {"compare_clear", "Close the comparison", "Compare", {}, false, HasOne, [](Context& c) { c.Do(CompareOpen{}); }},
};

}  // namespace

std::span<const Action> CompareActions() { return kActions; }

std::string WhyNoCompareClock(const Context& c) { return c.view.compare.clips.empty() ? "No clip is open" : ""; }

void StepCompare(Context& c, int frames) { StepClock(Mine(c), c.view.compare, frames); }

void PlayCompare(Context& c) {
  CompareLocal& local = Mine(c);
  local.playing = !local.playing;
  if (local.playing && local.playing_mode == Playing::kOnce &&
      local.position >= static_cast<double>(c.view.compare.num_frames) - 1)
    local.position = 0;
}

}  // namespace ui
