#pragma once

#include <cstdint>
#include <string>

#include "ui/compare/commands.h"
#include "ui/compare/view.h"

namespace ui {

enum class Playing { kOnce, kLoop, kPingPong };

// What the workspace remembers between frames and nobody saves.
struct CompareLocal {
  CompareMode mode = CompareMode::kWipe;
  DifferenceMode difference = DifferenceMode::kAbsolute;
  double gain = 0;  // 0: automatic
  size_t left = 0, right = 1;
  bool swapped = false;
  size_t one_side = 0;  // 0: left, 1: right
  // the wipe
  double wipe = 0.5;
  bool locked = false, vertical = true;  // the line stands upright
  double flicker_hz = 2;
  // the clock
  double position = 0;  // in frames
  double last_time_s = 0;
  bool playing = false, backwards = false;
  Playing playing_mode = Playing::kLoop;
  int64_t num_frames = 0;  // of the clips that it follows
  std::string clips_key;
  // the picture
  double zoom = 0;              // screen pixels a picture pixel; 0: fitted
  double pan_x = 0, pan_y = 0;  // of the picture's centre, in picture pixels
  bool smooth = true;           // linear between pixels, when enlarged; else the nearest one
  bool has_pixel = false;
  int pixel_x = 0, pixel_y = 0;  // under the mouse, in the reference's pixels
  bool pixel_held = false;       // this one, wherever the mouse is
  float shown_scale = 0;         // of the last frame: screen pixels a picture pixel
  bool over_caption = false;     // the mouse, in the last frame
  bool choosing_region = false, dragging_region = false;
  int region_x = 0, region_y = 0;
  Region dragged;  // so far
  int curve = 0;   // PSNR, SSIM, flicker
  // overlays
  bool export_open = false, focus_export = false, heats_open = false, abx_open = false;
  int abx_show = 2, abx_trials = 10;
  CompareExport wanted;
  bool has_look = false;
  CompareLook look;  // the last that was asked for

  size_t LeftClip() const { return swapped ? right : left; }
  size_t RightClip() const { return swapped ? left : right; }
};

// Moves the clock by the time since the last call; it waits while frames are being read. Returns whether it moves.
bool AdvanceClock(CompareLocal& local, const CompareView& view, double time_s, double speed);

// Frames forth (negative: back), around the ends; stops playing.
void StepClock(CompareLocal& local, const CompareView& view, int64_t frames);
void SeekClock(CompareLocal& local, const CompareView& view, int64_t frame);

// The frame that should be on screen.
int64_t ClockFrame(const CompareLocal& local, const CompareView& view);

// Which side flickering shows now.
size_t FlickerSide(const CompareLocal& local, double time_s);

// Follows the clips: other ones begin at their beginning, and what is looked at stays within them.
void FollowClips(CompareLocal& local, const CompareView& view);

// Tab: the next clip against the reference.
void NextClip(CompareLocal& local, const CompareView& view);

}  // namespace ui
