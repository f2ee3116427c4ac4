#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "app/settings/layers.h"
#include "pipeline/memory_estimate.h"
#include "pipeline/pipeline.h"
#include "ui/view.h"

// What the form says about memory before a clip is made.
namespace app {

struct MemoryQuestion {
  EffectiveSettings settings;
  pipeline::ModelInfo model;
  // Whether the machine may be looked at again. Not once a worker holds a model: what that takes is free for the next
  // clip too, but does not look so.
  bool look = true;
};

struct MemoryAnswer {
  std::string estimate, warning;  // for people; a warning where it does not fit
  std::vector<ui::MemoryOffer> offers;
};

// Answers on a thread of its own; never throws. `look_at_machine` is pipeline::LookAtMachine, or a test's own.
class MemoryView {
 public:
  using LookAt = std::function<pipeline::Machine(const pipeline::RuntimeOptions&)>;

  explicit MemoryView(LookAt look_at_machine) : look_at_machine_(std::move(look_at_machine)) {}
  MemoryAnswer operator()(const MemoryQuestion& question);

 private:
  LookAt look_at_machine_;
  std::map<std::string, pipeline::Machine> machines_;  // by device and dtype
};

}  // namespace app
