#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/settings/value.h"
#include "attention/base/error.h"

namespace app {

struct Assignment {
  Value value;        // null clears what lower layers said
  std::string where;  // "--steps", "model/sparge.yaml:3:8", "default"
};

// What one source says: key → value. Sources stack, later ones win (docs/interfaces.md, JOBS.yaml).
using Layer = std::map<std::string, Assignment, std::less<>>;

// Several things wrong with what the user gave, each with a text of its own.
class InputErrors : public base::Error {
 public:
  struct Item {
    std::string text;      // one line, or `file:line:column: message` and the line with a caret
    bool located = false;  // begins with a place in a file: printed as it is, so that editors find it
  };
  explicit InputErrors(std::vector<Item> items);
  const std::vector<Item>& items() const { return items_; }

 private:
  std::vector<Item> items_;
};

// Collects errors, so that all are reported at once.
class ErrorList {
 public:
  void Add(std::string text, bool located = false) { items_.push_back({std::move(text), located}); }
  void Add(const base::Error& error);
  // Runs `body`, taking note of a base::Error that is about input. Returns whether there was none.
  bool Try(const std::function<void()>& body);
  bool empty() const { return items_.empty(); }
  size_t size() const { return items_.size(); }
  void ThrowIfAny() const;  // Throws InputErrors

 private:
  std::vector<InputErrors::Item> items_;
};

// Every setting's effective value and where it comes from.
class EffectiveSettings {
 public:
  // The program's defaults.
  EffectiveSettings();

  // `base` layers (family defaults) are what a null in a later layer goes back to.
  static EffectiveSettings Resolve(const std::vector<Layer>& base, const std::vector<Layer>& layers);

  const Value& at(std::string_view key) const;
  const std::string& where(std::string_view key) const;
  const Assignment& assignment(std::string_view key) const;
  bool IsSet(std::string_view key) const { return !at(key).is_null(); }
  void Set(std::string_view key, Value value, std::string where);

  // Throw Error{kInternal} when the setting has no value of that type.
  int64_t Int(std::string_view key) const;
  double Number(std::string_view key) const;
  bool On(std::string_view key) const;
  std::string Text(std::string_view key) const;
  std::string TextOr(std::string_view key, std::string_view fallback) const;
  std::vector<std::string> Paths(std::string_view key) const;  // empty when unset

  // {dotted key: value} of every setting: `job` of sidecars, `settings` of plans.
  nlohmann::json ToJSON() const;

 private:
  std::map<std::string, Assignment, std::less<>> values_;
};

// A layer from `job` as ToJSON wrote it, or from what became of it: keys are checked, values too. Keys may be nested.
// Unknown keys are left out and named in `unknown`. Throws InputErrors for values.
Layer LayerFromJSON(const nlohmann::json& job, const std::string& where, std::vector<std::string>* unknown);

// SHA-256 over the canonical JSON of all settings but those that do not change what is made, with the model by
// `model_hash` in place of its path; `files`: further settings by the hash of the file that they name. 64 hex digits.
std::string JobHash(const EffectiveSettings& settings, const std::string& model_hash,
                    const std::map<std::string, std::string>& files = {});

}  // namespace app
