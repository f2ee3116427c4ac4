#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/settings/layers.h"
#include "pipeline/device_memory.h"
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
  std::optional<pipeline::DeviceMemory> device;  // where the clip would be made on one, and it was looked at
};

// Answers on a thread of its own; never throws. `look_at_machine` and `look_at_device` are the functions of `pipeline`,
// or a test's own.
class MemoryView {
 public:
  using LookAt = std::function<pipeline::Machine(const pipeline::RuntimeOptions&)>;
  using LookAtDevice = std::function<std::optional<pipeline::DeviceMemory>(const std::string& device)>;

  explicit MemoryView(LookAt look_at_machine, LookAtDevice look_at_device = nullptr)
      : look_at_machine_(std::move(look_at_machine)), look_at_device_(std::move(look_at_device)) {}
  MemoryAnswer operator()(const MemoryQuestion& question);

 private:
  LookAt look_at_machine_;
  LookAtDevice look_at_device_;
  std::map<std::string, pipeline::Machine> machines_;  // by device and dtype
};

}  // namespace app
