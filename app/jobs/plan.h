#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "app/job/job.h"
#include "app/settings/layers.h"

// What `sparge render` renders (docs/interfaces.md, "JOBS.yaml"): every entry with its settings, its hash and the files
// that it makes, known before anything is rendered.
namespace app {

inline constexpr int64_t kMaxPlanEntries = 100000;

// A model that entries of a plan render with: looked at once, no weights loaded.
struct PlanModel {
  pipeline::ModelInfo info;
  ModelNotes notes;
  std::string hash;  // ModelHash(info)
};

// What an entry is in its comparison.
enum class PlanRole {
  kAlone,       // in none
  kReference,   // the others of its group are held against it
  kVariant,     // starts from the reference's noise
  kNoiseFloor,  // the reference once more with another dense kernel: attention.kernel says which
};

// One render. Small: what entries have in common is shared.
struct PlanEntry {
  std::string name;  // of the job
  std::string variant = "main";
  int64_t index = 0;  // within the job; variants of one comparison share it
  int64_t group = 0;  // the entries of one comparison share it, and nobody else has it
  PlanRole role = PlanRole::kAlone;
  size_t model = 0;  // of Plan::models
  std::string hash;  // JobHash
  JobFiles files;    // absolute

  std::shared_ptr<const EffectiveSettings> base;
  Layer own;  // what this entry has otherwise than `base`; a null is null

  // Every effective setting, `model` and `out` absolute, and where each came from.
  EffectiveSettings Settings() const;
  const Assignment& At(std::string_view key) const;
};

struct Plan {
  std::string source;  // absolute path of the YAML file, the plan or the clip
  bool from_yaml = false;
  bool drew_seeds = false;  // `seed: random` was drawn: planned again it would be another plan
  std::vector<std::shared_ptr<const PlanModel>> models;
  std::vector<PlanEntry> entries;  // in order of rendering: all of one model, then all of the next
  std::vector<std::string> notices;
};

// How to look at a model folder: pipeline::Inspect, or a test's own.
using InspectModelFolder = std::function<pipeline::ModelInfo(const std::string& folder)>;

// `--set key=value`, in order; later ones win.
using SetFlags = std::vector<std::pair<std::string, std::string>>;

// The plan of JOBS.yaml, PLAN.json, or the job that a clip, image, .safetensors file or sidecar records (whose `out` is
// ignored). Throws InputErrors with everything that is wrong, before any weight is read. Files that exist already are
// no error here: who renders knows the manifest. Creates nothing.
Plan ReadPlanSource(const std::string& path, const SetFlags& sets, const InspectModelFolder& inspect);

// The same from the text of a JOBS.yaml that would stand at `path`.
Plan ReadJobs(const std::string& path, std::string text, const SetFlags& sets, const InspectModelFolder& inspect);

// The same from the text of a PLAN.json; `sets` are no part of it, for it is rendered as it is.
Plan ReadPlanJSON(const std::string& path, std::istream& json, const InspectModelFolder& inspect);

// {"version": 1, "jobs": [{name, variant, index, hash, settings, outputs}]}: what ReadPlanJSON reads; an entry a line,
// piece by piece.
void WritePlanJSON(const Plan& plan, const std::function<void(const std::string& text)>& write);

// One of its jobs.
nlohmann::json PlanEntryJSON(const PlanEntry& entry);

struct PlanSelection {
  std::vector<std::string> only, skip;  // globs on `name` and `name/variant`; empty: all, none
  int64_t shard = 1, shards = 1;        // I/N
};

// Leaves what is selected: --only, --skip, then every N-th entry, a comparison counting as one. Throws
// base::Error{kInvalidInput} for an --only that matches nothing, and for shards of a plan whose seeds were drawn.
void SelectEntries(const PlanSelection& selection, Plan& plan);

// What PrepareJob makes of the entry, for who renders it in this process. Throws as PrepareJob.
Job JobOfEntry(const Plan& plan, const PlanEntry& entry);

}  // namespace app
