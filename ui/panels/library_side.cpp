#include <imgui.h>

#include <algorithm>
#include <utility>

#include "ui/library/actions.h"
#include "ui/panels/panels.h"
#include "ui/widgets/controls.h"
#include "ui/widgets/figure.h"

namespace ui {
namespace {

void Buttons(Context& c, const LibraryItem& item) {
  const float gap = c.Px(6), each = (ImGui::GetContentRegionAvail().x - gap) / 2;
  const auto beside = [&] { ImGui::SameLine(0, gap); };
  if (Button(c, "library/play", "Play", "In the workspace Create (double click, Enter)", "", each))
    c.Do(LibraryCommand(LibraryPlay{item.id}));
  beside();
  if (Button(c, "library/folder", "Open its folder", item.path, "", each))
    c.Do(LibraryCommand(LibraryOpenFolder{item.id}));
  if (Button(c, "library/keep", item.mark == Mark::kKeep ? "Kept ✓" : "Keep", "K keeps, or takes the mark off", "",
             each))
    ToggleMark(c, {item.id}, Mark::kKeep);
  beside();
  if (Button(c, "library/reject", item.mark == Mark::kReject ? "Rejected ✕" : "Reject",
             "X rejects, or takes the mark off; what is rejected is out of sight, not deleted", "", each))
    ToggleMark(c, {item.id}, Mark::kReject);
  if (Button(c, "library/finish", "Finish dense", "The same job from the same noise, with dense attention",
             !item.has_job ? "It records no job of ours"
             : item.dense  ? "It is dense"
                           : "",
             each))
    c.Do(LibraryCommand(LibraryFinish{item.id}));
  beside();
  if (Button(c, "library/mate", item.dense ? "⇄ draft" : "⇄ dense",
             item.dense ? "Opens this clip and the newest draft from the same noise in Compare"
                        : "Opens the newest dense clip from the same noise and this one in Compare",
             item.mate == 0 ? "There is no other clip from the same noise" : "", each))
    c.Do(
        LibraryCommand(LibraryCompare{item.dense ? std::vector{item.id, item.mate} : std::vector{item.mate, item.id}}));
  if (Button(c, "library/encode", "Encode again…",
             "Another codec, container or frame rate from the kept latents or the clip; nothing is rendered", "", each))
    OpenEncodeAgain(c, item.id);
  beside();
  if (Button(c, "library/delete", "Delete", "To the trash, with what lies beside it; can be undone (Del)", "", each))
    TrashChosen(c);
}

}  // namespace

void DrawLibrarySide(Context& c) {
  const LibraryItem* item = LookedAt(c);
  if (item == nullptr) {
    return Paragraph(
        c, c.theme.dim,
        "Choose a clip: what is known of it, and what can be done with it, appears here.\n\n"
        "Ctrl or Shift and a click choose more. Double click plays, K keeps, X rejects, Del deletes. Two to "
        "four clips dragged on Compare are compared.");
  }
  LibraryLocal& local = c.local.library;
  if (local.looked_at != item->id) {
    local.looked_at = item->id;
    c.Do(LibraryCommand(LibraryLook{item->id}));
  }
  CopyableParagraph(c, "library/title", c.theme.text, item->title,
                    "The prompt, or the file's name where there is none");
  ImGui::PushFont(c.fonts.small);
  CopyableParagraph(c, "library/path", c.theme.faint, item->path, "Where it is");
  ImGui::PopFont();
  ImGui::Dummy(ImVec2(0, c.Px(4)));
  Buttons(c, *item);
  ImGui::Dummy(ImVec2(0, c.Px(4)));
  const LibraryFacts& facts = c.view.library.facts;
  if (facts.id != item->id) return;
  if (!facts.error.empty()) CopyableParagraph(c, "library/error", c.theme.error, facts.error, "Why it cannot be read");
  if (!facts.note.empty()) Paragraph(c, c.theme.dim, facts.note, c.fonts.small);
  const float each = std::max((ImGui::GetContentRegionAvail().x - c.Px(8)) / 2, 1.0f);
  for (size_t i = 0; i < facts.figures.size(); ++i) {
    DrawFigure(c, "library/fact/" + facts.figures[i].label, facts.figures[i], each);
    if (i % 2 == 0 && i + 1 < facts.figures.size()) ImGui::SameLine(0, c.Px(8));
  }
}

}  // namespace ui
