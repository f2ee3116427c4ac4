#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "ui/compare/commands.h"
#include "ui/view.h"

// What the user asked for. The panels return these; whoever runs the program carries them out.
namespace ui {

struct SetSetting {        // the form; of attention: also the running job, if the view says `live`
  std::string key, value;  // "" goes back to the default
};
struct SetSeeds {
  bool shuffle = false;
  int count = 1;
};
struct SetLive {
  bool on = true;
};
struct PaintSchedule {  // a rectangle of steps and layers, both ends included
  int step0 = 0, step1 = 0, layer0 = 0, layer1 = 0;
  CellMode mode = CellMode::kBase;
};
struct ClearSchedule {};
struct Generate {
  bool compare = false;  // dense and the chosen mode from the same noise
};
struct ShowJob {
  uint64_t id = 0;
};
struct MoveJob {  // to position `to` of the queue
  uint64_t id = 0;
  size_t to = 0;
};
struct DuplicateJob {
  uint64_t id = 0;
};
struct EditJob {  // its settings go to the form; one that waits leaves the queue
  uint64_t id = 0;
};
struct CancelJob {  // running: cancelled; else it leaves the queue
  uint64_t id = 0;
};
struct RetryJob {
  uint64_t id = 0;
};
struct CancelAll {};
struct ClearFinished {};
struct PauseQueue {
  bool on = true;
};
struct AuditStep {};  // the next step of the clip that renders, every layer
struct ShowMap {      // the block map of one head of the job that is shown
  int step = 0, layer = 0, head = 0;
  std::string pass;  // "": the first that there is
};
struct OpenPath {  // a model, a JOBS.yaml, a clip
  std::string path;
};
struct SaveQueue {
  std::string path;
};
struct DismissNotice {  // 0: all
  uint64_t id = 0;
};
struct NoticeAction {
  uint64_t id = 0;
};
struct Quit {};

using Command =
    std::variant<SetSetting, SetSeeds, SetLive, PaintSchedule, ClearSchedule, Generate, ShowJob, MoveJob, DuplicateJob,
                 EditJob, CancelJob, RetryJob, CancelAll, ClearFinished, PauseQueue, AuditStep, ShowMap, OpenPath,
                 SaveQueue, DismissNotice, NoticeAction, CompareCommand, LibraryCommand, Quit>;

}  // namespace ui
