#include "app/jobs/jobs_file.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "app/jobs/axes.h"
#include "app/jobs/plan.h"
#include "app/jobs/variables.h"
#include "app/settings/text.h"

namespace app {
namespace {

const std::vector<std::string> kTopKeys = {"version", "defaults", "profiles", "jobs"};
const std::vector<std::string> kJobKeys = {"name", "prompts", "prompt_file", "profile", "matrix",
                                           "zip",  "exclude", "include",     "repeat",  "compare"};
const std::vector<std::string> kCompareKeys = {"reference", "variants", "noise_floor"};

// Keys of a mapping that is none of settings: unknown and duplicate ones, merge keys. Calls `found` for the others.
void WalkKeys(YAMLFile& file, const YAML::Node& map, const std::vector<std::string>* known, const std::string& what,
              const std::function<void(const std::string& key, const YAML::Node& key_node, const YAML::Node&)>& found) {
  std::set<std::string> seen;
  for (const auto& item : map) {
    const std::string key = item.first.IsScalar() ? item.first.Scalar() : "";
    if (!item.first.IsScalar()) {
      file.Error(item.first.Mark(), "a key must be a word");
    } else if (key == "<<") {
      file.Error(item.first.Mark(), "merge keys are not supported; write the settings out");
    } else if (known != nullptr && std::find(known->begin(), known->end(), key) == known->end()) {
      const bool setting = FindSetting(key) != nullptr;
      file.Error(item.first.Mark(), "unknown key " + Quoted(key) + (setting ? "" : DidYouMean(key, *known)) + "; " +
                                        what + " has " + Join(*known, ", "));
    } else if (!seen.insert(key).second) {
      file.Error(item.first.Mark(), "duplicate key " + Quoted(key));
    } else {
      found(key, item.first, item.second);
    }
  }
}

// The value of a key that stands once; undefined where it does not stand.
YAML::Node Child(const YAML::Node& map, const std::string& key) {
  for (const auto& item : map) {
    if (item.first.IsScalar() && item.first.Scalar() == key) return item.second;
  }
  return YAML::Node(YAML::NodeType::Undefined);
}

class Reader {
 public:
  Reader(YAMLFile& file, const ErrorList& errors) : file_(file), errors_(errors) {}

  JobsFile Read() {
    const YAML::Node& root = file_.root();
    if (root && !root.IsNull() && !root.IsMap()) {
      file_.Error(root.Mark(), "expected a mapping: version, defaults, profiles, jobs");
      return {};
    }
    std::set<int> scalars, collections;
    if (root) ExpandScalars(root, scalars, collections);
    std::map<std::string, YAML::Node> parts, keys;
    if (root && root.IsMap()) {
      WalkKeys(file_, root, &kTopKeys, "the file",
               [&](const std::string& key, const YAML::Node& key_node, const YAML::Node& value) {
                 parts.emplace(key, value);
                 keys.emplace(key, key_node);
               });
    }
    for (const char* key : {"version", "jobs"}) {
      if (parts.count(key) == 0)
        file_.Error(root ? root.Mark() : YAML::Mark(), std::string("there is no `") + key + "`");
    }
    if (parts.count("version") > 0) Version(parts["version"]);
    if (parts.count("defaults") > 0) {
      jobs_.defaults = Settings(parts["defaults"], "defaults", {}, &jobs_.defaults_model_failed);
    }
    if (parts.count("profiles") > 0) AllProfiles(parts["profiles"]);
    if (parts.count("jobs") > 0) Jobs(keys["jobs"], parts["jobs"]);
    return std::move(jobs_);
  }

 private:
  // Fills variables into every scalar that is a value, each once.
  void ExpandScalars(YAML::Node node, std::set<int>& scalars, std::set<int>& collections) {
    if (node.IsScalar()) {
      const std::string text = node.Scalar();
      if (text.find("${") == std::string::npos || !scalars.insert(node.Mark().pos).second) return;
      try {
        node = ExpandVariables(text);
      } catch (const base::Error& error) {
        file_.Error(node.Mark(), error.what());
        file_.Silence(node.Mark());
      }
    } else if ((node.IsSequence() || node.IsMap()) && node.size() > 0) {
      if (!collections.insert(node.Mark().pos).second) return;
      for (const auto& item : node) ExpandScalars(node.IsMap() ? item.second : item, scalars, collections);
    }
  }

  void Version(const YAML::Node& node) {
    if (node.IsScalar() && node.Scalar() == "1") return;
    file_.Error(node.Mark(), "version: expected 1, got " +
                                 (node.IsScalar() ? Quoted(node.Scalar()) : std::string("something else")) +
                                 "; this program reads version 1");
  }

  // A mapping of settings; nothing for null.
  Layer Settings(const YAML::Node& node, const std::string& label, const std::vector<std::string>& others,
                 bool* model_failed) {
    Layer layer;
    if (node.IsNull()) return layer;
    if (!node.IsMap()) {
      file_.Error(node.Mark(), label + ": expected a mapping of settings");
      return layer;
    }
    ReadSettings(file_, node, {.others = others, .refused = {}, .label = label, .paths_from_here = true}, layer);
    if (model_failed != nullptr && layer.count("model") == 0 && Child(node, "model").IsDefined()) *model_failed = true;
    return layer;
  }

  void AllProfiles(const YAML::Node& node) {
    if (node.IsNull()) return;
    if (!node.IsMap()) return file_.Error(node.Mark(), "profiles: expected {name: {setting: value}}");
    WalkKeys(file_, node, nullptr, "", [&](const std::string& name, const YAML::Node&, const YAML::Node& value) {
      jobs_.profiles[name] = Settings(value, "profile " + name, {}, nullptr);
    });
  }

  bool HasProfile(const std::string& name, const YAML::Mark& mark) {
    if (jobs_.profiles.count(name) > 0) return true;
    std::vector<std::string> known;
    for (const auto& [profile, layer] : jobs_.profiles) known.push_back(profile);
    file_.Error(mark, "profile: there is no profile " + Quoted(name) + DidYouMean(name, known) +
                          (known.empty() ? "; the file has none" : "; there are " + Join(known, ", ")));
    return false;
  }

  TakeProfile Take() {
    return [this](const std::string& name, const YAML::Mark& mark) { return HasProfile(name, mark); };
  }

  std::optional<Profiles> ProfilesOf(const YAML::Node& map) {
    const YAML::Node node = Child(map, "profile");
    if (!node.IsDefined()) return std::nullopt;
    return Profiles{ReadProfileNames(file_, node, Take()), file_.Where(node.Mark())};
  }

  // A text that is a name; `otherwise` where there is none.
  std::string Name(const YAML::Node& map, const std::string& otherwise) {
    const YAML::Node node = Child(map, "name");
    if (!node.IsDefined() || node.IsNull()) return otherwise;
    if (!node.IsScalar() || Trim(node.Scalar()).empty() || node.Scalar().find('\0') != std::string::npos) {
      file_.Error(node.Mark(), "name: expected a text");
      return otherwise;
    }
    return node.Scalar();
  }

  YAML::Mark NameMark(const YAML::Node& map) {
    const YAML::Node node = Child(map, "name");
    return node.IsDefined() ? node.Mark() : map.Mark();
  }

  void Jobs(const YAML::Node& key, const YAML::Node& node) {
    if (!node.IsSequence()) return file_.Error(file_.Place(key, node), "jobs: expected a list of jobs");
    std::map<std::string, std::string> names;  // → where
    size_t number = 0;
    for (const auto& item : node) {
      ++number;
      if (!item.IsMap()) {
        file_.Error(item.Mark(), "expected a job: {name, prompt, settings, …}");
        continue;
      }
      const size_t before = errors_.size();
      JobDefinition job = Job(item, "job" + std::to_string(number));
      job.failed = errors_.size() > before;
      const auto [it, fresh] = names.emplace(job.name, job.where);
      if (!fresh) {
        file_.Error(NameMark(item), "name: another job is called " + Quoted(job.name) + " (" + it->second + ")");
        job.name += " " + std::to_string(number);  // the rest can still be looked at
      }
      jobs_.jobs.push_back(std::move(job));
    }
  }

  JobDefinition Job(const YAML::Node& node, const std::string& default_name) {
    JobDefinition job;
    job.where = file_.Where(node.Mark());
    job.name = Name(node, default_name);
    const std::string label = "job " + job.name;
    job.model_failed = jobs_.defaults_model_failed;
    job.settings = Settings(node, label, kJobKeys, &job.model_failed);
    if (job.settings.count("model") > 0) job.model_failed = false;
    if (auto profiles = ProfilesOf(node)) job.profiles = *profiles;
    Prompts(node, job);
    if (const YAML::Node zip = Child(node, "zip"); zip.IsDefined()) job.zip = ReadAxes(file_, zip, "zip", Take());
    CheckZip(Child(node, "zip"), job);
    if (const YAML::Node matrix = Child(node, "matrix"); matrix.IsDefined()) {
      job.matrix = ReadAxes(file_, matrix, "matrix", Take());
    }
    DropEmptyAndDouble(node, job);
    if (const YAML::Node exclude = Child(node, "exclude"); exclude.IsDefined()) Exclude(exclude, job);
    if (const YAML::Node include = Child(node, "include"); include.IsDefined()) Include(include, job);
    if (const YAML::Node repeat = Child(node, "repeat"); repeat.IsDefined() && !repeat.IsNull()) Repeat(repeat, job);
    if (const YAML::Node compare = Child(node, "compare"); compare.IsDefined() && !compare.IsNull()) {
      Compare(compare, job);
    }
    return job;
  }

  void Prompts(const YAML::Node& node, JobDefinition& job) {
    std::string before;
    for (const auto& item : node) {
      const std::string key = item.first.IsScalar() ? item.first.Scalar() : "";
      if (key != "prompt" && key != "prompts" && key != "prompt_file") continue;
      if (key == "prompt" && item.second.IsNull()) continue;
      if (key == before) continue;  // a duplicate key: said
      if (!before.empty()) {
        file_.Error(item.first.Mark(), key + ": this job has `" + before +
                                           "` already; prompt, prompts and prompt_file exclude each other");
        continue;
      }
      before = key;
      if (key == "prompts") job.prompts = ReadPrompts(file_, item.first, item.second);
      if (key == "prompt_file") job.prompts = ReadPromptFile(file_, item.first, item.second);
    }
    // Its error is said; what else is wrong can still be found.
    const bool failed =
        (job.prompts && job.prompts->values.empty()) || (before == "prompt" && job.settings.count("prompt") == 0);
    if (failed) job.prompts = Axis{"prompt", {{Value(""), job.where}}};
  }

  void CheckZip(const YAML::Node& node, const JobDefinition& job) {
    for (size_t i = 1; i < job.zip.size(); ++i) {
      const Axis &first = job.zip[0], &axis = job.zip[i];
      if (first.values.empty() || axis.values.empty() || axis.values.size() == first.values.size()) continue;
      const auto count = [](const Axis& a) {
        return a.key + " has " + std::to_string(a.values.size()) + (a.values.size() == 1 ? " value" : " values");
      };
      if (!file_.ErrorAt(axis.values[0].where, "zip: " + count(axis) + ", " + count(first))) {
        file_.Error(node.Mark(), "zip: " + count(axis) + ", " + count(first));
      }
    }
  }

  // Leaves axes that have values, each key once.
  void DropEmptyAndDouble(const YAML::Node& node, JobDefinition& job) {
    std::map<std::string, std::string> seen;
    if (job.prompts) seen["prompt"] = "the prompts";
    const auto drop = [&](std::vector<Axis>& axes, const char* name) {
      std::erase_if(axes, [&](const Axis& axis) {
        if (axis.values.empty()) return true;
        const auto [it, fresh] = seen.emplace(axis.key, name);
        if (!fresh &&
            !file_.ErrorAt(axis.values[0].where, axis.key + ": this axis stands in " + it->second + " already")) {
          file_.Error(node.Mark(), axis.key + ": this axis stands in " + it->second + " already");
        }
        return !fresh;
      });
    };
    drop(job.zip, "zip");
    drop(job.matrix, "matrix");
    const bool even = std::all_of(job.zip.begin(), job.zip.end(),
                                  [&](const Axis& axis) { return axis.values.size() == job.zip[0].values.size(); });
    if (!even) job.zip.clear();  // said
  }

  bool IsAxis(const JobDefinition& job, const std::string& key) const {
    const auto is = [&](const Axis& axis) { return axis.key == key; };
    return (job.prompts && key == "prompt") || std::any_of(job.zip.begin(), job.zip.end(), is) ||
           std::any_of(job.matrix.begin(), job.matrix.end(), is);
  }

  void Exclude(const YAML::Node& node, JobDefinition& job) {
    if (node.IsNull()) return;
    if (!node.IsSequence()) return file_.Error(node.Mark(), "exclude: expected a list of {axis: value}");
    for (const auto& item : node) {
      if (!item.IsMap() || item.size() == 0) {
        file_.Error(item.Mark(), "exclude: expected {axis: value}");
        continue;
      }
      bool good = true;
      Exclusion exclusion;
      const SettingsStyle style{.others = {"profile"}, .refused = {}, .label = "exclude", .paths_from_here = true};
      const auto check_axis = [&](const std::string& key, const YAML::Node& key_node) {
        if (IsAxis(job, key)) return true;
        std::vector<std::string> axes;
        if (job.prompts) axes.emplace_back("prompt");
        for (const auto* group : {&job.zip, &job.matrix}) {
          for (const Axis& axis : *group) axes.push_back(axis.key);
        }
        file_.Error(key_node.Mark(), "exclude: " + key + " is no axis of this job" +
                                         (axes.empty() ? "; it has none" : "; there are " + Join(axes, ", ")));
        return good = false;
      };
      WalkSettings(file_, item, style, [&](const Setting& setting, const YAML::Node& key, const YAML::Node& value) {
        if (!check_axis(std::string(setting.key), key)) return;
        if (std::optional<Value> read = ReadSetting(file_, setting, value, style)) {
          exclusion[std::string(setting.key)] = {std::move(*read), file_.Where(value.Mark())};
        } else {
          good = false;
        }
      });
      for (const auto& part : item) {
        if (!part.first.IsScalar() || part.first.Scalar() != "profile") continue;
        if (check_axis("profile", part.first)) {
          exclusion["profile"] = {Value(ReadProfileNames(file_, part.second, Take())), file_.Where(part.second.Mark())};
        }
      }
      if (!good || exclusion.empty()) continue;
      job.exclude.push_back(std::move(exclusion));
      job.exclude_where.push_back(file_.Where(item.Mark()));
    }
  }

  void Include(const YAML::Node& node, JobDefinition& job) {
    if (node.IsNull()) return;
    if (!node.IsSequence()) return file_.Error(node.Mark(), "include: expected a list of {setting: value}");
    for (const auto& item : node) {
      if (!item.IsMap()) {
        file_.Error(item.Mark(), "include: expected {setting: value}");
        continue;
      }
      IncludedEntry entry;
      entry.settings = Settings(item, "include", {"profile"}, nullptr);
      entry.profiles = ProfilesOf(item);
      job.include.push_back(std::move(entry));
    }
  }

  void Repeat(const YAML::Node& node, JobDefinition& job) {
    int64_t count = 0;
    const std::string text = node.IsScalar() ? node.Scalar() : "";
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    if (!whole || count < 1 || count > kMaxPlanEntries) {
      return file_.Error(node.Mark(), "repeat: expected whole number, 1 to " + std::to_string(kMaxPlanEntries) +
                                          (node.IsScalar() ? ", got " + Quoted(text) : ""));
    }
    job.repeat = count;
    job.repeat_where = file_.Where(node.Mark());
  }

  void Compare(const YAML::Node& node, JobDefinition& job) {
    if (!node.IsMap()) return file_.Error(node.Mark(), "compare: expected {reference, variants, noise_floor}");
    YAML::Node reference(YAML::NodeType::Undefined), variants(YAML::NodeType::Undefined);
    bool floor = false;
    WalkKeys(file_, node, &kCompareKeys, "compare",
             [&](const std::string& key, const YAML::Node& key_node, const YAML::Node& value) {
               if (key == "reference") reference.reset(value);
               if (key == "variants") variants.reset(value);
               if (key != "noise_floor") return;
               try {
                 if (!value.IsNull()) floor = Bool(value);
               } catch (const base::Error& error) {
                 file_.Error(value.Mark(), error.what());
               }
               if (floor) job.noise_floor_where = file_.Where(key_node.Mark());
             });
    if (!reference.IsDefined()) {
      file_.Error(node.Mark(), "compare: there is no `reference`: what the variants are held against");
    }
    if (variants.IsDefined() && !variants.IsSequence()) {
      file_.Error(variants.Mark(), "compare: variants: expected a list of {name, setting: value}");
    } else if (!floor && (!variants.IsDefined() || variants.size() == 0)) {
      file_.Error(variants.IsDefined() ? variants.Mark() : node.Mark(), "compare: there are no `variants`");
    }
    std::map<std::string, std::string> names;  // → where
    if (floor) names["noise_floor"] = job.noise_floor_where;
    Variant(reference.IsDefined() ? reference : node, "reference", !reference.IsDefined(), names, job);
    if (!variants.IsSequence()) return;
    size_t number = 0;
    for (const auto& item : variants) Variant(item, "v" + std::to_string(++number), false, names, job);
  }

  static bool Bool(const YAML::Node& node) {
    const std::string text = node.IsScalar() ? LowerASCII(node.Scalar()) : "";
    if (text == "true" || text == "on" || text == "yes") return true;
    base::Check(text == "false" || text == "off" || text == "no", base::ErrorCode::kInvalidInput,
                "noise_floor: expected on or off");
    return false;
  }

  void Variant(const YAML::Node& node, const std::string& default_name, bool empty,
               std::map<std::string, std::string>& names, JobDefinition& job) {
    CompareVariant variant;
    variant.where = file_.Where(node.Mark());
    variant.name = default_name;
    if (!empty && !node.IsMap() && !node.IsNull()) {
      return file_.Error(node.Mark(), "compare: expected {name, setting: value}");
    }
    if (!empty && node.IsMap()) {
      variant.name = Name(node, default_name);
      variant.settings = Settings(node, "compare " + variant.name, {"name", "profile"}, nullptr);
      variant.profiles = ProfilesOf(node);
    }
    const auto [it, fresh] = names.emplace(variant.name, variant.where);
    if (!fresh) {
      return file_.Error(node.IsMap() ? NameMark(node) : node.Mark(),
                         "compare: another variant is called " + Quoted(variant.name) + " (" + it->second + ")");
    }
    job.variants.push_back(std::move(variant));
  }

  YAMLFile& file_;
  const ErrorList& errors_;
  JobsFile jobs_;
};

}  // namespace

JobsFile ReadJobsFile(YAMLFile& file, const ErrorList& errors) { return Reader(file, errors).Read(); }

}  // namespace app
