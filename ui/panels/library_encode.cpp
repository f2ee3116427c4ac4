#include <imgui.h>
#include <imgui_stdlib.h>

#include <algorithm>

#include "ui/library/actions.h"
#include "ui/panels/panels.h"
#include "ui/widgets/controls.h"
#include "ui/widgets/setting_field.h"

namespace ui {
namespace {

constexpr const char* kExtensions[] = {"mp4", "mkv", "mov", "webm", "gif", "png"};
constexpr const char* kSettings[] = {"encode.codec", "encode.crf", "encode.preset", "encode.pixel_format", "fps"};

// The plan depends on the form: it is asked for again when that changes.
void AskForPlan(Context& c) {
  LibraryLocal& local = c.local.library;
  std::string key = std::to_string(local.wanted.id) + local.wanted.extension + (local.wanted.from_clip ? "c" : "l");
  for (const char* setting : kSettings) {
    const SettingRow* row = c.view.Find(setting);
    if (row != nullptr) key += "\n" + row->value + "\n" + row->error;
  }
  if (key == local.planned_for) return;
  local.planned_for = key;
  local.out.clear();
  c.Do(LibraryCommand(local.wanted));
}

void Choices(Context& c, const LibraryEncodePlan& plan, float width) {
  LibraryLocal& local = c.local.library;
  const char* const sources[] = {"kept latents", "clip"};
  const int source = Segments(c, "encode/source", sources, nullptr, 2, plan.from_clip ? 1 : 0, width,
                              plan.why_not_latents.empty() ? "" : "From the clip: " + plan.why_not_latents);
  if (source >= 0) local.wanted.from_clip = source == 1;
  Paragraph(c, c.theme.dim, plan.source, c.fonts.small);
  const auto at = std::find(std::begin(kExtensions), std::end(kExtensions), local.wanted.extension);
  const int extension = Segments(c, "encode/container", kExtensions, nullptr, static_cast<int>(std::size(kExtensions)),
                                 static_cast<int>(at - std::begin(kExtensions)), width);
  if (extension >= 0) local.wanted.extension = kExtensions[extension];
  for (const char* setting : kSettings) {
    if (const SettingRow* row = c.view.Find(setting)) SettingField(c, *row, width);
  }
}

}  // namespace

void DrawEncodeAgain(Context& c) {
  LibraryLocal& local = c.local.library;
  if (!local.encode_open) return;
  const ImVec2 display = ImGui::GetIO().DisplaySize;
  if (local.focus_encode) ImGui::SetNextWindowFocus();
  local.focus_encode = false;
  ImGui::SetNextWindowPos(ImVec2(display.x / 2, c.Px(72)), ImGuiCond_Always, ImVec2(0.5f, 0));
  ImGui::SetNextWindowSize(ImVec2(std::min(c.Px(460), display.x), 0));
  ImGui::PushStyleVar(ImGuiStyleVar_WindowRounding, c.Px(8));
  ImGui::PushStyleVar(ImGuiStyleVar_WindowBorderSize, 1);
  ImGui::PushStyleColor(ImGuiCol_WindowBg, c.theme.panel);
  ImGui::Begin("encode_again", nullptr,
               ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_AlwaysAutoResize | ImGuiWindowFlags_NoSavedSettings |
                   ImGuiWindowFlags_NoMove);
  Label(c, c.theme.text, "Encode again", c.fonts.title);
  AskForPlan(c);
  const bool known = c.view.library.encode && c.view.library.encode->id == local.wanted.id;
  const LibraryEncodePlan none;
  const LibraryEncodePlan& plan = known ? *c.view.library.encode : none;
  if (known && plan.extension == local.wanted.extension && local.out.empty()) local.out = plan.out;
  const float width = ImGui::GetContentRegionAvail().x;
  Choices(c, plan, width);
  Label(c, c.theme.dim, plan.extension == "png" ? "into the folder" : "into the file", c.fonts.small);
  ImGui::SetNextItemWidth(-1);
  ImGui::InputText("###encode_out", &local.out);
  c.Mark("encode/out");
  Paragraph(c, c.theme.dim, plan.encoding, c.fonts.small);
  if (!plan.why_not.empty()) Paragraph(c, c.theme.error, plan.why_not, c.fonts.small);
  const float each = (width - c.Px(8)) / 2;
  if (PrimaryButton(c, "encode/go", "Encode", "The worker does it, after what waits in the queue",
                    !known              ? "Looking at the clip"
                    : local.out.empty() ? "It needs a name"
                                        : plan.why_not,
                    each, false)) {
    c.Do(LibraryCommand(LibraryEncode{local.wanted.id, local.out, plan.from_clip}));
    local.encode_open = false;
  }
  ImGui::SameLine(0, c.Px(8));
  const int escape = ImGui::GetKeyIndex(ImGuiKey_Escape);
  if (Button(c, "encode/close", "Close", "", "", each) || (escape >= 0 && ImGui::IsKeyPressed(escape)))
    local.encode_open = false;
  ImGui::End();
  ImGui::PopStyleColor();
  ImGui::PopStyleVar(2);
}

}  // namespace ui
