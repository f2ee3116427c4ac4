#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/gui/compare_abx.h"
#include "app/gui/compare_difference.h"
#include "app/gui/compare_export.h"
#include "app/gui/compare_frames.h"
#include "app/gui/compare_meter.h"
#include "ui/compare/commands.h"
#include "ui/view.h"

namespace app {

// What the desks of the window ask of it.
struct DeskOptions {
  std::function<void()> wake = [] {};  // from any thread: look again
  std::function<void(ui::Level level, const std::string& text, const std::string& remedy)> notify;
  std::string folder;  // of the user's own files; "": nothing is kept
  uint64_t cap_bytes = CompareFrames::kDefaultCap;
};

// The workspace Compare: its clips, the frame on screen, differences, numbers, ABX, exports. Decoding and measuring
// happen in threads of their own; what is shown is always of one frame. For one thread.
class CompareDesk {
 public:
  explicit CompareDesk(DeskOptions options);

  void Handle(const ui::CompareCommand& command);
  // Brings the view up to date; whether it changed.
  bool Tick();
  const ui::CompareView& view() const { return view_; }

 private:
  void Open(std::vector<std::string> paths);
  void TakeOpened();
  void TakeBreaks();  // files that end before they announced
  void SayBroken(size_t source, const std::string& error);
  bool Align();
  void Describe();
  void Show();
  void TakeNumbers();
  void TakeExport();
  void Export(const ui::CompareExport& wanted);
  void StartABX(const ui::ABXStart& start);
  void Answer(bool x_is_a);
  void SaveABX();
  size_t ClipOfX() const;
  int64_t FrameOf(size_t source, int64_t t) const;

  const DeskOptions options_;
  CompareFrames frames_;
  DifferenceMaker differences_;
  CompareMeter meter_;
  CompareExporter exporter_;
  std::vector<std::string> paths_;  // asked for
  bool opening_ = false;
  CompareResult compared_;           // sources, labels, clock
  std::vector<std::string> broken_;  // a remark a source that ends early
  std::map<size_t, int64_t> shift_;
  bool frame_by_frame_ = false;
  Region region_;
  ui::CompareLook look_;
  std::optional<ABXTest> abx_;
  size_t abx_left_ = 0, abx_right_ = 1;
  std::pair<size_t, size_t> heats_of_ = {0, 0};
  ui::CompareView view_;
  bool changed_ = true;
};

}  // namespace app
