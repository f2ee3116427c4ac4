#pragma once

#include <span>
#include <string>

#include "ui/context.h"

namespace ui {

struct Shortcut {
  int key = 0;  // 0: none
  bool ctrl = false, shift = false;

  std::string Text() const;  // "Ctrl+Shift+P"
};

// Everything that can be done without pointing at something: menus, the palette, shortcuts, the overlay of shortcuts
// and tests all read this table.
struct Action {
  const char* id;
  const char* title;
  const char* group;
  Shortcut shortcut;
  bool while_typing;                         // its shortcut works while text is edited
  std::string (*why_not)(const Context& c);  // why it cannot be done now; "" if it can
  void (*run)(Context& c);
};

std::span<const Action> Actions();
const Action* FindAction(const std::string& id);

// Runs what the frame's key presses ask for.
void RunShortcuts(Context& c);

}  // namespace ui
