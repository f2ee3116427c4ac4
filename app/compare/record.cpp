#include "app/compare/record.h"

#include <cmath>
#include <filesystem>

#include "app/seen/job_record.h"
#include "attention/base/error.h"
#include "pipeline/media/media.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string HashOf(const json& record) {
  return record.is_object() && record.contains("hash") && record["hash"].is_string() ? record["hash"].get<std::string>()
                                                                                     : "";
}

// A finite number below nested keys; `fallback` where there is none.
double NumberAt(const json& object, std::initializer_list<const char*> keys, double fallback) {
  const json* value = &object;
  for (const char* key : keys) {
    if (!value->is_object() || !value->contains(key)) return fallback;
    value = &(*value)[key];
  }
  return value->is_number() && std::isfinite(value->get<double>()) ? value->get<double>() : fallback;
}

}  // namespace

double Provenance::fps() const {
  const double fps = NumberAt(job, {"fps"}, 0);
  return fps >= 0.01 && fps <= 1000 ? fps : 0;
}

double Provenance::seconds() const { return NumberAt(sidecar, {"timings_s", "total"}, -1); }

double Provenance::sparsity() const {
  const double sparsity = NumberAt(sidecar, {"attention", "sparsity"}, -1);
  return sparsity <= 1 ? sparsity : -1;
}

std::string StemOf(const std::string& path) {
  try {
    return pipeline::OutputStem(path);
  } catch (const base::Error&) {  // no extension of an output's
    return fs::path(path).replace_extension().string();
  }
}

Provenance ReadProvenance(const std::string& path, const std::string& comment) {
  Provenance provenance;
  const json record = ParseRecord(comment);
  json sidecar = ReadSidecar(StemOf(path) + ".json");
  if (record.is_object() && HashOf(record) != HashOf(sidecar)) sidecar = nullptr;
  const json& known = record.is_object() ? record : sidecar;
  if (known.is_object()) {
    provenance.job = known["job"];
    provenance.hash = HashOf(known);
    if (known.contains("model") && known["model"].is_object()) provenance.model = known["model"];
  }
  provenance.sidecar = std::move(sidecar);
  return provenance;
}

}  // namespace app
