#include "app/job/memory.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "app/settings/text.h"
#include "attention/base/error.h"

namespace app {
namespace {

using pipeline::Machine;
using pipeline::MemoryEstimate;
using pipeline::MemoryRequest;
using pipeline::ModelInfo;

// A job as far as memory goes.
struct Shape {
  MemoryRequest request;
  std::string tiling;
  Machine machine;
};

Shape ShapeOf(const SettingLookup& settings, const Machine& machine, bool from_latents) {
  Shape shape;
  shape.machine = machine;
  MemoryRequest& r = shape.request;
  r.width_px = settings("width").get<int64_t>();
  r.height_px = settings("height").get<int64_t>();
  r.num_frames = settings("frames").get<int64_t>();
  r.max_sequence_length = settings("max_sequence_length").get<int64_t>();
  r.guided = settings("guidance").get<double>() > 1.0;
  r.decodes_only = from_latents;
  const Value& tiling = settings("vae_tiling");
  shape.tiling = tiling.is_string() ? tiling.get<std::string>() : "auto";
  r.tiled = shape.tiling == "on";
  return shape;
}

int64_t PeakOf(const MemoryEstimate& estimate, const Machine& machine) {
  return machine.cuda ? estimate.device_bytes() : estimate.host_bytes();
}

// Of the job's peak, the program included.
int64_t AvailableFor(const Machine& machine) {
  if (machine.cuda) return machine.device_available;
  return machine.host_available == 0 ? 0 : machine.host_available + machine.base_bytes;
}

bool Fits(int64_t bytes, const Machine& machine) {
  const int64_t available = AvailableFor(machine);
  return available == 0 || bytes <= available;
}

MemoryEstimate Least(const ModelInfo& model, Shape shape) {
  shape.request.lean = true;
  shape.request.tiled |= shape.tiling == "auto";
  return EstimateMemory(model, shape.request, shape.machine);
}

int64_t LeastPeak(const ModelInfo& model, const Shape& shape) { return PeakOf(Least(model, shape), shape.machine); }

// The largest of `count` shapes, from the least (0), that fits; none where not even that does.
template <class Make>
std::optional<Shape> Largest(const ModelInfo& model, int64_t count, const Make& make) {
  int64_t low = 0, high = count;  // the first `low` fit
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    const Shape shape = make(middle);
    if (Fits(LeastPeak(model, shape), shape.machine)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low == 0 ? std::nullopt : std::optional<Shape>(make(low - 1));
}

void AddOffers(const ModelInfo& model, const Shape& asked, std::vector<MemoryOffer>& offers) {
  const auto add = [&](const std::string& text, const Shape& shape, std::vector<std::pair<std::string, Value>> values) {
    MemoryOffer offer;
    offer.text = text;
    for (auto& [key, value] : values) offer.settings[key] = {std::move(value), "to fit into memory"};
    offer.bytes = LeastPeak(model, shape);
    offers.push_back(std::move(offer));
  };
  const auto consider = [&](const std::string& text, const Shape& shape,
                            std::vector<std::pair<std::string, Value>> values) {
    if (Fits(LeastPeak(model, shape), shape.machine)) add(text, shape, std::move(values));
  };
  if (asked.tiling == "off") {
    Shape tiled = asked;
    tiled.tiling = "on";
    tiled.request.tiled = true;
    consider("vae_tiling: on", tiled, {{"vae_tiling", "on"}});
  }
  if (asked.machine.element_bytes == 4) {
    Shape half = asked;
    half.machine.element_bytes = 2;
    consider("dtype: bfloat16", half, {{"dtype", "bfloat16"}});
  }
  const pipeline::SizeRules& rules = model.size_rules;
  const MemoryRequest& r = asked.request;
  const auto with_frames = [&](int64_t n) {
    Shape shape = asked;
    shape.request.num_frames = rules.frames_first + n * rules.frames_multiple;
    return shape;
  };
  if (const auto shape = Largest(model, (r.num_frames - rules.frames_first) / rules.frames_multiple, with_frames)) {
    const int64_t frames = shape->request.num_frames;
    add(base::StrCat(frames, frames == 1 ? " frame" : " frames", " instead of ", r.num_frames), *shape,
        {{"frames", frames}});
  }
  // Smaller pictures of about the same shape.
  constexpr int64_t kScales = 63;  // 1/64 … 63/64
  const auto scaled = [&](int64_t n) {
    const auto side = [&](int64_t of, int64_t multiple) {
      return std::max(multiple, of * (n + 1) / (kScales + 1) / multiple * multiple);
    };
    Shape shape = asked;
    shape.request.width_px = side(r.width_px, rules.width_multiple);
    shape.request.height_px = side(r.height_px, rules.height_multiple);
    return shape;
  };
  if (const auto shape = Largest(model, kScales, scaled)) {
    const int64_t width = shape->request.width_px, height = shape->request.height_px;
    if (width < r.width_px || height < r.height_px) {
      add(base::StrCat(width, " x ", height, " px instead of ", r.width_px, " x ", r.height_px), *shape,
          {{"width", width}, {"height", height}});
    }
  }
}

std::string InGB(int64_t bytes) { return base::StrCat(std::round(static_cast<double>(bytes) * 1e-8) / 10, " GB"); }

}  // namespace

JobMemory MemoryOf(const SettingLookup& settings, const ModelInfo& model, const Machine& machine, bool from_latents) {
  JobMemory memory;
  const Shape shape = ShapeOf(settings, machine, from_latents);
  memory.on_device = machine.cuda;
  memory.available = AvailableFor(machine);
  memory.estimate = EstimateMemory(model, shape.request, machine);
  memory.least = Least(model, shape);
  memory.tiles = shape.request.tiled;
  memory.bytes = PeakOf(memory.estimate, machine);
  if (Fits(memory.bytes, machine)) return memory;
  memory.bytes = PeakOf(memory.least, machine);
  memory.fits = Fits(memory.bytes, machine);
  Shape lean = shape;
  lean.request.lean = true;
  memory.tiles |=
      shape.tiling == "auto" && !Fits(PeakOf(EstimateMemory(model, lean.request, machine), machine), machine);
  if (!memory.fits) AddOffers(model, shape, memory.offers);
  return memory;
}

std::string MemoryText(const JobMemory& memory) {
  if (memory.fits) return "";
  const auto peak =
      std::max_element(memory.least.stages.begin(), memory.least.stages.end(), [&](const auto& a, const auto& b) {
        return memory.on_device ? a.device_bytes < b.device_bytes : a.host_bytes < b.host_bytes;
      });
  std::string text = "needs about " + InGB(memory.bytes) + " (" + peak->stage + "), and " + InGB(memory.available) +
                     (memory.on_device ? " of the device's memory" : "") + " are available";
  std::vector<std::string> offers;
  for (const MemoryOffer& offer : memory.offers) offers.push_back(offer.text);
  return text + (offers.empty() ? "" : "; what would fit: " + Join(offers, ", or "));
}

}  // namespace app
