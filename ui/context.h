#pragma once

#include <imgui.h>

#include <map>
#include <string>
#include <vector>

#include "ui/commands.h"
#include "ui/compare/player.h"
#include "ui/input.h"
#include "ui/state.h"
#include "ui/theme.h"
#include "ui/view.h"

namespace ui {

struct Rect {
  float x0 = 0, y0 = 0, x1 = 0, y1 = 0;
};

// What the panels remember between frames and nobody saves.
struct Local {
  // texts being edited
  std::string edited_key, edited_text;  // the field of the form that has the focus
  std::string path_text;                // the field for paths, in "open" and "save as"
  bool path_open = false, path_saves = false, focus_path = false;
  bool focus_prompt = false;
  std::vector<std::string> panels;  // of the last frame, in the order of the keyboard's way through them
  std::string panel, focus_panel;   // where that is; which is to get the keyboard
  // overlays
  bool palette_open = false, shortcuts_open = false, notices_open = false;
  std::string palette_text;
  int palette_row = 0;
  bool focus_palette = false;
  // the player
  uint64_t clip_id = 0;
  bool clip_is_preview = false;
  bool playing = true, one_to_one = false;
  double position = 0;  // in frames
  double last_time_s = 0;
  // the sparsity panel
  int cell_step = -1, cell_layer = -1;  // whose heads are shown
  int cell_head = -1;                   // whose block map is shown
  uint64_t cell_job = 0;
  int error_part = 0;      // of an audit: all, what skipping costs, what 8 bits cost
  bool map_large = false;  // the block map takes the viewer's place
  // the painter
  CellMode brush = CellMode::kDense;
  bool painting = false;
  int paint_step = 0, paint_layer = 0;
  int brush_step = -1, brush_layer = -1;  // where the keys have the brush; −1: nowhere yet
  bool brush_down = false;                // since paint_step and paint_layer
  CompareLocal compare;
  LibraryLocal library;
  uint64_t go_count = 0;  // the last wish that was followed
  // the queue
  double escape_since = -1;
  int drag_job = -1;
};

// What a panel draws with.
struct Context {
  const StudioView& view;
  const FrameInput& input;
  const Theme& theme;
  const Fonts& fonts;
  Textures& textures;
  UiState& state;
  Local& local;
  std::vector<Command>& out;
  std::map<std::string, Rect>& places;  // of widgets by name, for tests
  float scale = 1;
  bool* wants_frames = nullptr;  // set by what moves

  float Px(float units) const { return units * scale; }
  // Takes note of where the last item is; as "focus" too, if the keyboard is there and shows it.
  void Mark(const std::string& name) {
    const ImVec2 a = ImGui::GetItemRectMin(), b = ImGui::GetItemRectMax();
    places[name] = {a.x, a.y, b.x, b.y};
    if (ImGui::IsItemFocused() && ImGui::GetIO().NavVisible) places["focus"] = places[name];
  }
  template <class T>
  void Do(T command) {
    out.emplace_back(std::move(command));
  }
};

}  // namespace ui
