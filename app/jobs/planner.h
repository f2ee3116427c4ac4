#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "app/jobs/outputs.h"
#include "app/jobs/plan.h"

namespace app {

// Says what is wrong: with the assignment at `where` (as Assignment::where has it; may be empty), which belongs to what
// stands at `fallback`.
using ReportError =
    std::function<void(const std::string& where, const std::string& fallback, const std::string& message)>;

// A folder that a `model` setting means, and the model in it.
struct FoundModel {
  size_t index = 0;
  bool good = false;
};

// What entries have in common: everything but their own settings.
struct PlanBase {
  size_t model = 0;
  std::shared_ptr<const EffectiveSettings> settings;
  std::shared_ptr<const EffectiveSettings> floor;  // what a null goes back to
  bool said_dense_layers = false, said_dense_steps = false;
  std::vector<std::string> pieces;  // "key":value of every setting in order of key, for hashes
};

struct EntryDraft {
  std::string name, variant, where;
  int64_t index = 0, group = 0;
  PlanRole role = PlanRole::kAlone;
  size_t base = 0;
  Layer own;                         // null clears
  std::vector<std::string> outputs;  // absolute; empty: as `out` says
  std::string hash;                  // that it is to have; empty: not said
  bool suspect = false;              // of a job with errors: that it is like another entry says nothing
};

// Puts a plan together, entry by entry: checks each against its model, computes hashes and output files. What entries
// have in common is done once.
class Planner {
 public:
  // `out_folder`: where a relative `out` (the default) begins. Errors of files (a profile) go to `errors` directly.
  Planner(const InspectModelFolder& inspect, std::string out_folder, ErrorList& errors, ReportError report);

  // `model` as FindModel takes it, relative to `folder`; looked at once. Errors are reported once a folder and place.
  FoundModel Model(const std::string& model, const std::string& folder, const std::string& where,
                   const std::string& fallback);

  // Layers over what the program, the family and the model say.
  size_t AddBase(size_t model, const std::vector<const Layer*>& layers);
  const PlanBase& base(size_t index) const { return bases_[index]; }

  // The value that the draft's entry would have.
  const Assignment& ValueOf(const EntryDraft& draft, std::string_view key) const;

  void Add(EntryDraft draft);
  size_t size() const { return entries_.size(); }

  // Sorts by model, hashes, and plans the files. Throws InputErrors with all that was wrong.
  void Finish(Plan& plan);

 private:
  struct Template {  // what settings that checks depend on lead to
    Layer extra;     // attention settings that follow from them
  };

  void Report(const std::string& where, const std::string& fallback, const std::string& message);
  void ReportOf(const EffectiveSettings& settings, const std::string& fallback, const InputErrors::Item& item);
  const Template& TemplateOf(const EntryDraft& draft);
  Template MakeTemplate(const EntryDraft& draft);
  std::string HashText(size_t entry, const std::string& model_hash);
  const std::string& FileHash(const std::string& key, const std::string& path);
  bool PlanFilesOfAll(bool fingerprints, OutputPlanner& outputs);
  void CheckDoubles(OutputPlanner& outputs);
  std::string Title(size_t entry) const;  // "balls/half 3"

  const InspectModelFolder& inspect_;
  std::string out_folder_;
  ErrorList& errors_;
  ReportError report_;
  std::set<std::string> reported_;
  std::map<std::string, FoundModel> found_;  // by folder and name
  std::map<std::string, size_t> by_folder_;
  std::vector<std::shared_ptr<PlanModel>> models_;
  std::vector<PlanBase> bases_;
  std::unordered_map<std::string, Template> templates_;
  std::map<std::string, std::string> file_hashes_;
  struct Given {  // what an entry came with, besides itself
    size_t base = 0;
    std::string where;
    std::vector<std::string> outputs;
    std::string hash;
    bool suspect = false;
  };

  std::vector<PlanEntry> entries_;
  std::vector<Given> given_;  // one an entry
};

}  // namespace app
