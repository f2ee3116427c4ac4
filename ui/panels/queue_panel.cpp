#include <algorithm>

#include "ui/panels/panels.h"
#include "ui/widgets/controls.h"
#include "ui/widgets/panel.h"

namespace ui {
namespace {

struct Look {
  const char* sign;
  ImU32 color;
};

Look LookOf(const Context& c, const JobRow& job) {
  switch (job.state) {
    case JobState::kWaiting:
      return {"○", c.theme.dim};
    case JobState::kRunning:
      return {"●", c.theme.accent};
    case JobState::kPausing:
    case JobState::kPaused:
      return {"Ⅱ", c.theme.warning};
    case JobState::kDone:
      return {"✓", c.theme.good};
    case JobState::kFailed:
      return {"⚠", c.theme.error};
    case JobState::kCancelled:
      return {"✕", c.theme.faint};
  }
  return {"", c.theme.dim};
}

std::string StateText(const JobRow& job) {
  switch (job.state) {
    case JobState::kWaiting:
      return job.error.empty() ? "waiting" : job.error;
    case JobState::kRunning:
      return (job.stage.empty() ? "starting" : job.stage) +
             (job.total > 0 ? " " + std::to_string(job.step) + "/" + std::to_string(job.total) : "");
    case JobState::kPausing:
      return "pausing…";
    case JobState::kPaused:
      return "paused " + std::to_string(job.step) + "/" + std::to_string(job.total);
    case JobState::kDone:
      return "done" + (job.seconds ? " in " + Clock(*job.seconds) : "");
    case JobState::kFailed:
      return "failed";
    case JobState::kCancelled:
      return "cancelled";
  }
  return "";
}

bool Active(const JobRow& job) {
  return job.state == JobState::kRunning || job.state == JobState::kPausing || job.state == JobState::kPaused;
}

void Menu(Context& c, const JobRow& job, size_t index) {
  const bool waiting = job.state == JobState::kWaiting;
  if (ImGui::MenuItem("Show")) c.Do(ShowJob{job.id});
  if (ImGui::MenuItem("Duplicate")) c.Do(DuplicateJob{job.id});
  if (ImGui::MenuItem(waiting ? "Edit" : "Copy its settings into the form")) c.Do(EditJob{job.id});
  if (ImGui::MenuItem("Earlier", nullptr, false, waiting && index > 0)) c.Do(MoveJob{job.id, index - 1});
  if (ImGui::MenuItem("Later", nullptr, false, waiting && index + 1 < c.view.jobs.size()))
    c.Do(MoveJob{job.id, index + 1});
  if (ImGui::MenuItem("Try again", nullptr, false,
                      job.state == JobState::kFailed || job.state == JobState::kCancelled)) {
    c.Do(RetryJob{job.id});
  }
  ImGui::Separator();
  if (!job.output.empty() && ImGui::MenuItem("Copy the file's path")) ImGui::SetClipboardText(job.output.c_str());
  if (!job.error.empty() && ImGui::MenuItem("Copy the error")) ImGui::SetClipboardText(job.error.c_str());
  if (ImGui::MenuItem(Active(job) ? "Cancel" : "Remove from the queue")) c.Do(CancelJob{job.id});
}

void Card(Context& c, const JobRow& job, size_t index, ImVec2 size) {
  ImGui::PushID(static_cast<int>(job.id));
  const ImVec2 a = ImGui::GetCursorScreenPos(), b(a.x + size.x, a.y + size.y);
  if (ImGui::InvisibleButton("card", size)) c.Do(ShowJob{job.id});
  const std::string name = "job/" + std::to_string(index);
  c.Mark(name);
  const bool focused = HasKeys(), hovered = ImGui::IsItemHovered(), shown = job.id == c.view.shown_job;
  Tooltip(c, job.title + "\n" + job.detail + (job.error.empty() ? "" : "\n\n" + job.error) +
                 "\n\nright click or the menu key: more");
  MenuByKey(c, "card menu");
  if (ImGui::BeginPopupContextItem("card menu")) {
    Menu(c, job, index);
    ImGui::EndPopup();
  }
  if (job.state == JobState::kWaiting && ImGui::BeginDragDropSource(ImGuiDragDropFlags_SourceNoPreviewTooltip)) {
    ImGui::SetDragDropPayload("job", &job.id, sizeof job.id);
    ImGui::EndDragDropSource();
  }
  if (ImGui::BeginDragDropTarget()) {
    if (const ImGuiPayload* payload = ImGui::AcceptDragDropPayload("job")) {
      uint64_t id = 0;
      std::copy_n(static_cast<const char*>(payload->Data), sizeof id, reinterpret_cast<char*>(&id));
      c.Do(MoveJob{id, index});
    }
    ImGui::EndDragDropTarget();
  }
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  const Look look = LookOf(c, job);
  draw.AddRectFilled(a, b, hovered ? c.theme.raised : c.theme.field, c.Px(6));
  if (shown) draw.AddRect(a, b, c.theme.accent, c.Px(6), 0, 1.5f);
  if (focused) draw.AddRect(a, b, c.theme.text, c.Px(6));
  if (Active(job) && job.total > 0) {
    const float width = (size.x - c.Px(16)) * static_cast<float>(std::clamp(job.fraction(), 0.0, 1.0));
    const float y = b.y - c.Px(9);
    draw.AddRectFilled(ImVec2(a.x + c.Px(8), y), ImVec2(b.x - c.Px(8), y + c.Px(3)), c.theme.raised, c.Px(2));
    if (width > 1)
      draw.AddRectFilled(ImVec2(a.x + c.Px(8), y), ImVec2(a.x + c.Px(8) + width, y + c.Px(3)), look.color, c.Px(2));
  }
  const float left = a.x + c.Px(30), room = size.x - c.Px(40);
  draw.AddText(ImVec2(a.x + c.Px(10), a.y + c.Px(8)), look.color, look.sign);
  draw.AddText(ImVec2(left, a.y + c.Px(8)), c.theme.text, Cut(job.title, room).c_str());
  ImGui::PushFont(c.fonts.small);
  draw.AddText(ImVec2(left, a.y + c.Px(29)), look.color, Cut(StateText(job), room).c_str());
  draw.AddText(ImVec2(left, a.y + c.Px(46)), c.theme.faint, Cut(job.detail, room).c_str());
  ImGui::PopFont();
  ImGui::PopID();
}

}  // namespace

void DrawQueue(Context& c) {
  const auto waiting = std::count_if(c.view.jobs.begin(), c.view.jobs.end(),
                                     [](const JobRow& job) { return job.state == JobState::kWaiting; });
  const bool any = !c.view.jobs.empty();
  const bool finished = std::any_of(c.view.jobs.begin(), c.view.jobs.end(),
                                    [](const JobRow& job) { return !Active(job) && job.state != JobState::kWaiting; });
  ImGui::AlignTextToFramePadding();
  Label(c, c.theme.dim, waiting == 0 ? "Queue" : "Queue · " + std::to_string(waiting) + " waiting", c.fonts.small);
  const char* const texts[] = {"Resume", "Cancel all", "Clear finished", "Open…", "Save as YAML…"};
  float width = 0;
  for (const char* text : texts) width += ImGui::CalcTextSize(text).x + c.Px(12) + c.Px(4);
  ImGui::SameLine();
  AlignRight(width);
  if (QuietButton(c, "pause", c.view.paused ? "Resume" : "Pause",
                  c.view.paused ? "Goes on where it stopped, with the same bits"
                                : "The clip that renders leaves a checkpoint and frees its memory",
                  c.view.paused ? "" : c.view.why_not.pause)) {
    c.Do(PauseQueue{!c.view.paused});
  }
  ImGui::SameLine(0, c.Px(4));
  const bool open_jobs = waiting > 0 || c.view.Running();
  if (QuietButton(c, "cancel_all", "Cancel all", "Cancels what renders and takes what waits out of the queue",
                  open_jobs ? "" : "Nothing renders and nothing waits")) {
    c.Do(CancelAll{});
  }
  ImGui::SameLine(0, c.Px(4));
  if (QuietButton(c, "clear_finished", "Clear finished",
                  "Takes what is done, failed or cancelled off the list; files stay",
                  finished ? "" : "Nothing has finished")) {
    c.Do(ClearFinished{});
  }
  ImGui::SameLine(0, c.Px(4));
  if (QuietButton(c, "open", "Open…",
                  "A JOBS.yaml, a clip or a model folder; they can also be dropped on the window")) {
    c.local.path_open = c.local.focus_path = true;
    c.local.path_saves = false;
  }
  ImGui::SameLine(0, c.Px(4));
  if (QuietButton(c, "save", "Save as YAML…", "Writes the queue as a file for sparge render",
                  any ? "" : "The queue is empty")) {
    c.local.path_open = c.local.focus_path = c.local.path_saves = true;
  }
  ImGui::PushStyleVar(ImGuiStyleVar_ChildBorderSize, 0);
  ImGui::BeginChild("cards", ImVec2(0, 0), false, ImGuiWindowFlags_HorizontalScrollbar | ImGuiWindowFlags_NavFlattened);
  if (!c.view.jobs.empty()) Panel::Begins(c, "cards");
  if (!any) {
    Paragraph(c, c.theme.faint, "Clips wait here for their turn. The queue is kept when the window closes.");
  }
  const ImVec2 card(c.Px(236), std::min(ImGui::GetContentRegionAvail().y, c.Px(76)));
  for (size_t i = 0; i < c.view.jobs.size(); ++i) {
    if (i > 0) ImGui::SameLine(0, c.Px(8));
    Card(c, c.view.jobs[i], i, card);
  }
  ImGui::EndChild();
  ImGui::PopStyleVar();
}

}  // namespace ui
