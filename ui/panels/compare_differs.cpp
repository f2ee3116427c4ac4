#include <algorithm>

#include "ui/compare/panels.h"
#include "ui/widgets/controls.h"
#include "ui/widgets/figure.h"

namespace ui {

// Only the settings that are not the same, seconds and what was skipped.
void DrawCompareDiffers(Context& c) {
  const CompareView& view = c.view.compare;
  const CompareLocal& local = c.local.compare;
  const size_t left = local.left, right = local.right;
  std::string text;
  for (const auto& [key, values] : view.differing) {
    if (left >= values.size() || right >= values.size() || values[left] == values[right]) continue;
    text += (text.empty() ? "" : "   ·   ") + key + "  " + (values[left].empty() ? "?" : values[left]) + " → " +
            (values[right].empty() ? "?" : values[right]);
  }
  if (text.empty()) {
    const bool known = !view.differing.empty();
    text = known ? "nothing that changes the picture" : "their jobs are the same, or not known";
  }
  ImGui::PushFont(c.fonts.small);
  Label(c, c.theme.dim, "what differs");
  ImGui::PopFont();
  ImGui::SameLine(0, c.Px(10));
  CopyableText(c, "differs", c.theme.text, Cut(text, ImGui::GetContentRegionAvail().x),
               "Settings of the two jobs that are not the same, as the files hold them: left → right\n\n" + text, text);
  bool first = true;
  const std::string pair = "A → " + (right < view.clips.size() ? view.clips[right].letter : std::string());
  for (size_t i = 0; i < view.speeds.size(); ++i) {
    if (view.speeds[i].label != pair) continue;
    if (!first) ImGui::SameLine(0, c.Px(24));
    first = false;
    CopyableText(c, "speed/" + std::to_string(i), c.theme.text, view.speeds[i].text, view.speeds[i].definition);
  }
  if (first) Label(c, c.theme.faint, "no sidecar beside both: seconds and shares skipped are not known", c.fonts.small);
}

}  // namespace ui
