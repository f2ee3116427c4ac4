#include "tests/ui/bench.h"

#include <stdexcept>

namespace ui {
namespace {

SettingRow Row(const std::string& key, const std::string& group, Widget widget, const std::string& default_text) {
  SettingRow row;
  row.key = key;
  row.label = key.substr(key.rfind('.') + 1);
  row.group = group;
  row.widget = widget;
  row.help = "what " + key + " is for";
  row.default_text = default_text;
  row.default_from = "the model";
  return row;
}

}  // namespace

StudioView SampleView() {
  StudioView view;
  view.program = "Sparge Studio";
  view.device = "CPU avx512";
  view.groups = {{"what", "What to render"}, {"attention", "Attention"}, {"how", "How to run"}};
  view.settings = {Row("model", "what", Widget::kPath, ""),
                   Row("prompt", "what", Widget::kParagraph, ""),
                   Row("negative_prompt", "what", Widget::kParagraph, ""),
                   Row("width", "what", Widget::kInt, "128"),
                   Row("frames", "what", Widget::kInt, "33"),
                   Row("guidance", "what", Widget::kNumber, "4"),
                   Row("seed", "what", Widget::kSeed, "0"),
                   Row("attention.mode", "attention", Widget::kChoice, "sparge"),
                   Row("attention.topk", "attention", Widget::kNumber, "0.5"),
                   Row("attention.lambda", "attention", Widget::kNumber, "-7"),
                   Row("attention.order", "attention", Widget::kChoice, "hilbert"),
                   Row("dtype", "how", Widget::kChoice, "auto"),
                   Row("threads", "how", Widget::kInt, "2")};
  view.settings[0].value = "/models/toybox";
  view.settings[1].value = "a red sphere";
  view.settings[4].step = 4;
  view.settings[7].choices = {"dense", "dense8", "sparge"};
  view.settings[10].choices = {"raster", "hilbert"};
  view.settings[11].choices = {"auto", "float32", "bfloat16"};
  view.models = {{"toybox", "/models/toybox", "WanPipeline", "", true}};
  view.model.num_layers = 4;
  view.model.num_heads = 3;
  view.model.vocabulary = {{"shapes", {"sphere", "cube"}}, {"motions", {"rolling to the left", "spinning"}}};
  view.meters = {{"RAM", 4, 8, "4 of 8 GiB", ""}};
  view.why_not.pause = "Nothing renders";
  view.schedule.num_steps = 6;
  view.schedule.num_layers = 4;
  view.schedule.painted.assign(24, CellMode::kBase);
  view.schedule.effective.assign(24, CellMode::kSparge);
  return view;
}

JobRow SampleJob(uint64_t id, JobState state, const std::string& title) {
  JobRow job;
  job.id = id;
  job.title = title;
  job.detail = "128 × 128";
  job.state = state;
  return job;
}

Clip SampleClip(uint64_t clip_id, int frames, bool preview) {
  Clip clip;
  clip.id = clip_id;
  clip.title = "a clip";
  clip.fps = 10;
  clip.preview = preview;
  for (int i = 0; i < frames; ++i) {
    clip.frames.push_back(
        {clip_id * 100 + static_cast<uint64_t>(i), 2, 2, std::make_shared<std::vector<uint8_t>>(12, uint8_t{9})});
  }
  return clip;
}

SkipGrid SampleGrid(int steps, int layers, int heads, int known_steps) {
  SkipGrid grid;
  grid.Resize(steps, layers, heads);
  for (int step = 0; step < known_steps; ++step) {
    for (int layer = 0; layer < layers; ++layer) {
      for (int head = 0; head < heads; ++head) grid.at(step, layer, head) = {100, 40, 40, 10, 1.5, true};
    }
  }
  return grid;
}

ErrorGrid SampleErrors(int steps, int layers, int heads, int known_steps) {
  ErrorGrid grid;
  grid.Resize(steps, layers, heads);
  for (int step = 0; step < known_steps; ++step) {
    for (int layer = 0; layer < layers; ++layer) {
      for (int head = 0; head < heads; ++head) grid.at(step, layer, head) = {0.04, 0.03, 0.01, 0.02, 1};
    }
  }
  return grid;
}

BlockMapView SampleMap(int step, int layer, int head) {
  BlockMapView map;
  map.step = step;
  map.layer = layer;
  map.head = head;
  map.pass = "cond";
  map.passes = {"cond", "uncond"};
  map.query_blocks = 4;
  map.key_blocks = 8;
  map.query_block_tokens = 128;
  map.key_block_tokens = 64;
  map.visible = 32;
  map.kept = 16;
  std::vector<uint8_t> cells(32);
  for (size_t i = 0; i < 32; ++i) cells[i] = i % 2 ? BlockMapView::kSkipped : BlockMapView::kKept;
  map.cells = std::make_shared<std::vector<uint8_t>>(std::move(cells));
  map.image = {777, 8, 4, std::make_shared<std::vector<uint8_t>>(96, uint8_t{9})};
  return map;
}

ImTextureID RecordedTextures::Show(int slot, const Image& image, bool smooth) {
  shown.push_back(image.id);
  return ImGui::GetIO().Fonts->TexID;
}

Bench::Bench(UiState state, ImVec2 display, float display_scale) : studio(state), scale(display_scale) {
  context_ = ImGui::CreateContext();
  ImGui::SetCurrentContext(context_);
  ImGuiIO& io = ImGui::GetIO();
  io.IniFilename = nullptr;
  io.DisplaySize = display;
  io.ConfigFlags |= ImGuiConfigFlags_NavEnableKeyboard;
  for (int key = 0; key < ImGuiKey_COUNT; ++key) io.KeyMap[key] = key;
  fonts_ = LoadFonts(std::string(SPARGE_FONT), {}, {}, scale, nullptr);
  unsigned char* pixels = nullptr;
  int width = 0, height = 0;
  io.Fonts->GetTexDataAsAlpha8(&pixels, &width, &height);
  io.Fonts->SetTexID(reinterpret_cast<ImTextureID>(static_cast<uintptr_t>(1)));
  io.MousePos = ImVec2(-1, -1);
  Frames(3);
}

Bench::~Bench() { ImGui::DestroyContext(context_); }

std::vector<Command> Bench::Frame(std::vector<KeyPress> keys) {
  ImGuiIO& io = ImGui::GetIO();
  io.DeltaTime = static_cast<float>(frame_s);
  time_s += frame_s;
  ImGui::NewFrame();
  FrameInput input;
  input.time_s = time_s;
  input.keys = std::move(keys);
  std::vector<Command> out = studio.Draw(view, input, fonts_, textures, scale);
  ImGui::Render();
  all.insert(all.end(), out.begin(), out.end());
  return out;
}

void Bench::Frames(int count) {
  for (int i = 0; i < count; ++i) Frame();
}

void Bench::Hover(const std::string& place) {
  const auto it = studio.places().find(place);
  if (it == studio.places().end()) throw std::runtime_error("no place " + place);
  const Rect r = it->second;
  ImGui::GetIO().MousePos = ImVec2((r.x0 + r.x1) / 2, (r.y0 + r.y1) / 2);
  Frames(2);
}

std::vector<Command> Bench::Click(const std::string& place, int button) {
  Hover(place);
  const size_t before = all.size();
  ImGui::GetIO().MouseDown[button] = true;
  Frame();
  ImGui::GetIO().MouseDown[button] = false;
  Frames(2);
  return {all.begin() + static_cast<ptrdiff_t>(before), all.end()};
}

std::vector<Command> Bench::Drag(const std::string& from, const std::string& to) {
  const Rect end = studio.places().at(to);
  Hover(from);
  const size_t before = all.size();
  ImGui::GetIO().MouseDown[0] = true;
  Frame();
  ImGui::GetIO().MousePos = ImVec2((end.x0 + end.x1) / 2, (end.y0 + end.y1) / 2);
  Frames(2);
  ImGui::GetIO().MouseDown[0] = false;
  Frames(2);
  return {all.begin() + static_cast<ptrdiff_t>(before), all.end()};
}

std::vector<Command> Bench::Type(const std::string& text) {
  const size_t before = all.size();
  ImGui::GetIO().AddInputCharactersUTF8(text.c_str());
  Frames(2);
  return {all.begin() + static_cast<ptrdiff_t>(before), all.end()};
}

std::vector<Command> Bench::PressArrow(ImGuiKey key) {
  const size_t before = all.size();
  ImGui::GetIO().KeysDown[key] = true;
  Frame();
  ImGui::GetIO().KeysDown[key] = false;
  Frame();
  return {all.begin() + static_cast<ptrdiff_t>(before), all.end()};
}

}  // namespace ui
