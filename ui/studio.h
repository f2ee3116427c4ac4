#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ui/commands.h"
#include "ui/context.h"
#include "ui/input.h"
#include "ui/letters.h"
#include "ui/state.h"
#include "ui/view.h"

namespace ui {

// The window's content. Needs a current ImGui context, between NewFrame and Render.
class Studio {
 public:
  explicit Studio(UiState state) : state_(Sane(std::move(state))) {}

  // Draws one frame over the whole display and returns what the user asked for. `scale`: of the display and the user.
  std::vector<Command> Draw(const StudioView& view, const FrameInput& input, const Fonts& fonts, Textures& textures,
                            float scale);

  // Chinese, Japanese and Korean letters of what is shown and written: the font needs them.
  Letters CJKLetters(const StudioView& view);

  const UiState& state() const { return state_; }
  const CompareLocal& compare() const { return local_.compare; }  // for tests
  // Whether something moves: the next frame should come soon without any input.
  bool wants_frames() const { return wants_frames_; }
  // Where widgets were in the last frame, by name ("generate", "mode/dense", "heat/0/2", …).
  const std::map<std::string, Rect>& places() const { return places_; }

  // Does one action of the table by its id, as the palette would; false where there is none or it cannot be done now.
  bool RunAction(const std::string& id, const StudioView& view, std::vector<Command>& out);

  // Puts the keyboard into the prompt.
  void FocusPrompt() { local_.focus_prompt = true; }

 private:
  UiState state_;
  Local local_;
  std::map<std::string, Rect> places_;
  bool wants_frames_ = false;
  std::shared_ptr<const std::vector<LibraryItem>> library_items_;
  Letters library_letters_;  // of those
  bool themed_ = false, themed_dark_ = false;
  float themed_scale_ = 0;
};

}  // namespace ui
