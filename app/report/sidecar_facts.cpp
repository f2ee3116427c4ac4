#include "app/report/sidecar_facts.h"

#include <cmath>
#include <limits>

#include "app/seen/attention_view.h"
#include "app/seen/job_record.h"
#include "app/settings/text.h"

namespace app {
namespace {

using nlohmann::json;

const json& At(const json& object, const char* key) {
  static const json kNone;
  if (!object.is_object()) return kNone;
  const auto it = object.find(key);
  return it == object.end() ? kNone : *it;
}

std::string Text(const json& object, const char* key) {
  const json& value = At(object, key);
  return value.is_string() ? value.get<std::string>() : "";
}

std::optional<double> Number(const json& object, const char* key, double most = 1e12) {
  const json& value = At(object, key);
  if (!value.is_number()) return std::nullopt;
  const double number = value.get<double>();
  return std::isfinite(number) && std::fabs(number) <= most ? std::optional(number) : std::nullopt;
}

std::optional<double> NotNegative(const json& object, const char* key) {
  const std::optional<double> value = Number(object, key);
  return value && *value >= 0 ? value : std::nullopt;
}

SkipMap MapOf(const json& attention) {
  const std::optional<AttentionView> view = ViewOfRecord(attention);
  SkipMap map;
  if (!view) return map;
  map.steps = static_cast<int64_t>(view->steps.size());
  map.layers = view->num_layers;
  for (int64_t layer = 0; layer < map.layers; ++layer) {
    for (const AttentionView::Step& step : view->steps) {
      const BlockCounts& counts = step.layers[static_cast<size_t>(layer)];
      map.values.push_back(counts.visible_blocks > 0 ? static_cast<float>(counts.sparsity())
                                                     : std::numeric_limits<float>::quiet_NaN());
    }
  }
  return map;
}

void AddMetrics(const json& metrics, ReportJob& job) {
  if (!metrics.is_object()) return;
  job.psnr_db = Number(At(metrics, "psnr"), "clip");
  job.ssim = Number(At(metrics, "ssim"), "mean");
  job.flicker = NotNegative(At(metrics, "flicker"), "mean");
  job.identical = At(metrics, "identical") == true;
  job.measured_on = Text(metrics, "measured_on");
  job.comparison = Text(metrics, "comparison");
  if (job.role == PlanRole::kAlone) job.role = PlanRole::kVariant;
}

}  // namespace

bool AddSidecarFacts(const std::string& path, ReportJob& job) {
  const json sidecar = ReadSidecar(path);
  if (!sidecar.is_object()) return false;
  const std::string hash = Text(sidecar, "hash");
  if (!job.hash.empty() && job.hash != hash) return false;
  job.hash = hash;
  if (job.settings.empty()) job.settings = At(sidecar, "job");

  const json &times = At(sidecar, "timings_s"), &attention = At(sidecar, "attention");
  job.total_s = NotNegative(times, "total");
  job.load_s = NotNegative(times, "load");
  job.encode_s = NotNegative(times, "encode_prompt");
  job.denoise_s = NotNegative(times, "denoise");
  job.decode_s = NotNegative(times, "decode");
  job.write_s = NotNegative(times, "write");
  job.sparsity = NotNegative(attention, "sparsity");
  if (job.sparsity && *job.sparsity > 1) job.sparsity.reset();
  job.attention_share = NotNegative(attention, "share_of_time");
  if (const json& fallbacks = At(attention, "fallbacks"); fallbacks.is_array()) {
    for (const json& fallback : fallbacks) {
      job.fallbacks += static_cast<int64_t>(NotNegative(fallback, "calls").value_or(0));
    }
  }
  if (const json& redone = At(attention, "redone"); redone.is_array()) {
    job.redone_steps = static_cast<int64_t>(redone.size());
  }
  if (const json& kernels = At(attention, "kernels"); kernels.is_object()) {
    std::vector<std::string> names;
    for (const auto& [name, calls] : kernels.items()) names.push_back(name);
    job.kernels = Join(names, ", ");
  }
  job.skipped = MapOf(attention);
  AddMetrics(At(sidecar, "metrics"), job);
  const json &program = At(sidecar, "program"), &model = At(sidecar, "model");
  job.device = Text(program, "device");
  job.dtype = Text(program, "dtype");
  job.version = Text(program, "version");
  job.model = Text(model, "name");
  if (job.model.empty()) job.model = Text(model, "folder");
  if (const std::string name = Text(model, "class"); !name.empty())
    job.model += (job.model.empty() ? "" : " · ") + name;
  job.model_hash = Text(model, "hash");
  if (const auto peak = NotNegative(sidecar, "peak_memory_bytes")) {
    job.peak_memory_bytes = static_cast<int64_t>(*peak);
  }
  return true;
}

}  // namespace app
