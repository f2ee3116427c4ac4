#include "app/gui/form.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "app/job/attention.h"
#include "app/job/job.h"
#include "app/settings/table.h"
#include "app/settings/text.h"

namespace app {
namespace {

constexpr const char* kSchedule = "attention.schedule";
constexpr const char* kForm = "the form";  // where values come from

ui::Widget WidgetOf(const Setting& setting) {
  switch (setting.type) {
    case SettingType::kInt:
      return ui::Widget::kInt;
    case SettingType::kNumber:
      return ui::Widget::kNumber;
    case SettingType::kBool:
      return ui::Widget::kBool;
    case SettingType::kEnum:
      return ui::Widget::kChoice;
    case SettingType::kSeed:
      return ui::Widget::kSeed;
    case SettingType::kPath:
    case SettingType::kPaths:
      return ui::Widget::kPath;
    case SettingType::kText:
      return setting.key == "prompt" || setting.key == "negative_prompt" ? ui::Widget::kParagraph : ui::Widget::kLine;
    default:
      return ui::Widget::kLine;
  }
}

// "attention.dense_steps" → "dense steps".
std::string LabelOf(const Setting& setting) {
  std::string label(setting.key.substr(setting.key.rfind('.') + 1));
  std::replace(label.begin(), label.end(), '_', ' ');
  return label;
}

double StepOf(const Setting& setting, const ModelCard* card) {
  if (card && setting.key == "width") return static_cast<double>(card->info.size_rules.width_multiple);
  if (card && setting.key == "height") return static_cast<double>(card->info.size_rules.height_multiple);
  if (card && setting.key == "frames") return static_cast<double>(card->info.size_rules.frames_multiple);
  if (setting.type == SettingType::kInt || setting.type == SettingType::kSeed) return 1;
  return setting.max <= 1 ? 0.05 : 0.5;
}

// "frames: 33 frames, not 32: …" has its fix in front.
std::string FixIn(const std::string& message) {
  size_t digits = 0;
  while (digits < message.size() && message[digits] >= '0' && message[digits] <= '9') ++digits;
  return digits > 0 && message.find(", not ") != std::string::npos ? message.substr(0, digits) : "";
}

ui::CellMode CellOf(const std::string& mode) {
  return mode == "dense" ? ui::CellMode::kDense : mode == "dense8" ? ui::CellMode::kDense8 : ui::CellMode::kSparge;
}

const char* NameOf(ui::CellMode mode) {
  return mode == ui::CellMode::kDense ? "dense" : mode == ui::CellMode::kDense8 ? "dense8" : "sparge";
}

// Sorted indices as "0-1,5".
std::string IndexText(const std::vector<int>& indices) {
  std::string text;
  for (size_t i = 0; i < indices.size();) {
    size_t j = i;
    while (j + 1 < indices.size() && indices[j + 1] == indices[j] + 1) ++j;
    text += (text.empty() ? "" : ",") + std::to_string(indices[i]) + (j > i ? "-" + std::to_string(indices[j]) : "");
    i = j + 1;
  }
  return text;
}

bool Has(const std::optional<std::vector<int64_t>>& list, int64_t index) {
  return !list || std::find(list->begin(), list->end(), index) != list->end();
}

// The mode of a step and layer: levels as pipeline::AttentionSettings has them.
std::string ModeAt(const pipeline::AttentionSettings& settings, int64_t step, int64_t layer) {
  std::string mode = "sparge", dense_as = settings.choice.dense_as.value_or("dense");
  const auto profile = settings.profile.find(layer);
  if (profile != settings.profile.end() && profile->second.mode) mode = *profile->second.mode;
  if (settings.choice.mode) mode = *settings.choice.mode;
  const auto in = [](const std::vector<int64_t>& list, int64_t i) {
    return std::find(list.begin(), list.end(), i) != list.end();
  };
  const bool sparse = mode.starts_with("sparge");
  if (sparse && (in(settings.dense_steps, step) || in(settings.dense_layers, layer))) mode = dense_as;
  for (const pipeline::AttentionRule& rule : settings.schedule) {
    if (Has(rule.steps, step) && Has(rule.layers, layer) && rule.choice.mode) mode = *rule.choice.mode;
  }
  return mode;
}

}  // namespace

std::string TypedText(const Value& value) {
  if (value.is_null()) return "";
  const bool rules = value.is_array() && !value.empty() && value[0].is_object();
  return rules ? value.dump() : ToText(value);
}

Value RulesOfPaint(const std::vector<ui::CellMode>& painted, int num_steps, int num_layers) {
  Value rules = Value::array();
  const auto column = [&](int step) {
    const auto begin = painted.begin() + static_cast<ptrdiff_t>(step) * num_layers;
    return std::vector<ui::CellMode>(begin, begin + num_layers);
  };
  for (int step = 0; step < num_steps;) {
    const std::vector<ui::CellMode> cells = column(step);
    int last = step;
    while (last + 1 < num_steps && column(last + 1) == cells) ++last;
    for (const ui::CellMode mode : {ui::CellMode::kDense, ui::CellMode::kDense8, ui::CellMode::kSparge}) {
      std::vector<int> layers;
      for (int layer = 0; layer < num_layers; ++layer) {
        if (cells[static_cast<size_t>(layer)] == mode) layers.push_back(layer);
      }
      if (layers.empty()) continue;
      const std::string steps = std::to_string(step) + (last > step ? "-" + std::to_string(last) : "");
      rules.push_back({{"steps", steps}, {"layers", IndexText(layers)}, {"mode", NameOf(mode)}});
    }
    step = last + 1;
  }
  return rules;
}

void Form::Set(const std::string& key, const std::string& text) {
  if (!FindSetting(key)) return;
  if (text.empty()) {
    texts_.erase(key);
  } else {
    texts_[key] = text;
  }
  if (key == kSchedule) painted_.clear();
  Check();
}

void Form::SetValue(const std::string& key, const Value& value) { Set(key, TypedText(value)); }

const std::string& Form::Text(const std::string& key) const {
  static const std::string kNone;
  const auto it = texts_.find(key);
  return it == texts_.end() ? kNone : it->second;
}

void Form::Take(const ExplicitSettings& settings) {
  texts_.clear();
  painted_.clear();
  for (const auto& [key, value] : settings) {
    if (FindSetting(key) && !value.is_null()) texts_[key] = TypedText(value);
  }
  Check();
}

void Form::SetModel(std::optional<ModelCard> card, const std::string& error) {
  card_ = std::move(card);
  model_error_ = error;
  defaults_.reset();
  if (card_) defaults_ = card_->Defaults();
  Check();
}

ExplicitSettings Form::Settings() const {
  ExplicitSettings settings;
  for (const auto& [key, text] : texts_) {
    try {
      settings[key] = ParseText(*FindSetting(key), text);
    } catch (const base::Error&) {
      continue;  // it stands in errors_
    }
  }
  return settings;
}

EffectiveSettings EffectiveOf(const ModelCard& card, const ExplicitSettings& given) {
  Layer layer;
  for (const auto& [key, value] : given) layer[key] = {value, kForm};
  EffectiveSettings settings = EffectiveSettings::Resolve({FamilyLayer(card.info)}, {card.notes.settings, layer});
  std::vector<std::string> notices;
  if (!SetsAttention(card.notes.settings)) StartUntuned({card.notes.settings, layer}, settings, notices);
  return settings;
}

std::vector<ui::CellMode> ModesOf(const ModelCard& card, EffectiveSettings settings) {
  ResolveAttentionFiles(settings);
  ErrorList errors;
  const pipeline::AttentionSettings attention = AttentionOf(settings, card.info, errors);
  errors.ThrowIfAny();
  std::vector<ui::CellMode> modes;
  for (int64_t step = 0; step < settings.Int("steps"); ++step) {
    for (int64_t layer = 0; layer < card.info.num_layers; ++layer)
      modes.push_back(CellOf(ModeAt(attention, step, layer)));
  }
  return modes;
}

EffectiveSettings Form::Effective() const {
  if (card_) return EffectiveOf(*card_, Settings());
  Layer layer;
  for (const auto& [key, value] : Settings()) layer[key] = {value, kForm};
  return EffectiveSettings::Resolve({}, {layer});
}

void Form::AddError(const std::string& text) {
  const size_t colon = text.find(": ");
  const std::string key = text.substr(0, colon);
  if (colon == std::string::npos || !FindSetting(key)) {
    if (other_error_.empty()) other_error_ = text;
    return;
  }
  std::string message = text.substr(colon + 2);
  constexpr const char* kWhere = " (the form)";
  if (message.ends_with(kWhere)) message.resize(message.size() - std::string(kWhere).size());
  errors_.emplace(key, message);
  if (const std::string fix = FixIn(message); !fix.empty()) fixes_.emplace(key, fix);
}

void Form::Check() {
  ++revision_;
  errors_.clear();
  fixes_.clear();
  other_error_.clear();
  for (const auto& [key, text] : texts_) {
    try {
      const Setting& setting = *FindSetting(key);
      CheckThere(setting, ParseText(setting, text));
    } catch (const base::Error& error) {
      AddError(error.what());
    }
  }
  if (!card_) return;
  FitPaint();
  ErrorList errors;
  try {
    EffectiveSettings settings = Effective();
    CheckSettings(settings, card_->info, true, errors);
    ResolveAttentionFiles(settings);
    AttentionOf(settings, card_->info, errors);
    errors.ThrowIfAny();
  } catch (const InputErrors& all) {
    for (const InputErrors::Item& item : all.items()) AddError(item.text);
  } catch (const base::Error& error) {
    AddError(error.what());
  }
}

std::string Form::WhyNot() const {
  if (Text("model").empty()) return "Choose a model first";
  if (!model_error_.empty()) return model_error_;
  if (Trim(Text("prompt")).empty()) return "Say in the prompt what the clip shows";
  if (!errors_.empty()) return errors_.begin()->first + ": " + errors_.begin()->second;
  return other_error_;
}

// The grid follows the number of steps and layers; paint within both stays.
void Form::FitPaint() {
  int steps = 0;
  const int layers = card_ ? static_cast<int>(card_->info.num_layers) : 0;
  try {
    steps = static_cast<int>(Effective().Int("steps"));
  } catch (const base::Error&) {
    return;  // said elsewhere
  }
  if (painted_.empty() || (steps == painted_steps_ && layers == painted_layers_)) return;
  std::vector<ui::CellMode> fitted(static_cast<size_t>(steps) * static_cast<size_t>(layers), ui::CellMode::kBase);
  for (int step = 0; step < std::min(steps, painted_steps_); ++step) {
    for (int layer = 0; layer < std::min(layers, painted_layers_); ++layer) {
      fitted[static_cast<size_t>(step * layers + layer)] =
          painted_[static_cast<size_t>(step * painted_layers_ + layer)];
    }
  }
  painted_ = std::move(fitted);
  painted_steps_ = steps;
  painted_layers_ = layers;
  WriteSchedule();
}

void Form::WriteSchedule() {
  const Value rules = RulesOfPaint(painted_, painted_steps_, painted_layers_);
  if (rules.empty()) {
    texts_.erase(kSchedule);
  } else {
    texts_[kSchedule] = rules.dump();
  }
}

void Form::Paint(int step0, int step1, int layer0, int layer1, ui::CellMode mode) {
  if (!card_) return;
  const auto steps = static_cast<int>(Effective().Int("steps")), layers = static_cast<int>(card_->info.num_layers);
  if (painted_.empty()) {
    painted_.assign(static_cast<size_t>(steps) * static_cast<size_t>(layers), ui::CellMode::kBase);
    painted_steps_ = steps;
    painted_layers_ = layers;
  }
  for (int step = std::max(step0, 0); step <= std::min(step1, steps - 1); ++step) {
    for (int layer = std::max(layer0, 0); layer <= std::min(layer1, layers - 1); ++layer) {
      painted_[static_cast<size_t>(step * layers + layer)] = mode;
    }
  }
  WriteSchedule();
  Check();
}

void Form::ClearPaint() { Set(kSchedule, ""); }

void Form::FillSchedule(ui::ScheduleView& schedule) const {
  schedule = {};
  if (!card_) {
    schedule.note = "Choose a model first: its layers are the rows.";
    return;
  }
  try {
    const EffectiveSettings settings = Effective();
    schedule.num_steps = static_cast<int>(settings.Int("steps"));
    schedule.num_layers = static_cast<int>(card_->info.num_layers);
    schedule.effective = ModesOf(*card_, settings);
    schedule.painted = painted_;
    schedule.painted.resize(schedule.effective.size(), ui::CellMode::kBase);
  } catch (const base::Error&) {
    schedule = {};
    schedule.note = "What is wrong with the settings above comes first.";
  }
}

void Form::Fill(ui::StudioView& view) const {
  view.groups.clear();
  for (const SettingGroup& group : SettingGroups()) {
    if (group.name != "reserved") view.groups.push_back({std::string(group.name), std::string(group.title)});
  }
  view.settings.clear();
  for (const Setting& setting : app::Settings()) {
    if (setting.group == "reserved") continue;
    ui::SettingRow row;
    row.key = setting.key;
    row.label = LabelOf(setting);
    row.group = setting.group;
    row.widget = WidgetOf(setting);
    row.help = setting.help;
    row.unit = setting.unit;
    row.range = DescribeType(setting);
    if (!setting.choices.empty()) row.choices = Split(setting.choices, ' ');
    if (std::isfinite(setting.min)) row.min = setting.min;
    if (std::isfinite(setting.max)) row.max = setting.max;
    row.step = StepOf(setting, model());
    row.value = Text(row.key);
    row.default_text = setting.default_text;
    row.default_from = "the program";
    if (defaults_ && !defaults_->at(setting.key).is_null()) {
      row.default_text = TypedText(defaults_->at(setting.key));
      const std::string& where = defaults_->where(setting.key);
      row.default_from = where == "default" ? "the program" : where;
    }
    if (row.default_text.empty() && setting.key != "prompt" && setting.key != "negative_prompt") {
      row.default_text = setting.default_note;
    }
    if (const auto it = errors_.find(row.key); it != errors_.end()) row.error = it->second;
    if (row.key == "model" && row.error.empty()) row.error = model_error_;
    if (const auto it = fixes_.find(row.key); it != fixes_.end()) row.fix = it->second;
    if (!setting.missing.empty() && row.value.empty()) row.missing = setting.missing;
    view.settings.push_back(std::move(row));
  }
  view.model = {};
  if (card_) {
    view.model.num_layers = static_cast<int>(card_->info.num_layers);
    view.model.num_heads = static_cast<int>(card_->info.num_heads);
    for (const auto& [title, words] : card_->notes.vocabulary) view.model.vocabulary.push_back({title, words});
    view.model.notes = card_->notes.notes;
    view.model.unknown_words = UnknownWords(card_->notes, Text("prompt"));
  }
  FillSchedule(view.schedule);
  view.why_not.generate = WhyNot();
}

}  // namespace app
