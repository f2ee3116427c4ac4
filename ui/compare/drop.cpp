#include "ui/compare/drop.h"

#include <imgui.h>
#include <imgui_internal.h>

#include <algorithm>

namespace ui {

void TakeDroppedClips(Context& c, const char* name, const Rect& part) {
  if (ImGui::GetDragDropPayload() == nullptr) return;
  if (!ImGui::BeginDragDropTargetCustom(ImRect(part.x0, part.y0, part.x1, part.y1), ImGui::GetID(name))) return;
  const ImGuiPayload* payload = ImGui::AcceptDragDropPayload(kClipPayload);
  size_t added = 0;
  if (payload != nullptr && payload->DataSize > 0) {
    const char *at = static_cast<const char*>(payload->Data), *end = at + payload->DataSize;
    while (at < end) {
      const char* stop = std::find(at, end, '\0');
      if (stop != at) {
        c.Do(CompareAdd{std::string(at, stop), true});
        ++added;
      }
      at = stop == end ? end : stop + 1;
    }
  }
  if (added > 0 && c.view.compare.clips.size() + added >= 2) c.state.workspace = Workspace::kCompare;
  ImGui::EndDragDropTarget();
}

}  // namespace ui
