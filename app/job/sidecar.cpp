#include "app/job/sidecar.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "app/job/attention_door.h"

namespace app {
namespace {

using nlohmann::json;

double Rounded(double value, double unit) { return std::round(value / unit) * unit; }

double Seconds(double value) { return Rounded(value * 1e6, 1) / 1e6; }

}  // namespace

json CallJSON(const attention::CallRecord& call) {
  return {{"layer", call.layer},
          {"kind", attention::KindName(call.kind)},
          {"pass", attention::PassName(call.pass)},
          {"expert", nullptr},
          {"visible_blocks", call.visible_blocks},
          {"kept_blocks", call.kept_blocks},
          {"pv_tiles", call.pv_tiles},
          {"pv_skipped", call.pv_skipped},
          {"ms", Rounded(call.seconds * 1e6, 1) / 1e3},
          {"ms_predict", Rounded(call.predict_seconds * 1e6, 1) / 1e3}};
}

json FallbacksJSON(const attention::StatsRecorder& stats, std::optional<int64_t> step) {
  json fallbacks = json::array();
  for (const attention::Fallback& fallback : stats.fallbacks()) {
    if (step && fallback.step != *step) continue;
    fallbacks.push_back({{"step", fallback.step},
                         {"layer", fallback.layer},
                         {"kind", attention::KindName(fallback.kind)},
                         {"kernel", fallback.kernel},
                         {"reason", fallback.reason},
                         {"calls", fallback.calls}});
  }
  return fallbacks;
}

json AttentionRecord(const attention::StatsRecorder& stats, const std::vector<double>& sigmas, double seconds) {
  json kernels = json::object();
  for (const auto& [name, calls] : stats.calls_by_kernel()) kernels[name] = calls;
  json redone = json::array();
  for (const attention::Redo& redo : stats.redone()) {
    redone.push_back(
        {{"step", redo.step}, {"reason", redo.reason}, {"calls", redo.calls}, {"seconds", Seconds(redo.seconds)}});
  }
  std::map<int, json> layers_by_step;
  for (const attention::CallRecord& call : stats.denoising_calls()) {
    json& layers = layers_by_step.try_emplace(call.step, json::array()).first->second;
    layers.push_back(CallJSON(call));
  }
  json steps = json::array();
  for (auto& [step, layers] : layers_by_step) {
    const bool known = step >= 0 && static_cast<size_t>(step) < sigmas.size();
    steps.push_back({{"step", step},
                     {"sigma", known ? json(sigmas[static_cast<size_t>(step)]) : json(nullptr)},
                     {"layers", std::move(layers)}});
  }
  const double share = seconds > 0 ? std::min(1.0, stats.seconds() / seconds) : 0;
  return {{"kernels", kernels},
          {"fallbacks", FallbacksJSON(stats)},
          {"redone", redone},
          {"sparsity", stats.sparsity()},
          {"share_of_time", Rounded(share * 1e4, 1) / 1e4},
          {"steps", steps}};
}

json AuditRecord(const std::vector<pipeline::AuditedCall>& calls) {
  json list = json::array();
  double sums[4] = {};
  double count = 0;
  for (const pipeline::AuditedCall& call : calls) {
    list.push_back({{"step", call.step},
                    {"layer", call.layer},
                    {"kind", attention::KindName(call.kind)},
                    {"pass", attention::PassName(call.pass)},
                    {"mode", call.mode},
                    {"total", call.total},
                    {"skipping", call.skipping},
                    {"eight_bit", call.eight_bit},
                    {"dense8", call.dense8}});
    for (size_t h = 0; h < call.total.size(); ++h, ++count) {
      sums[0] += call.total[h];
      sums[1] += call.skipping[h];
      sums[2] += call.eight_bit[h];
      sums[3] += call.dense8[h];
    }
  }
  const double n = std::max(count, 1.0);
  return {{"error", "relative L1 against dense attention on the same inputs"},
          {"mean",
           {{"total", sums[0] / n}, {"skipping", sums[1] / n}, {"eight_bit", sums[2] / n}, {"dense8", sums[3] / n}}},
          {"calls", list}};
}

json MakeSidecar(const Rendered& rendered, const RunTimes& times) {
  const pipeline::StageSeconds& stages = rendered.record.seconds;
  std::vector<double> steps;
  for (double s : stages.steps) steps.push_back(Seconds(s));
  json sidecar = JobRecord(rendered.job);
  sidecar["program"] = {
      {"version", SPARGE_VERSION}, {"kernels", KernelNames()}, {"device", rendered.device}, {"dtype", rendered.dtype}};
  sidecar["timings_s"] = {{"load", Seconds(stages.load)},
                          {"encode_prompt", Seconds(stages.encode_prompt)},
                          {"denoise", Seconds(stages.denoise)},
                          {"decode", Seconds(stages.decode)},
                          {"write", Seconds(times.write)},
                          {"total", Seconds(times.total)},
                          {"steps", steps}};
  sidecar["peak_memory_bytes"] = rendered.peak_memory_bytes;
  sidecar["attention"] = AttentionRecord(rendered.record.attention, rendered.record.sigmas,
                                         stages.encode_prompt + stages.denoise + stages.decode);
  sidecar["audit"] = rendered.audit;
  sidecar["metrics"] = nullptr;
  const std::string& latents = rendered.job.from_latents;
  if (!latents.empty() && !rendered.job.goes_on) {
    const std::string& hash = rendered.latents_hash;
    sidecar["from"] = {{"kind", "latents"},
                       {"name", std::filesystem::path(latents).filename().string()},
                       {"path", latents},
                       {"hash", hash.empty() ? json() : json(hash)}};
  }
  return sidecar;
}

}  // namespace app
