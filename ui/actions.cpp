#include "ui/actions.h"

#include <algorithm>
#include <string>
#include <vector>

#include "ui/attention_actions.h"
#include "ui/compare/actions.h"
#include "ui/compare/stage.h"
#include "ui/library/actions.h"
#include "ui/panels/panels.h"

namespace ui {
namespace {

std::string Always(const Context&) { return ""; }
std::string CanGenerate(const Context& c) { return c.view.why_not.generate; }
std::string HasRunning(const Context& c) { return c.view.Running() ? "" : "Nothing renders"; }
std::string HasJobs(const Context& c) { return c.view.jobs.empty() ? "The queue is empty" : ""; }
bool InCompare(const Context& c) { return c.state.workspace == Workspace::kCompare; }
std::string HasClip(const Context& c) {
  if (InCompare(c)) return WhyNoCompareClock(c);
  return c.view.clip && !c.view.clip->frames.empty() ? "" : "No clip is shown";
}
// L locks the wipe's line there.
std::string CanSpeedUp(const Context& c) {
  if (InCompare(c) && c.local.compare.mode == CompareMode::kWipe) return "L locks the line of the wipe: Shift+L";
  return HasClip(c);
}
std::string HasNotices(const Context& c) { return c.view.notices.empty() ? "There are no notices" : ""; }
std::string HasShown(const Context& c) {
  return c.view.FindJob(c.view.shown_job) ? "" : "No clip of the queue is shown";
}
std::string CanPause(const Context& c) { return c.view.paused ? "" : c.view.why_not.pause; }
void NextJob(Context& c) {
  const auto& jobs = c.view.jobs;
  if (jobs.empty()) return;
  const auto it = std::find_if(jobs.begin(), jobs.end(), [&](const JobRow& job) { return job.id == c.view.shown_job; });
  const size_t at = it == jobs.end() ? 0 : (static_cast<size_t>(it - jobs.begin()) + 1) % jobs.size();
  c.Do(ShowJob{jobs[at].id});
}

size_t PlaceOfShown(const Context& c) {
  const auto& jobs = c.view.jobs;
  return static_cast<size_t>(
      std::find_if(jobs.begin(), jobs.end(), [&](const JobRow& job) { return job.id == c.view.shown_job; }) -
      jobs.begin());
}

std::string CanMove(const Context& c, int by) {
  const size_t at = PlaceOfShown(c);
  if (at == c.view.jobs.size()) return HasShown(c);
  if (c.view.jobs[at].state != JobState::kWaiting) return "It does not wait any more";
  if (by < 0 && at == 0) return "It is the first";
  return by > 0 && at + 1 == c.view.jobs.size() ? "It is the last" : "";
}

void MoveShown(Context& c, int by) {
  const size_t at = PlaceOfShown(c);
  c.Do(MoveJob{c.view.shown_job, by < 0 ? at - 1 : at + 1});
}

std::string CanRetry(const Context& c) {
  const JobRow* job = c.view.FindJob(c.view.shown_job);
  if (!job) return HasShown(c);
  return job->state == JobState::kFailed || job->state == JobState::kCancelled ? "" : "It has not failed";
}

void ChangeSpeed(Context& c, double factor) { c.state.speed = std::clamp(c.state.speed * factor, 0.25, 4.0); }

void Zoom(Context& c, float factor) { c.state.scale = std::clamp(c.state.scale * factor, 0.5f, 3.0f); }

void NextPanel(Context& c, int by) {
  const auto& panels = c.local.panels;
  if (panels.empty()) return;
  const auto at = std::find(panels.begin(), panels.end(), c.local.panel);
  const auto count = static_cast<int>(panels.size());
  const int now = at == panels.end() ? (by > 0 ? -1 : 0) : static_cast<int>(at - panels.begin());
  c.local.panel = c.local.focus_panel = panels[static_cast<size_t>((now + by + count) % count)];
}

void OpenPathEntry(Context& c, bool saves) {
  c.local.path_open = c.local.focus_path = true;
  c.local.path_saves = saves;
}

constexpr Action kActions[] = {
    {"generate", "Generate", "Create", {kKeyEnter, true}, true, CanGenerate, [](Context& c) { c.Do(Generate{}); }},
    {"generate_ab",
     "Generate A/B: dense and as set, same noise",
     "Create",
     {kKeyEnter, true, true},
     true,
     CanGenerate,
     [](Context& c) { c.Do(Generate{true}); }},
    {"cancel",
     "Cancel the clip that renders",
     "Create",
     {kKeyEscape},
     false,
     HasRunning,
     [](Context& c) { c.Do(CancelJob{c.view.Running()->id}); }},
    {"prompt", "Edit the prompt", "Create", {'P'}, false, Always, [](Context& c) { c.local.focus_prompt = true; }},
    {"shuffle",
     "Seed: locked or another for every clip",
     "Create",
     {},
     false,
     Always,
     [](Context& c) {
       c.Do(SetSeeds{!c.view.shuffle_seed, c.view.num_seeds});
     }},
    {"play",
     "Play or pause the clip",
     "Player",
     {' '},
     false,
     HasClip,
     [](Context& c) {
       if (InCompare(c)) return PlayCompare(c);
       c.local.playing = !c.local.playing;
     }},
    {"frame_back",
     "One frame back",
     "Player",
     {'A'},
     false,
     HasClip,
     [](Context& c) { InCompare(c) ? StepCompare(c, -1) : StepFrame(c, -1); }},
    {"frame_on",
     "One frame on",
     "Player",
     {'D'},
     false,
     HasClip,
     [](Context& c) { InCompare(c) ? StepCompare(c, 1) : StepFrame(c, 1); }},
    {"slower", "Slower", "Player", {'J'}, false, HasClip, [](Context& c) { ChangeSpeed(c, 0.5); }},
    {"faster", "Faster", "Player", {'L'}, false, CanSpeedUp, [](Context& c) { ChangeSpeed(c, 2); }},
    {"faster_too",
     "Faster, in the wipe too",
     "Player",
     {'L', false, true},
     false,
     HasClip,
     [](Context& c) { ChangeSpeed(c, 2); }},
    {"one_to_one",
     "Pixels one to one, or fitted",
     "Player",
     {'Z'},
     false,
     HasClip,
     [](Context& c) {
       if (InCompare(c)) return OneToOneStage(c.local.compare);
       c.local.one_to_one = !c.local.one_to_one;
     }},
    {"loop", "Loop, or stop at the end", "Player", {}, false, Always, [](Context& c) { c.state.loop = !c.state.loop; }},
    {"pause",
     "Pause or resume",
     "Queue",
     {'P', true},
     true,
     CanPause,
     [](Context& c) { c.Do(PauseQueue{!c.view.paused}); }},
    {"next_job", "Show the next clip of the queue", "Queue", {'N'}, false, HasJobs, NextJob},
    {"duplicate",
     "Duplicate the clip shown",
     "Queue",
     {'D', true},
     true,
     HasShown,
     [](Context& c) { c.Do(DuplicateJob{c.view.shown_job}); }},
    {"edit",
     "Settings of the clip shown into the form",
     "Queue",
     {'E', true},
     true,
     HasShown,
     [](Context& c) { c.Do(EditJob{c.view.shown_job}); }},
    {"remove",
     "Cancel or remove the clip shown, or trash the chosen ones",
     "Queue",
     {kKeyDelete},
     false,
     [](const Context& c) { return c.state.workspace == Workspace::kLibrary ? WhyNoChosen(c) : HasShown(c); },
     [](Context& c) {
       if (c.state.workspace == Workspace::kLibrary) return TrashChosen(c);
       c.Do(CancelJob{c.view.shown_job});
     }},
    {"job_earlier",
     "The clip shown: earlier in the queue",
     "Queue",
     {'[', true},
     false,
     [](const Context& c) { return CanMove(c, -1); },
     [](Context& c) { MoveShown(c, -1); }},
    {"job_later",
     "The clip shown: later in the queue",
     "Queue",
     {']', true},
     false,
     [](const Context& c) { return CanMove(c, 1); },
     [](Context& c) { MoveShown(c, 1); }},
    {"retry",
     "The clip shown: try again",
     "Queue",
     {'R', true},
     false,
     CanRetry,
     [](Context& c) { c.Do(RetryJob{c.view.shown_job}); }},
    {"cancel_all", "Cancel all", "Queue", {}, false, HasJobs, [](Context& c) { c.Do(CancelAll{}); }},
    {"clear_finished",
     "Clear what has finished",
     "Queue",
     {},
     false,
     HasJobs,
     [](Context& c) { c.Do(ClearFinished{}); }},
    {"open",
     "Open a model, a JOBS.yaml or a clip…",
     "Queue",
     {'O', true},
     true,
     Always,
     [](Context& c) { OpenPathEntry(c, false); }},
    {"save",
     "Save the queue as YAML…",
     "Queue",
     {'S', true},
     true,
     HasJobs,
     [](Context& c) { OpenPathEntry(c, true); }},
    {"create",
     "Create",
     "Window",
     {'1', true},
     true,
     Always,
     [](Context& c) { c.state.workspace = Workspace::kCreate; }},
    {"compare",
     "Compare",
     "Window",
     {'2', true},
     true,
     Always,
     [](Context& c) { c.state.workspace = Workspace::kCompare; }},
    {"library",
     "Library",
     "Window",
     {'3', true},
     true,
     Always,
     [](Context& c) { c.state.workspace = Workspace::kLibrary; }},
    {"theme", "Light or dark", "Window", {}, false, Always, [](Context& c) { c.state.dark = !c.state.dark; }},
    {"larger", "Larger", "Window", {'=', true}, true, Always, [](Context& c) { Zoom(c, 1.1f); }},
    {"smaller", "Smaller", "Window", {'-', true}, true, Always, [](Context& c) { Zoom(c, 1 / 1.1f); }},
    {"actual_size", "Actual size", "Window", {'0', true}, true, Always, [](Context& c) { c.state.scale = 1; }},
    {"dismiss", "Dismiss all notices", "Window", {}, false, HasNotices, [](Context& c) { c.Do(DismissNotice{0}); }},
    {"panel_next", "Keyboard: next panel", "Window", {kKeyF6}, true, Always, [](Context& c) { NextPanel(c, 1); }},
    {"panel_back",
     "Keyboard: panel before",
     "Window",
     {kKeyF6, false, true},
     true,
     Always,
     [](Context& c) { NextPanel(c, -1); }},
    {"palette",
     "Command palette",
     "Window",
     {'P', true, true},
     true,
     Always,
     [](Context& c) { c.local.palette_open = c.local.focus_palette = true; }},
    {"keys",
     "Keys",
     "Window",
     {kKeyF1},
     true,
     Always,
     [](Context& c) { c.local.shortcuts_open = !c.local.shortcuts_open; }},
    {"quit", "Quit", "Window", {'Q', true}, true, Always, [](Context& c) { c.Do(Quit{}); }},
};

std::string KeyName(int key) {
  switch (key) {
    case kKeyF1:
      return "F1";
    case kKeyF6:
      return "F6";
    case kKeyEscape:
      return "Esc";
    case kKeyEnter:
      return "Enter";
    case kKeyDelete:
      return "Del";
    case kKeyTab:
      return "Tab";
    case kKeyLeft:
      return "←";
    case kKeyRight:
      return "→";
    case kKeyUp:
      return "↑";
    case kKeyDown:
      return "↓";
    case ' ':
      return "Space";
    case '=':
      return "+";
    case '-':
      return "−";
    default:
      return std::string(1, static_cast<char>(key));
  }
}

bool Overlaid(const Context& c) {
  return c.local.palette_open || c.local.shortcuts_open || c.local.path_open || c.local.compare.export_open ||
         c.local.library.encode_open;
}

// The tables of all workspaces.
const std::vector<Action>& AllActions() {
  static const std::vector<Action> kAll = [] {
    std::vector<Action> all(std::begin(kActions), std::end(kActions));
    const auto player = std::find_if(all.begin(), all.end(),
                                     [](const Action& action) { return std::string(action.group) == "Player"; });
    all.insert(player, AttentionActions().begin(), AttentionActions().end());
    all.insert(all.end(), CompareActions().begin(), CompareActions().end());
    all.insert(all.end(), LibraryActions().begin(), LibraryActions().end());
    return all;
  }();
  return kAll;
}

}  // namespace

std::string Shortcut::Text() const {
  if (key == 0) return "";
  return std::string(ctrl ? "Ctrl+" : "") + (shift ? "Shift+" : "") + KeyName(key);
}

std::span<const Action> Actions() { return AllActions(); }

const Action* FindAction(const std::string& id) {
  const auto all = Actions();
  const auto it = std::find_if(all.begin(), all.end(), [&](const Action& action) { return action.id == id; });
  return it == all.end() ? nullptr : &*it;
}

void RunShortcuts(Context& c) {
  const bool typing = ImGui::GetIO().WantTextInput;
  const bool on_item = ImGui::GetIO().NavVisible && ImGui::IsAnyItemFocused();  // which Space presses
  for (const KeyPress& press : c.input.keys) {
    // An overlay has the keyboard to itself, but for what closes the window.
    for (const Action& action : Actions()) {
      const Shortcut& keys = action.shortcut;
      const bool plus = press.key == '=' && !press.ctrl;  // with Shift on many keyboards
      const bool shift = keys.shift == press.shift || plus;
      if (keys.key == 0 || keys.key != press.key || keys.ctrl != press.ctrl || !shift || press.alt) continue;
      if (press.key == kKeyEscape) continue;  // held: below
      if ((typing && !action.while_typing) || (on_item && press.key == ' ')) continue;
      const std::string id = action.id;
      if (Overlaid(c) && id != "quit" && id != "keys") continue;
      if (action.why_not(c).empty()) action.run(c);
    }
  }
}

}  // namespace ui
