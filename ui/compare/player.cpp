#include "ui/compare/player.h"

#include <algorithm>
#include <cmath>

namespace ui {
namespace {

constexpr double kWithin = 1e-3;  // of a frame: a position that stands on it

}  // namespace

bool AdvanceClock(CompareLocal& local, const CompareView& view, double time_s, double speed) {
  const double passed = std::clamp(time_s - local.last_time_s, 0.0, 0.5);
  local.last_time_s = time_s;
  const auto count = static_cast<double>(view.num_frames);
  if (!local.playing || count < 2) return false;
  if (view.waiting) return true;
  const double move = passed * (view.fps > 0 ? view.fps : 16) * speed;
  // No frame is left out: the clock waits for the one that was asked for.
  double next = local.position + std::min(move, 1.0) * (local.backwards ? -1 : 1);
  if (next >= count) {
    if (local.playing_mode == Playing::kLoop) {
      next = kWithin;
    } else if (local.playing_mode == Playing::kPingPong) {
      local.backwards = true;
      next = count - 2 + 1 - kWithin;
    } else {
      next = count - 1 + kWithin;
      local.playing = false;
    }
  } else if (next < 0) {
    local.backwards = false;
    next = local.playing_mode == Playing::kPingPong ? 1 + kWithin : kWithin;
  }
  local.position = std::clamp(next, 0.0, count - kWithin);
  return local.playing;
}

int64_t ClockFrame(const CompareLocal& local, const CompareView& view) {
  return std::clamp<int64_t>(static_cast<int64_t>(local.position), 0, std::max<int64_t>(view.num_frames - 1, 0));
}

void SeekClock(CompareLocal& local, const CompareView& view, int64_t frame) {
  local.playing = false;
  local.position =
      static_cast<double>(std::clamp<int64_t>(frame, 0, std::max<int64_t>(view.num_frames - 1, 0))) + kWithin;
}

void StepClock(CompareLocal& local, const CompareView& view, int64_t frames) {
  const int64_t count = view.num_frames;
  if (count < 1) return;
  SeekClock(local, view, ((ClockFrame(local, view) + frames) % count + count) % count);
}

size_t FlickerSide(const CompareLocal& local, double time_s) {
  return static_cast<size_t>(std::floor(time_s * local.flicker_hz)) % 2;
}

void FollowClips(CompareLocal& local, const CompareView& view) {
  std::string key;
  for (const CompareClip& clip : view.clips) key += clip.path + "\n";
  const size_t count = view.clips.size();
  if (key != local.clips_key) {
    local.clips_key = key;
    local.left = 0;
    local.right = count < 2 ? 0 : 1;
    local.swapped = local.locked = false;
    local.position = kWithin;
    local.zoom = local.pan_x = local.pan_y = 0;
    local.playing = view.num_frames > 1;
    local.has_pixel = local.pixel_held = local.has_look = false;
  }
  if (view.num_frames != local.num_frames) {
    if (local.num_frames <= 1 && view.num_frames > 1) local.playing = true;
    local.num_frames = view.num_frames;
    local.position = std::min(local.position, std::max(0.0, static_cast<double>(view.num_frames) - kWithin));
  }
  if (local.left >= count) local.left = 0;
  if (local.right >= count) local.right = count < 2 ? 0 : 1;
}

void NextClip(CompareLocal& local, const CompareView& view) {
  const size_t count = view.clips.size();
  if (count < 3) return;
  local.right = local.right + 1 < count ? local.right + 1 : 1;
  if (local.right == local.left) local.left = 0;
}

}  // namespace ui
