#include "ui/panels/panels.h"
#include "ui/widgets/controls.h"

namespace ui {
namespace {

std::string WithWord(const std::string& prompt, const std::string& word) {
  const bool space = !prompt.empty() && prompt.back() != ' ';
  return prompt + (space ? " " : "") + word;
}

void Words(Context& c, const WordGroup& group, const std::string& prompt) {
  ImGui::PushFont(c.fonts.small);
  Label(c, c.theme.faint, group.title);
  const ImGuiStyle& style = ImGui::GetStyle();
  const float right = ImGui::GetWindowContentRegionMax().x + ImGui::GetWindowPos().x - c.Px(6);
  ImGui::PushStyleVar(ImGuiStyleVar_FramePadding, ImVec2(c.Px(7), c.Px(2)));
  ImGui::PushStyleVar(ImGuiStyleVar_FrameRounding, c.Px(10));
  ImGui::PushStyleVar(ImGuiStyleVar_ItemSpacing, ImVec2(c.Px(4), c.Px(4)));
  bool first = true;
  for (const std::string& word : group.words) {
    const float width = ImGui::CalcTextSize(word.c_str()).x + 2 * style.FramePadding.x;
    if (!first && ImGui::GetItemRectMax().x + c.Px(4) + width <= right) ImGui::SameLine();
    first = false;
    if (ImGui::Button((word + "###word " + group.title + word).c_str()))
      c.Do(SetSetting{"prompt", WithWord(prompt, word)});
    c.Mark("word/" + word);
  }
  ImGui::PopStyleVar(3);
  ImGui::PopFont();
}

}  // namespace

void DrawVocabulary(Context& c) {
  const ModelView& model = c.view.model;
  const SettingRow* prompt = c.view.Find("prompt");
  if (model.vocabulary.empty() || !prompt) return;
  if (!model.unknown_words.empty()) {
    std::string words;
    for (const std::string& word : model.unknown_words) words += (words.empty() ? "“" : ", “") + word + "”";
    Paragraph(c, c.theme.warning,
              words + (model.unknown_words.size() == 1 ? " is a word" : " are words") +
                  " that this model has never seen. It was trained on those below.",
              c.fonts.small);
    if (QuietButton(c, "add_model", "Add a real model…", "Open a folder in diffusers layout")) {
      c.local.path_open = c.local.focus_path = true;
      c.local.path_saves = false;
    }
  }
  ImGui::SetNextItemOpen(c.state.words_open);
  c.state.words_open = ImGui::CollapsingHeader("Words that it knows###words");
  c.Mark("words");
  Tooltip(c, model.notes);
  if (!c.state.words_open) return;
  // A few lines high: size and steps stay in sight.
  ImGui::PushStyleColor(ImGuiCol_ChildBg, WithAlpha(c.theme.panel, 0));
  ImGui::BeginChild("word groups", ImVec2(ImGui::GetContentRegionAvail().x - c.Px(6), c.Px(108)), false,
                    ImGuiWindowFlags_NavFlattened);
  for (const WordGroup& group : model.vocabulary) Words(c, group, prompt->value);
  ImGui::EndChild();
  ImGui::PopStyleColor();
}

}  // namespace ui
