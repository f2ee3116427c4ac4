#include <algorithm>
#include <cmath>

#include "ui/panels/panels.h"
#include "ui/widgets/controls.h"
#include "ui/widgets/setting_field.h"

namespace ui {
namespace {

// Settings with a place of their own in this panel or another; all others come one after another in their group.
constexpr const char* kPlaced[] = {"model", "prompt", "negative_prompt", "seed"};

bool IsPlaced(const std::string& key) {
  return std::find(std::begin(kPlaced), std::end(kPlaced), key) != std::end(kPlaced);
}

void ModelPicker(Context& c, float width) {
  const SettingRow* model = c.view.Find("model");
  if (!model) return;
  Heading(c, "Model");
  ImGui::SetNextItemWidth(width);
  const auto chosen = std::find_if(c.view.models.begin(), c.view.models.end(), [&](const ModelRow& row) {
    return row.path == model->value || row.name == model->value;
  });
  const bool known = chosen != c.view.models.end();
  const std::string preview = known ? chosen->name : model->value.empty() ? "choose a model…" : model->value;
  const bool open = ImGui::BeginCombo("###model", preview.c_str(), ImGuiComboFlags_HeightLarge);
  c.Mark("model");
  if (!open) Tooltip(c, (known ? chosen->path + "\n" + chosen->summary + "\n\n" : "") + SettingTooltip(*model));
  if (open) {
    for (const ModelRow& row : c.view.models) {
      if (ImGui::Selectable((row.name + (row.demo ? "  (comes with the program)" : "") + "###" + row.path).c_str(),
                            known && row.path == chosen->path)) {
        c.Do(SetSetting{"model", row.path});
      }
      Tooltip(c, row.path + (row.error.empty() ? "\n" + row.summary : "\n" + row.error));
    }
    if (ImGui::Selectable("Add a model folder…")) {
      c.local.path_open = c.local.focus_path = true;
      c.local.path_saves = false;
    }
    ImGui::EndCombo();
  }
  if (known && !chosen->summary.empty()) {
    ImGui::SetCursorPosY(ImGui::GetCursorPosY() - c.Px(4));
    ImGui::PushFont(c.fonts.small);
    Label(c, c.theme.faint, Cut(chosen->summary, width));
    ImGui::PopFont();
  }
  if (!model->error.empty()) Paragraph(c, c.theme.error, model->error, c.fonts.small);
  if (c.view.models.empty()) {
    Paragraph(c, c.theme.dim,
              "No model yet: drop a folder in diffusers layout on this window, or put its parent into SPARGE_MODELS.");
  }
}

// A button beside a heading, with what was in the field before.
void History(Context& c, const char* name, const char* key, const std::vector<std::string>& texts, float width) {
  if (texts.empty()) return;
  ImGui::SameLine();
  AlignRight(ImGui::CalcTextSize("history ▾").x + c.Px(12));
  if (QuietButton(c, name, "history ▾", "What you used before")) ImGui::OpenPopup(name);
  ImGui::SetNextWindowSizeConstraints(ImVec2(width, 0), ImVec2(width * 2, c.Px(400)));
  if (!ImGui::BeginPopup(name)) return;
  for (const std::string& text : texts) {
    ImGui::PushID(&text);
    if (ImGui::Selectable(Cut(text, width * 1.5f).c_str())) c.Do(SetSetting{key, text});
    ImGui::PopID();
  }
  ImGui::EndPopup();
}

void Prompts(Context& c, float width) {
  const SettingRow* prompt = c.view.Find("prompt");
  if (prompt) {
    Heading(c, "Prompt");
    History(c, "history", "prompt", c.view.prompt_history, width);
    if (c.local.focus_prompt) {
      ImGui::SetKeyboardFocusHere();
      c.local.focus_prompt = false;
    }
    ParagraphField(c, *prompt, width, 4);
    Tooltip(c, ImGui::IsItemActive() ? "" : SettingTooltip(*prompt));
    if (!prompt->error.empty()) Paragraph(c, c.theme.error, prompt->error, c.fonts.small);
    DrawVocabulary(c);
  }
  if (const SettingRow* negative = c.view.Find("negative_prompt")) {
    Heading(c, "Negative prompt");
    History(c, "negative_history", "negative_prompt", c.view.negative_history, width);
    ParagraphField(c, *negative, width, negative->value.empty() ? 1 : 2);
    if (!ImGui::IsItemActive()) Tooltip(c, SettingTooltip(*negative));
  }
}

void Seed(Context& c, float width) {
  const SettingRow* seed = c.view.Find("seed");
  if (!seed) return;
  const float gap = ImGui::GetStyle().ItemSpacing.x, half = std::floor((width - gap) / 2);
  const ImVec2 at = ImGui::GetCursorPos();
  SettingField(c, *seed, half);
  const float end = ImGui::GetCursorPosY();
  ImGui::SetCursorPos(ImVec2(at.x + half + gap, at.y));
  ImGui::BeginGroup();
  Label(c, c.theme.dim, "next clip, seeds", c.fonts.small);
  ImGui::SetCursorPosY(ImGui::GetCursorPosY() - c.Px(5));
  if (Button(c, "seed/shuffle", c.view.shuffle_seed ? "shuffle" : "locked",
             c.view.shuffle_seed ? "Every clip gets another seed; click to keep the seed"
                                 : "The seed stays; click for another seed with every clip",
             "", half * 0.55f)) {
    c.Do(SetSeeds{!c.view.shuffle_seed, c.view.num_seeds});
  }
  ImGui::SameLine(0, gap);
  int count = c.view.num_seeds;
  ImGui::SetNextItemWidth(half * 0.45f - gap - 1);
  if (ImGui::DragInt("###seed/count", &count, 0.1f, 1, 64, "× %d"))
    c.Do(SetSeeds{c.view.shuffle_seed, std::clamp(count, 1, 64)});
  c.Mark("seed/count");
  Tooltip(c, "How many clips, one a seed: seed, seed + 1, …");
  ImGui::EndGroup();
  ImGui::SetCursorPosY(std::max(end, ImGui::GetCursorPosY()));
}

// Two columns; paths and long texts take a row.
void Fields(Context& c, const std::string& group, float width) {
  const SettingRow* first = nullptr;
  for (const SettingRow& row : c.view.settings) {
    if (row.group != group || IsPlaced(row.key)) continue;
    const bool wide = row.widget == Widget::kPath || row.widget == Widget::kParagraph;
    if (first) SettingPair(c, *first, wide ? nullptr : &row, width);
    if (wide) SettingField(c, row, width);
    first = first || wide ? nullptr : &row;
  }
  if (first) SettingPair(c, *first, nullptr, width);
}

size_t ShownOffers(const Context& c) { return std::min<size_t>(c.view.memory_offers.size(), 3); }

// What the next clip takes; where that is too much, what would fit, to be clicked.
void Memory(Context& c) {
  const bool warns = !c.view.memory_warning.empty();
  const std::string memory = warns ? c.view.memory_warning : c.view.memory_estimate;
  ImGui::PushFont(c.fonts.small);
  Label(c, warns ? c.theme.warning : c.theme.faint,
        Cut(memory.empty() ? " " : memory, ImGui::GetContentRegionAvail().x));
  ImGui::PopFont();
  Tooltip(c, memory);
  for (size_t i = 0; i < ShownOffers(c); ++i) {
    const MemoryOffer& offer = c.view.memory_offers[i];
    if (QuietButton(c, "memory_offer/" + std::to_string(i), "→ " + offer.text, offer.tooltip)) {
      for (const auto& [key, value] : offer.settings) c.Do(SetSetting{key, value});
    }
  }
}

}  // namespace

void DrawForm(Context& c) {
  const float offers = static_cast<float>(ShownOffers(c)) * ImGui::GetFrameHeightWithSpacing();
  const float buttons = ImGui::GetFrameHeight() + c.Px(46) + offers;
  ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, ImVec2(0, 0));
  ImGui::PushStyleVar(ImGuiStyleVar_ChildBorderSize, 0);
  ImGui::BeginChild("fields", ImVec2(0, ImGui::GetContentRegionAvail().y - buttons), false,
                    ImGuiWindowFlags_NavFlattened);
  const float width = ImGui::GetContentRegionAvail().x - c.Px(6);
  ModelPicker(c, width);
  Prompts(c, width);
  for (const SettingGroupRow& group : c.view.groups) {
    if (group.key == "attention") continue;  // the sparsity panel's
    if (group.key == "what") {
      ImGui::Dummy(ImVec2(0, c.Px(2)));
      Seed(c, width);
      Fields(c, group.key, width);
      continue;
    }
    const bool was_open = c.state.open_groups.find(group.key + ";") != std::string::npos;
    ImGui::SetNextItemOpen(was_open);
    const bool open = ImGui::CollapsingHeader((group.title + "###group " + group.key).c_str());
    c.Mark("group/" + group.key);
    if (open != was_open) {
      const std::string entry = group.key + ";";
      if (open) {
        c.state.open_groups += entry;
      } else {
        c.state.open_groups.erase(c.state.open_groups.find(entry), entry.size());
      }
    }
    if (open) Fields(c, group.key, width);
  }
  ImGui::EndChild();
  ImGui::PopStyleVar(2);

  Memory(c);
  const float full = ImGui::GetContentRegionAvail().x, gap = ImGui::GetStyle().ItemSpacing.x;
  const float other = std::floor((full - gap) * 0.28f);
  const bool nothing_yet = c.view.jobs.empty() && !c.view.clip;
  if (PrimaryButton(c, "generate", c.view.num_seeds > 1 ? "Generate × " + std::to_string(c.view.num_seeds) : "Generate",
                    "Puts the clip into the queue (Ctrl+Enter)", c.view.why_not.generate, full - gap - other,
                    nothing_yet)) {
    c.Do(ui::Generate{});
  }
  ImGui::SameLine();
  ImGui::PushStyleVar(ImGuiStyleVar_FramePadding, ImVec2(c.Px(8), c.Px(8)));
  if (Button(c, "generate_ab", "A/B", "Two clips from the same noise: dense, and as set here (Ctrl+Shift+Enter)",
             c.view.why_not.generate, other)) {
    c.Do(ui::Generate{true});
  }
  ImGui::PopStyleVar();
}

}  // namespace ui
