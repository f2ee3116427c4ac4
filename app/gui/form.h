#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/gui/model_card.h"
#include "app/settings/value.h"
#include "ui/view.h"

namespace app {

// Settings that the user gave a value, typed.
using ExplicitSettings = std::map<std::string, Value, std::less<>>;

// The form of the window: texts as they are typed, checked against the table of settings and the model.
class Form {
 public:
  // "" goes back to the default. Unknown keys are left out.
  void Set(const std::string& key, const std::string& text);
  void SetValue(const std::string& key, const Value& value);
  const std::string& Text(const std::string& key) const;  // "" where nothing is given
  // All at once, as of a job.
  void Take(const ExplicitSettings& settings);
  // Null: none.
  void SetModel(std::optional<ModelCard> card, const std::string& error);
  const ModelCard* model() const { return card_ ? &*card_ : nullptr; }

  // Typed values of everything that is right.
  ExplicitSettings Settings() const;
  // The first thing that is wrong; "" if nothing.
  std::string WhyNot() const;
  // With everything given that is right.
  EffectiveSettings Effective() const;

  void Paint(int step0, int step1, int layer0, int layer1, ui::CellMode mode);
  void ClearPaint();

  // Rows, model and schedule of the view.
  void Fill(ui::StudioView& view) const;
  // Another one whenever Fill would fill in something else.
  uint64_t revision() const { return revision_; }

 private:
  void Check();
  void AddError(const std::string& text);
  void FillSchedule(ui::ScheduleView& schedule) const;
  void WriteSchedule();
  void FitPaint();

  std::map<std::string, std::string, std::less<>> texts_;
  std::map<std::string, std::string, std::less<>> errors_, fixes_;
  std::string other_error_;
  std::optional<ModelCard> card_;
  std::string model_error_;
  std::optional<EffectiveSettings> defaults_;
  std::vector<ui::CellMode> painted_;
  int painted_steps_ = 0, painted_layers_ = 0;
  uint64_t revision_ = 0;
};

// What holds for this model where these settings are given.
EffectiveSettings EffectiveOf(const ModelCard& card, const ExplicitSettings& settings);

// What each step and layer of the DiT runs as, [steps, layers]; never kBase. Throws base::Error.
std::vector<ui::CellMode> ModesOf(const ModelCard& card, EffectiveSettings settings);

// The rules of `schedule` that a painted grid stands for: as few as steps with equal columns allow.
Value RulesOfPaint(const std::vector<ui::CellMode>& painted, int num_steps, int num_layers);

// A value as it is typed.
std::string TypedText(const Value& value);

}  // namespace app
