#pragma once

#include <algorithm>

#include "ui/context.h"
#include "ui/widgets/controls.h"

namespace ui {

// A panel of the layout: what is drawn during its life is inside.
class Panel {
 public:
  Panel(const Context& c, const char* name, ImVec2 at, ImVec2 size, int flags = 0) {
    ImGui::SetCursorScreenPos(at);
    ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, ImVec2(c.Px(12), c.Px(10)));
    ImGui::BeginChild(name, ImVec2(std::max(size.x, 1.0f), std::max(size.y, 1.0f)), true,
                      flags | ImGuiWindowFlags_NavFlattened);  // the arrows go from panel to panel
    Begins(c, name);
  }
  // What comes now belongs to this panel; its first control gets the keyboard, if that is wanted.
  static void Begins(const Context& c, const char* name) {
    c.local.panels.emplace_back(name);
    if (c.local.focus_panel != name) return;
    c.local.focus_panel.clear();
    GiveKeysToNext();
  }
  ~Panel() {
    ImGui::EndChild();
    ImGui::PopStyleVar();
  }
  Panel(const Panel&) = delete;
  Panel& operator=(const Panel&) = delete;
};

}  // namespace ui
