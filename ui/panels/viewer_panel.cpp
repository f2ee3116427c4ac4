#include <algorithm>
#include <cmath>

#include "ui/panels/panels.h"
#include "ui/widgets/controls.h"

namespace ui {
namespace {

constexpr int kViewerSlot = 0;
constexpr double kSpeeds[] = {0.25, 0.5, 1, 2, 4};
constexpr double kPreviewFPS = 12;

int FrameOf(const Context& c, const Clip& clip) {
  return std::clamp(static_cast<int>(c.local.position), 0, static_cast<int>(clip.frames.size()) - 1);
}

// Follows the clip: a new one starts at its beginning, a new preview goes on where the last one is.
void FollowClip(Context& c) {
  Local& local = c.local;
  const double passed = std::clamp(c.input.time_s - local.last_time_s, 0.0, 0.5);
  local.last_time_s = c.input.time_s;
  if (!c.view.clip || c.view.clip->frames.empty()) {
    local.clip_id = 0;
    return;
  }
  const Clip& clip = *c.view.clip;
  if (clip.id != local.clip_id) {
    if (!(clip.preview && local.clip_is_preview)) local.position = 0;
    if (!clip.preview || local.clip_id == 0) local.playing = true;
    local.clip_id = clip.id;
    local.clip_is_preview = clip.preview;
  }
  const auto count = static_cast<double>(clip.frames.size());
  if (!local.playing || count < 2) return;
  local.position += passed * (clip.fps > 0 ? clip.fps : kPreviewFPS) * c.state.speed;
  if (local.position >= count) {
    const bool loops = c.state.loop || clip.preview;
    local.position = loops ? std::fmod(local.position, count) : count - 1e-3;
    if (!loops) local.playing = false;
  }
  *c.wants_frames = true;
}

void Picture(Context& c, const Clip& clip, ImVec2 room) {
  const Image& image = clip.frames[static_cast<size_t>(FrameOf(c, clip))];
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const auto w = static_cast<float>(image.width_px), h = static_cast<float>(image.height_px);
  if (w < 1 || h < 1 || room.x < 2 || room.y < 2) return ImGui::Dummy(room);
  float zoom = std::min(room.x / w, room.y / h);
  if (c.local.one_to_one) zoom = 1;
  const bool smooth = zoom != std::floor(zoom);
  const ImVec2 size(std::floor(w * zoom), std::floor(h * zoom));
  const ImVec2 a(std::floor(at.x + (room.x - size.x) / 2), std::floor(at.y + (room.y - size.y) / 2));
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  draw.PushClipRect(at, ImVec2(at.x + room.x, at.y + room.y), true);
  if (const ImTextureID texture = c.textures.Show(kViewerSlot, image, smooth)) {
    draw.AddImage(texture, a, ImVec2(a.x + size.x, a.y + size.y));
  }
  if (clip.preview) {
    const std::string badge = clip.badge.empty() ? "preview" : clip.badge;
    const char* const text = badge.c_str();
    const ImVec2 t = ImGui::CalcTextSize(text);
    draw.AddRectFilled(ImVec2(a.x + c.Px(8), a.y + c.Px(8)), ImVec2(a.x + t.x + c.Px(24), a.y + t.y + c.Px(16)),
                       IM_COL32(0, 0, 0, 170), c.Px(4));
    draw.AddText(ImVec2(a.x + c.Px(16), a.y + c.Px(12)), IM_COL32_WHITE, text);
  }
  draw.PopClipRect();
  ImGui::InvisibleButton("picture", room);
  c.Mark("picture");
  if (HasKeys()) draw.AddRect(a, ImVec2(a.x + size.x, a.y + size.y), c.theme.text);
  if (ImGui::IsItemClicked() || (HasKeys() && ImGui::IsItemActivated())) c.local.playing = !c.local.playing;
}

void Controls(Context& c, const Clip& clip) {
  Local& local = c.local;
  const auto count = static_cast<int>(clip.frames.size());
  if (Button(c, "play", local.playing ? "Ⅱ" : "▶", local.playing ? "Pause (Space)" : "Play (Space)",
             count < 2 ? "One frame: nothing to play" : "", c.Px(36))) {
    local.playing = !local.playing;
    if (local.playing && local.position >= count - 1) local.position = 0;
  }
  ImGui::SameLine(0, c.Px(4));
  if (Button(c, "frame_back", "◀", "One frame back (A)", "", c.Px(30))) StepFrame(c, -1);
  ImGui::SameLine(0, c.Px(4));
  if (Button(c, "frame_on", "▶###on", "One frame on (D)", "", c.Px(30))) StepFrame(c, 1);
  ImGui::SameLine(0, c.Px(8));
  const std::string counter = std::to_string(FrameOf(c, clip) + 1) + "/" + std::to_string(count);
  const float right = ImGui::CalcTextSize("000/000").x + c.Px(62) + c.Px(60) + c.Px(40);
  int frame = FrameOf(c, clip) + 1;
  ImGui::SetNextItemWidth(std::max(c.Px(40), ImGui::GetContentRegionAvail().x - right));
  if (ImGui::SliderInt("###scrub", &frame, 1, std::max(count, 1), "", ImGuiSliderFlags_AlwaysClamp)) {
    local.position = frame - 1 + 1e-3;
    local.playing = false;
  }
  c.Mark("scrub");
  Tooltip(c, "Frame " + counter + (clip.fps > 0 ? ", " + Number(FrameOf(c, clip) / clip.fps, 2) + " s" : ""));
  ImGui::SameLine(0, c.Px(8));
  ImGui::AlignTextToFramePadding();
  Label(c, c.theme.dim, counter);
  ImGui::SameLine(0, 0);
  AlignRight(c.Px(62) + c.Px(60) + c.Px(8));
  if (Button(c, "loop", c.state.loop ? "loop" : "once", "Loop, or stop at the end", "", c.Px(60)))
    c.state.loop = !c.state.loop;
  ImGui::SameLine(0, c.Px(8));
  ImGui::SetNextItemWidth(c.Px(62));
  if (ImGui::BeginCombo("###speed",
                        (Number(c.state.speed, c.state.speed < 0.5 ? 2
                                               : c.state.speed < 1 ? 1
                                                                   : 0) +
                         "×")
                            .c_str(),
                        ImGuiComboFlags_NoArrowButton)) {
    for (const double speed : kSpeeds) {
      if (ImGui::Selectable((Number(speed, speed < 0.5 ? 2
                                           : speed < 1 ? 1
                                                       : 0) +
                             "×")
                                .c_str(),
                            speed == c.state.speed)) {
        c.state.speed = speed;
      }
    }
    ImGui::EndCombo();
  }
  c.Mark("speed");
  Tooltip(c, "Speed (J slower, L faster)");
}

void Empty(Context& c, ImVec2 room) {
  const ImVec2 at = ImGui::GetCursorPos();
  const JobRow* running = c.view.Running();
  std::string title = "No clip yet", text = "A prompt is ready on the left. Generate makes a clip from it.";
  if (running && c.view.shown_job == running->id) {
    title = running->stage.empty() ? "Starting" : running->stage;
    text = running->title;
  }
  if (!c.view.clip_note.empty()) text = c.view.clip_note;
  const float width = std::min(room.x - c.Px(32), c.Px(420));
  ImGui::SetCursorPos(ImVec2(at.x + (room.x - width) / 2, at.y + room.y * 0.42f));
  ImGui::BeginGroup();
  ImGui::PushFont(c.fonts.title);
  const float indent = std::max(0.0f, (width - ImGui::CalcTextSize(title.c_str()).x) / 2);
  ImGui::SetCursorPosX(ImGui::GetCursorPosX() + indent);
  Label(c, c.theme.text, title);
  ImGui::PopFont();
  const float line = ImGui::CalcTextSize(text.c_str()).x;
  if (line < width) ImGui::SetCursorPosX(ImGui::GetCursorPosX() + (width - line) / 2);
  ImGui::PushTextWrapPos(ImGui::GetCursorPosX() + width);
  Label(c, c.theme.dim, text);
  ImGui::PopTextWrapPos();
  if (running && c.view.shown_job == running->id && running->total > 0) {
    ImGui::Dummy(ImVec2(0, c.Px(4)));
    Bar(c, running->fraction(), ImVec2(width, c.Px(6)), c.theme.accent);
  }
  ImGui::EndGroup();
  ImGui::SetCursorPos(ImVec2(at.x, at.y + room.y));
  ImGui::Dummy(ImVec2(1, 0));
}

void JobLine(Context& c) {
  const JobRow* job = c.view.FindJob(c.view.shown_job);
  if (!job) {
    const Clip* clip = c.view.clip ? &*c.view.clip : nullptr;
    return Label(c, c.theme.dim, clip ? Cut(clip->title, ImGui::GetContentRegionAvail().x) : " ");
  }
  std::string text;
  ImU32 color = c.theme.dim;
  switch (job->state) {
    case JobState::kRunning:
      text = job->stage;
      if (job->total > 0) text += " " + std::to_string(job->step) + "/" + std::to_string(job->total);
      if (job->s_per_step) text += " · " + Number(*job->s_per_step, 2) + " s/step";
      if (job->eta_s) text += " · " + Clock(*job->eta_s) + " left";
      break;
    case JobState::kPausing:
      text = "pausing: the step under way ends first";
      break;
    case JobState::kPaused:
      text = "paused";
      break;
    case JobState::kWaiting:
      text = job->error.empty() ? "waiting" : job->error;
      break;
    case JobState::kDone:
      text = "done" + (job->seconds ? " in " + Clock(*job->seconds) : "") + " · " +
             job->output.substr(job->output.rfind('/') + 1);
      break;
    case JobState::kFailed:
      text = "failed: " + job->error;
      color = c.theme.error;
      break;
    case JobState::kCancelled:
      text = "cancelled";
      break;
  }
  if (job->sparsity) text += " · skipped " + Percent(*job->sparsity, 1);
  Label(c, color, Cut(text, ImGui::GetContentRegionAvail().x));
  Tooltip(c, job->title + "\n" + job->detail + (job->output.empty() ? "" : "\n" + job->output) +
                 (job->error.empty() ? "" : "\n" + job->error));
}

}  // namespace

void StepFrame(Context& c, int frames) {
  if (!c.view.clip || c.view.clip->frames.empty()) return;
  const auto count = static_cast<int>(c.view.clip->frames.size());
  const int at = FrameOf(c, *c.view.clip) + frames;
  c.local.playing = false;
  c.local.position = ((at % count) + count) % count + 1e-3;
}

void DrawViewer(Context& c) {
  FollowClip(c);
  const bool has_clip = c.view.clip && !c.view.clip->frames.empty();
  const ImVec2 room = ImGui::GetContentRegionAvail();
  const float below = (has_clip ? ImGui::GetFrameHeightWithSpacing() : 0) + ImGui::GetTextLineHeightWithSpacing();
  const ImVec2 picture(room.x, std::max(room.y - below, 8.0f));
  const bool map = c.local.map_large && c.local.cell_head >= 0 && c.view.sparsity.map && c.view.sparsity.map->cells;
  if (map) {
    DrawLargeMap(c, picture);
    if (has_clip) Controls(c, *c.view.clip);
  } else if (has_clip) {
    Picture(c, *c.view.clip, picture);
    Controls(c, *c.view.clip);
  } else {
    Empty(c, picture);
  }
  JobLine(c);
}

}  // namespace ui
