#pragma once

#include <imgui.h>

#include <string>
#include <vector>

#include "ui/studio.h"

namespace ui {

// A view with a model, a form of a few settings and an empty queue.
StudioView SampleView();

JobRow SampleJob(uint64_t id, JobState state, const std::string& title);

// A clip whose frame i has the id `clip_id` * 100 + i.
Clip SampleClip(uint64_t clip_id, int frames, bool preview = false);

// A grid of which the first `known_steps` steps are filled in.
SkipGrid SampleGrid(int steps, int layers, int heads, int known_steps);

// An audit of the first `known_steps` steps: off by 4 %, 3 % of it from skipping.
ErrorGrid SampleErrors(int steps, int layers, int heads, int known_steps);

// The map of one head, of which every second key block is kept.
BlockMapView SampleMap(int step, int layer, int head);

// Remembers what was shown.
class RecordedTextures final : public Textures {
 public:
  ImTextureID Show(int slot, const Image& image, bool smooth) override;
  uint64_t Bytes(int first, int last) const override { return static_cast<uint64_t>(last - first + 1) << 20; }
  std::vector<uint64_t> shown;
};

// The window's content without a window: mouse, keys and time are the test's.
class Bench {
 public:
  explicit Bench(UiState state = {}, ImVec2 display = ImVec2(1400, 860), float scale = 1);
  ~Bench();
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  // One frame; its commands are also added to `all`.
  std::vector<Command> Frame(std::vector<KeyPress> keys = {});
  void Frames(int count);

  // A click on the named place, button down and up in frames of their own.
  std::vector<Command> Click(const std::string& place, int button = 0);
  std::vector<Command> Drag(const std::string& from, const std::string& to);
  void Hover(const std::string& place);
  // Types into whatever has the keyboard.
  std::vector<Command> Type(const std::string& text);
  // A key with its native meaning for ImGui too (arrows, Enter).
  std::vector<Command> PressArrow(ImGuiKey key);

  bool Has(const std::string& place) const { return studio.places().count(place) != 0; }

  StudioView view = SampleView();
  Studio studio;
  RecordedTextures textures;
  std::vector<Command> all;
  double time_s = 100, frame_s = 1.0 / 60;
  float scale = 1;

 private:
  ImGuiContext* context_;
  Fonts fonts_;
};

// The commands of one kind.
template <class T>
std::vector<T> Only(const std::vector<Command>& commands) {
  std::vector<T> found;
  for (const Command& command : commands) {
    if (const T* one = std::get_if<T>(&command)) found.push_back(*one);
  }
  return found;
}

}  // namespace ui
