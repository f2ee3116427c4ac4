#include "app/jobs/expand.h"

#include <algorithm>
#include <limits>

#include "app/settings/text.h"

namespace app {
namespace {

constexpr int64_t kMaxCombinations = 10 * 1000 * 1000;  // looked at, before `exclude`

// Values of axes, of one combination.
struct Combination {
  Layer own;
  const std::vector<std::string>* profiles = nullptr;  // null: the job's
};

class JobExpander {
 public:
  JobExpander(const JobsFile& file, const JobDefinition& job, const Layer& sets, const std::string& folder,
              Planner& planner, Plan& plan, int64_t& next_group, const ReportError& report)
      : file_(file),
        job_(job),
        sets_(sets),
        folder_(folder),
        planner_(planner),
        plan_(plan),
        next_group_(next_group),
        report_(report) {}

  // False where the plan grows too large.
  bool Run() {
    Collect();
    const size_t prompts = axes_.empty() || !job_.prompts ? 1 : axes_[0].count;
    const size_t first = job_.prompts ? 1 : 0;
    int64_t inner = 1;
    for (size_t i = first; i < axes_.size(); ++i) {
      inner *= static_cast<int64_t>(axes_[i].count);
      if (inner > kMaxCombinations) return TooLarge();
    }
    if (inner * static_cast<int64_t>(prompts) > kMaxCombinations) return TooLarge();
    for (size_t p = 0; p < prompts; ++p) {
      std::vector<size_t> at(axes_.size(), 0);
      if (job_.prompts) at[0] = p;
      for (int64_t c = 0; c < inner; ++c) {
        int64_t rest = c;
        for (size_t i = axes_.size(); i-- > first;) {
          at[i] = static_cast<size_t>(rest % static_cast<int64_t>(axes_[i].count));
          rest /= static_cast<int64_t>(axes_[i].count);
        }
        if (Excluded(at)) continue;
        if (!Emit(Combine(at, axes_.size()))) return TooLarge();
      }
      for (const IncludedEntry& included : job_.include) {
        Combination combination = Combine(at, first);  // the prompt alone
        for (const auto& [key, assignment] : included.settings) combination.own[key] = assignment;
        if (included.profiles) combination.profiles = &included.profiles->names;
        if (!Emit(std::move(combination))) return TooLarge();
      }
    }
    for (size_t i = 0; i < job_.exclude.size(); ++i) {
      if (!used_[i]) plan_.notices.push_back(job_.exclude_where[i] + ": this `exclude` drops nothing");
    }
    if (index_ == 0) plan_.notices.push_back(job_.where + ": job " + Quoted(job_.name) + " has no entries");
    return true;
  }

 private:
  // Axes that move together: the prompts, all of `zip`, one of `matrix`.
  struct AxisGroup {
    std::vector<const Axis*> axes;
    size_t count = 0;
    std::vector<std::vector<std::vector<bool>>> matches;  // [exclusion][axis][value]; empty: not one of its keys
  };

  void Collect() {
    const auto group = [&](std::vector<const Axis*> axes) {
      const size_t count = axes[0]->values.size();
      axes_.push_back({std::move(axes), count, {}});
    };
    if (job_.prompts) group({&*job_.prompts});
    if (!job_.zip.empty()) {
      std::vector<const Axis*> together;
      for (const Axis& axis : job_.zip) together.push_back(&axis);
      group(together);
    }
    for (const Axis& axis : job_.matrix) group({&axis});
    // Which entries of `exclude` each value of each axis matches.
    used_.assign(job_.exclude.size(), false);
    for (AxisGroup& one : axes_) {
      for (const Exclusion& exclusion : job_.exclude) {
        std::vector<std::vector<bool>> of_exclusion;
        for (const Axis* axis : one.axes) {
          std::vector<bool> match;
          const auto it = exclusion.find(axis->key);
          if (it != exclusion.end()) {
            for (const AxisValue& value : axis->values) match.push_back(value.value == it->second.value);
          }
          of_exclusion.push_back(std::move(match));
        }
        one.matches.push_back(std::move(of_exclusion));
      }
      // `random` in an axis is one seed for all that this value is combined with.
      for (const Axis* axis : one.axes) {
        if (axis->key != "seed") continue;
        for (const AxisValue& value : axis->values) {
          if (value.value == "random") drawn_[&value] = Draw();
        }
      }
    }
  }

  bool Excluded(const std::vector<size_t>& at) {
    bool excluded = false;
    for (size_t e = 0; e < job_.exclude.size(); ++e) {
      bool all = true;
      for (size_t g = 0; g < axes_.size() && all; ++g) {
        for (const std::vector<bool>& match : axes_[g].matches[e]) all = all && (match.empty() || match[at[g]]);
      }
      if (all) used_[e] = excluded = true;
    }
    return excluded;
  }

  Combination Combine(const std::vector<size_t>& at, size_t groups) {
    Combination combination;
    for (size_t g = 0; g < groups; ++g) {
      for (const Axis* axis : axes_[g].axes) {
        const AxisValue& value = axis->values[at[g]];
        if (axis->key == "profile") {
          const auto [it, fresh] = profile_values_.try_emplace(&value);
          if (fresh) it->second = value.value.get<std::vector<std::string>>();
          combination.profiles = &it->second;
          continue;
        }
        const auto drawn = drawn_.find(&value);
        combination.own[axis->key] = drawn == drawn_.end() ? Assignment{value.value, value.where}
                                                           : Assignment{drawn->second, value.where + ", drawn"};
      }
    }
    return combination;
  }

  int64_t Draw() {
    plan_.drew_seeds = true;
    return DrawSeed() >> 10;  // 53 bits: whatever reads JSON reads them right
  }

  bool TooLarge() {
    report_("", job_.where, base::StrCat("the plan has more than ", kMaxPlanEntries, " entries"));
    return false;
  }

  // The entries of one combination: its repeats, and their variants.
  bool Emit(Combination combination) {
    const int64_t variants =
        std::max<int64_t>(1, static_cast<int64_t>(job_.variants.size())) + (job_.noise_floor_where.empty() ? 0 : 1);
    if (static_cast<int64_t>(planner_.size()) + job_.repeat * variants > kMaxPlanEntries) return false;
    int64_t drawn = -1;  // a `random` of no axis: one seed an index, of all its variants
    for (int64_t r = 0; r < job_.repeat; ++r, ++index_) {
      const int64_t group = next_group_++;
      if (job_.variants.empty()) {
        Entry(combination, nullptr, r, group, drawn);
        continue;
      }
      for (const CompareVariant& variant : job_.variants) Entry(combination, &variant, r, group, drawn);
      if (!job_.noise_floor_where.empty()) NoiseFloor(combination, r, group, drawn);
    }
    return true;
  }

  std::optional<EntryDraft> Draft(const Combination& combination, const CompareVariant* variant) {
    const std::optional<size_t> base = BaseOf(combination, variant);
    if (!base) return std::nullopt;
    EntryDraft draft;
    draft.name = job_.name;
    draft.variant = variant == nullptr ? "main" : variant->name;
    draft.where = job_.where;
    draft.suspect = job_.failed;
    draft.index = index_;
    draft.base = *base;
    for (const auto& [key, assignment] : combination.own) {
      if (key == "model" || sets_.count(key) > 0) continue;
      if (variant != nullptr && Above(*variant, key)) continue;
      draft.own[key] = assignment;
    }
    return draft;
  }

  // Whether the variant, or a profile of its own, says something of this setting.
  bool Above(const CompareVariant& variant, const std::string& key) const {
    if (variant.settings.count(key) > 0) return true;
    if (!variant.profiles) return false;
    return std::any_of(variant.profiles->names.begin(), variant.profiles->names.end(),
                       [&](const std::string& name) { return file_.profiles.at(name).count(key) > 0; });
  }

  void Entry(const Combination& combination, const CompareVariant* variant, int64_t repeat, int64_t group,
             int64_t& drawn) {
    std::optional<EntryDraft> draft = Draft(combination, variant);
    if (!draft) return;
    draft->group = group;
    draft->role = variant == nullptr                  ? PlanRole::kAlone
                  : variant == &job_.variants.front() ? PlanRole::kReference
                                                      : PlanRole::kVariant;
    if (!Seed(*draft, repeat, drawn)) return;
    if (variant != nullptr && !SameNoise(*draft, *variant)) return;
    planner_.Add(std::move(*draft));
  }

  // False where the seed of this repeat is beyond the numbers that there are.
  bool Seed(EntryDraft& draft, int64_t repeat, int64_t& drawn) {
    Assignment seed = planner_.ValueOf(draft, "seed");
    const bool random = seed.value == "random";
    if (random) {
      if (drawn < 0) drawn = Draw();
      seed = {drawn, seed.where + ", drawn"};
    }
    if (repeat > 0) {
      const int64_t first = seed.value.get<int64_t>();
      if (first > std::numeric_limits<int64_t>::max() - repeat) {
        report_(job_.repeat_where, job_.where, "repeat: the seeds go beyond the largest whole number of 64 bits");
        return false;
      }
      seed = {first + repeat, seed.where + ", repeat"};
    }
    if (random || repeat > 0) draft.own["seed"] = seed;
    return true;
  }

  // Variants of a comparison start from the same noise: of one seed and one size.
  bool SameNoise(const EntryDraft& draft, const CompareVariant& variant) {
    if (draft.role == PlanRole::kReference) {
      for (const char* key : kNoise) noise_[key] = planner_.ValueOf(draft, key).value;
      return true;
    }
    bool same = true;
    for (const char* key : kNoise) {
      const Assignment& value = planner_.ValueOf(draft, key);
      const auto reference = noise_.find(key);
      if (reference == noise_.end() || value.value == reference->second) continue;
      report_(value.where, variant.where,
              base::StrCat("compare: ", key, " is ", ToText(value.value), " here and ", ToText(reference->second),
                           " in the reference, but they start from the same noise; make it an axis"));
      same = false;
    }
    return same;
  }

  void NoiseFloor(const Combination& combination, int64_t repeat, int64_t group, int64_t& drawn) {
    std::optional<EntryDraft> draft = Draft(combination, &job_.variants.front());
    if (!draft) return;
    const auto text = [&](const char* key) {
      const Value& value = planner_.ValueOf(*draft, key).value;
      return value.is_string() ? value.get<std::string>() : std::string();
    };
    if (text("attention.mode") != "dense") {
      return report_(job_.noise_floor_where, job_.where,
                     "noise_floor repeats the reference with another dense kernel, but attention.mode of the reference "
                     "is " +
                         (text("attention.mode").empty() ? "its profile's" : text("attention.mode")));
    }
    draft->variant = "noise_floor";
    draft->group = group;
    draft->role = PlanRole::kNoiseFloor;
    draft->own["attention.kernel"] = {text("attention.kernel") == "math" ? "sdpa" : "math",
                                      job_.noise_floor_where + " (noise_floor)"};
    if (Seed(*draft, repeat, drawn)) planner_.Add(std::move(*draft));
  }

  // The settings that a combination and a variant share with others: layers without the values of axes.
  std::optional<size_t> BaseOf(const Combination& combination, const CompareVariant* variant) {
    const std::vector<std::string>& profiles = combination.profiles ? *combination.profiles : job_.profiles.names;
    std::vector<const Layer*> below = {&file_.defaults}, above;
    for (const std::string& name : profiles) below.push_back(&file_.profiles.at(name));
    below.push_back(&job_.settings);
    if (variant != nullptr && variant->profiles) {
      for (const std::string& name : variant->profiles->names) above.push_back(&file_.profiles.at(name));
    }
    if (variant != nullptr) above.push_back(&variant->settings);
    above.push_back(&sets_);

    const Assignment* model = nullptr;
    const auto look = [&](const Layer& layer) {
      const auto it = layer.find("model");
      if (it != layer.end()) model = &it->second;
    };
    for (const Layer* layer : below) look(*layer);
    look(combination.own);
    for (const Layer* layer : above) look(*layer);
    const bool named = model != nullptr && model->value.is_string();
    const std::string name = named ? model->value.get<std::string>() : "";
    std::string key =
        name + "\n" + (named ? model->where : "") + "\n" + std::to_string(reinterpret_cast<uintptr_t>(variant));
    for (const std::string& profile : profiles) key += "\n" + profile;
    const auto known = bases_.find(key);
    if (known != bases_.end()) return known->second;

    std::optional<size_t>& base = bases_[key];
    if (!named) {
      if (!job_.model_failed) report_("", job_.where, "no model: give a folder or a name with `model`");
      return base;
    }
    const bool from_file = sets_.count("model") == 0;
    const FoundModel found = planner_.Model(name, from_file ? folder_ : "", model->where, job_.where);
    if (!found.good) return base;
    Layer of_model = {{"model", *model}};
    below.insert(below.end(), above.begin(), above.end());
    below.push_back(&of_model);
    base = planner_.AddBase(found.index, below);
    return base;
  }

  static constexpr const char* kNoise[] = {"seed", "width", "height", "frames"};

  const JobsFile& file_;
  const JobDefinition& job_;
  const Layer& sets_;
  const std::string& folder_;
  Planner& planner_;
  Plan& plan_;
  int64_t& next_group_;
  const ReportError& report_;
  int64_t index_ = 0;
  std::vector<AxisGroup> axes_;
  std::vector<bool> used_;  // exclusions that dropped something
  std::map<const AxisValue*, int64_t> drawn_;
  std::map<const AxisValue*, std::vector<std::string>> profile_values_;  // of the axis `profile`
  std::map<std::string, std::optional<size_t>> bases_;
  std::map<std::string, Value> noise_;  // the reference's
};

}  // namespace

void ExpandJobs(const JobsFile& file, const Layer& sets, const std::string& folder, Planner& planner, Plan& plan,
                const ReportError& report) {
  int64_t next_group = 0;
  for (const JobDefinition& job : file.jobs) {
    if (!JobExpander(file, job, sets, folder, planner, plan, next_group, report).Run()) return;
  }
}

}  // namespace app
