#include "app/jobs/planner.h"

#include <algorithm>
#include <filesystem>
#include <unordered_set>

#include "app/job/attention.h"
#include "app/job/model.h"
#include "app/settings/sha256.h"
#include "app/settings/text.h"
#include "attention/base/atomic_file.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;

// Settings that no check depends on: entries that differ in these only are checked once.
constexpr std::string_view kUnchecked[] = {"prompt", "negative_prompt", "seed",    "guidance",
                                           "out",    "flow_shift",      "threads", "overwrite"};

bool IsChecked(const std::string& key) {
  return std::find(std::begin(kUnchecked), std::end(kUnchecked), key) == std::end(kUnchecked);
}

constexpr const char* kAttentionFiles[] = {"attention.profile", "attention.block_maps"};

struct SortedSetting {
  std::string key;
  bool hashed;
};

// In the order of canonical JSON.
const std::vector<SortedSetting>& Sorted() {
  static const std::vector<SortedSetting> sorted = [] {
    std::vector<SortedSetting> list;
    for (const Setting& setting : Settings()) list.push_back({std::string(setting.key), setting.hashed});
    std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    return list;
  }();
  return sorted;
}

std::string PieceOf(const std::string& key, const Value& value) { return "\"" + key + "\":" + CanonicalJSON(value); }

// The first path that is there twice; "": none is.
std::string DoubleIn(std::vector<std::string> paths) {
  std::sort(paths.begin(), paths.end());
  const auto it = std::adjacent_find(paths.begin(), paths.end());
  return it == paths.end() ? "" : *it;
}

}  // namespace

EffectiveSettings PlanEntry::Settings() const {
  EffectiveSettings settings = *base;
  for (const auto& [key, assignment] : own) settings.Set(key, assignment.value, assignment.where);
  return settings;
}

const Assignment& PlanEntry::At(std::string_view key) const {
  const auto it = own.find(key);
  return it != own.end() ? it->second : base->assignment(key);
}

Planner::Planner(const InspectModelFolder& inspect, std::string out_folder, ErrorList& errors, ReportError report)
    : inspect_(inspect), out_folder_(std::move(out_folder)), errors_(errors), report_(std::move(report)) {}

void Planner::Report(const std::string& where, const std::string& fallback, const std::string& message) {
  report_(where, fallback, message);
}

// Checks say which setting they mean by beginning with its key; sizes end with where they come from.
void Planner::ReportOf(const EffectiveSettings& settings, const std::string& fallback, const InputErrors::Item& item) {
  if (item.located) {
    if (reported_.insert(item.text).second) errors_.Add(item.text, true);
    return;
  }
  std::string text = item.text, where;
  const std::string key = text.substr(0, text.find_first_of(": "));
  for (const char* part : {"kernel", "mode"}) {
    if (text.starts_with(std::string("attention ") + part)) where = settings.where(std::string("attention.") + part);
  }
  for (const char* file : {"attention.profile", "attention.block_maps"}) {  // begin with the file that they are about
    if (settings.IsSet(file) && text.starts_with(settings.Text(file) + ":")) where = settings.where(file);
  }
  if (FindSetting(key) != nullptr) where = settings.where(key);
  const std::string ending = " (" + where + ")";
  if (text.ends_with(ending)) text.resize(text.size() - ending.size());
  Report(where, fallback, text);
}

FoundModel Planner::Model(const std::string& model, const std::string& folder, const std::string& where,
                          const std::string& fallback) {
  const std::string place = folder + "\n" + model;
  const auto known = found_.find(place);
  if (known != found_.end() && known->second.good) return known->second;
  FoundModel found;
  try {
    const std::string path = FindModel(model, folder);
    const auto [it, fresh] = by_folder_.emplace(path, models_.size());
    found.index = it->second;
    if (fresh) {
      models_.push_back(std::make_shared<PlanModel>());
      models_.back()->info.path.clear();
      models_.back()->info = inspect_(path);
      models_.back()->notes = ReadModelNotes(path, errors_);
    }
    found.good = !models_[found.index]->info.path.empty();
  } catch (const base::Error& error) {
    if (error.code() == ErrorCode::kInternal || error.code() == ErrorCode::kCancelled) throw;
    const std::string what = error.what();
    Report(where, fallback, what.starts_with("model: ") ? what : "model: " + what);
  }
  found_[place] = found;
  return found;
}

size_t Planner::AddBase(size_t model, const std::vector<const Layer*>& layers) {
  const PlanModel& of = *models_[model];
  std::vector<Layer> all = {of.notes.settings};
  for (const Layer* layer : layers) all.push_back(*layer);
  PlanBase base;
  base.model = model;
  const std::vector<Layer> family = {FamilyLayer(of.info)};
  EffectiveSettings floor = EffectiveSettings::Resolve(family, {});
  EffectiveSettings settings = EffectiveSettings::Resolve(family, all);
  settings.Set("model", of.info.path, settings.where("model"));
  for (const Layer& layer : all) {
    base.said_dense_layers |= layer.count("attention.dense_layers") > 0;
    base.said_dense_steps |= layer.count("attention.dense_steps") > 0;
  }
  for (const SortedSetting& setting : Sorted()) base.pieces.push_back(PieceOf(setting.key, settings.at(setting.key)));
  base.settings = std::make_shared<const EffectiveSettings>(std::move(settings));
  base.floor = std::make_shared<const EffectiveSettings>(std::move(floor));
  bases_.push_back(std::move(base));
  return bases_.size() - 1;
}

const Assignment& Planner::ValueOf(const EntryDraft& draft, std::string_view key) const {
  const PlanBase& base = bases_[draft.base];
  const auto it = draft.own.find(key);
  if (it == draft.own.end()) return base.settings->assignment(key);
  return it->second.value.is_null() ? base.floor->assignment(key) : it->second;
}

Planner::Template Planner::MakeTemplate(const EntryDraft& draft) {
  const PlanBase& base = bases_[draft.base];
  const PlanModel& model = *models_[base.model];
  EffectiveSettings settings = *base.settings;
  for (const auto& [key, assignment] : draft.own) settings.Set(key, assignment.value, assignment.where);
  const EffectiveSettings before = settings;
  ResolveAttentionFiles(settings);
  Layer said;
  for (const auto& [key, is_said] : {std::pair("attention.dense_layers", base.said_dense_layers),
                                     std::pair("attention.dense_steps", base.said_dense_steps)}) {
    if (is_said || draft.own.count(key) > 0) said[key] = {nullptr, ""};
  }
  std::vector<std::string> notices;
  if (!SetsAttention(model.notes.settings)) StartUntuned({said}, settings, notices);
  ErrorList errors;
  CheckSettings(settings, model.info, true, errors);
  AttentionOf(settings, model.info, errors);
  if (settings.IsSet("log")) errors.Try([&] { base::CheckOutputPath(settings.Text("log")); });
  try {
    errors.ThrowIfAny();
  } catch (const InputErrors& all) {
    for (const InputErrors::Item& item : all.items()) ReportOf(settings, draft.where, item);
  }
  Template result;
  for (const Setting& setting : Settings()) {
    if (setting.group != "attention") continue;
    const std::string key(setting.key);
    if (settings.at(key) != before.at(key)) result.extra[key] = {settings.at(key), settings.where(key)};
  }
  return result;
}

const Planner::Template& Planner::TemplateOf(const EntryDraft& draft) {
  std::string signature = std::to_string(draft.base);
  for (const auto& [key, assignment] : draft.own) {
    if (IsChecked(key)) signature += "\n" + PieceOf(key, assignment.value);
  }
  constexpr size_t kRemembered = 4096;
  const auto known = templates_.find(signature);
  if (known != templates_.end()) return known->second;
  if (templates_.size() >= kRemembered) templates_.clear();
  return templates_.emplace(std::move(signature), MakeTemplate(draft)).first->second;
}

void Planner::Add(EntryDraft draft) {
  const PlanBase& base = bases_[draft.base];
  for (auto& [key, assignment] : draft.own) {
    if (assignment.value.is_null()) assignment = base.floor->assignment(key);
  }
  PlanEntry entry;
  for (const auto& [key, assignment] : TemplateOf(draft).extra) draft.own[key] = assignment;
  entry.name = std::move(draft.name);
  entry.variant = std::move(draft.variant);
  entry.index = draft.index;
  entry.group = draft.group;
  entry.role = draft.role;
  entry.model = base.model;
  entry.base = base.settings;
  entry.own = std::move(draft.own);
  if (!entry.At("prompt").value.is_string()) {
    Report("", draft.where, "no prompt: give `prompt`, `prompts` or `prompt_file`");
  }
  entries_.push_back(std::move(entry));
  given_.push_back(
      {draft.base, std::move(draft.where), std::move(draft.outputs), std::move(draft.hash), draft.suspect});
}

const std::string& Planner::FileHash(const std::string& key, const std::string& path) {
  const auto known = file_hashes_.find(path);
  if (known != file_hashes_.end()) return known->second;
  EffectiveSettings settings;
  settings.Set(key, path, "");
  const auto hashes = FilesInHash(settings);
  const auto it = hashes.find(key);
  return file_hashes_[path] = it == hashes.end() ? "" : it->second;
}

// The canonical JSON that JobHash hashes.
std::string Planner::HashText(size_t index, const std::string& model_hash) {
  const PlanEntry& entry = entries_[index];
  const std::vector<SortedSetting>& sorted = Sorted();
  const std::vector<std::string>& pieces = bases_[given_[index].base].pieces;
  std::string text = "{";
  auto own = entry.own.begin();
  for (size_t i = 0; i < sorted.size(); ++i) {
    const std::string& key = sorted[i].key;
    const bool is_own = own != entry.own.end() && own->first == key;
    const Assignment* assignment = is_own ? &own++->second : nullptr;
    if (!sorted[i].hashed) continue;
    if (text.size() > 1) text += ',';
    if (key == "model") {
      text += PieceOf(key, model_hash);
    } else if (key == kAttentionFiles[0] || key == kAttentionFiles[1]) {
      const Value& path = assignment ? assignment->value : entry.base->at(key);
      const std::string hash = path.is_string() ? FileHash(key, path.get<std::string>()) : "";
      text += PieceOf(key, hash.empty() ? path : Value(hash));
    } else if (assignment != nullptr) {
      text += PieceOf(key, assignment->value);
    } else {
      text += pieces[i];
    }
  }
  return text + "}";
}

std::string Planner::Title(size_t index) const {
  const PlanEntry& entry = entries_[index];
  return entry.name + "/" + entry.variant + " " + std::to_string(entry.index);
}

// Hashes and files. Fingerprints stand for hashes as long as no weight may be read: they tell entries apart as hashes
// do.
// Returns whether the first 8 digits tell all entries apart.
bool Planner::PlanFilesOfAll(bool fingerprints, OutputPlanner& outputs) {
  std::unordered_map<size_t, size_t> prints;  // numbered, so that 8 digits tell all of them apart
  std::unordered_set<std::string> beginnings;
  for (size_t i = 0; i < entries_.size(); ++i) {
    PlanEntry& entry = entries_[i];
    const PlanModel& model = *models_[entry.model];
    if (fingerprints) {
      const size_t print =
          prints.emplace(std::hash<std::string>()(HashText(i, model.info.path)), prints.size()).first->second;
      entry.hash.assign(8, '0');
      for (size_t k = 0; k < 8; ++k) entry.hash[k] = "0123456789abcdef"[print >> (4 * k) & 15];
    } else {
      entry.hash = SHA256Hex(HashText(i, model.hash));
      beginnings.insert(entry.hash.substr(0, 8));
    }
    const std::string name = model.info.path.substr(model.info.path.rfind('/') + 1);
    outputs.Plan(entry, name, given_[i].outputs, [&](const std::string& message) {
      // What a pattern leads to differs from entry to entry; one of them will do.
      const bool about_path = message.find("'/") != std::string::npos;
      if (about_path && !reported_.insert(given_[i].where + "\nout").second) return;
      Report(entry.At("out").where, given_[i].where, message);
    });
  }
  return beginnings.size() == entries_.size();
}

void Planner::CheckDoubles(OutputPlanner& outputs) {
  struct Double {
    std::string path;
    std::vector<size_t> entries;
  };
  std::unordered_map<size_t, size_t> claimed;  // hash of a path → entry
  std::map<std::string, Double> doubles;
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (given_[i].suspect) continue;
    const std::vector<std::string> claims = outputs.Claims(entries_[i]);
    if (const std::string twice = DoubleIn(claims); !twice.empty()) {
      Report(entries_[i].At("out").where, given_[i].where, "out: " + twice + " would be written twice by " + Title(i));
      continue;
    }
    for (const std::string& path : claims) {
      const auto [it, fresh] = claimed.emplace(std::hash<std::string>()(path), i);
      if (fresh || it->second == i) continue;
      const std::vector<std::string> theirs = outputs.Claims(entries_[it->second]);
      if (std::find(theirs.begin(), theirs.end(), path) == theirs.end()) continue;
      Double& found = doubles[path];
      if (found.entries.empty()) found.entries.push_back(it->second);
      found.entries.push_back(i);
      break;
    }
  }
  constexpr size_t kReported = 20, kNamed = 3;
  size_t count = 0;
  for (const auto& [path, found] : doubles) {
    const size_t second = found.entries[1];
    if (++count > kReported) {
      Report("", given_[second].where,
             base::StrCat("out: … and ", doubles.size() - kReported, " more files that several entries would write"));
      break;
    }
    std::vector<std::string> titles;
    for (size_t i = 0; i < std::min(kNamed, found.entries.size()); ++i) titles.push_back(Title(found.entries[i]));
    Report(entries_[second].At("out").where, given_[second].where,
           base::StrCat("out: ", path, " would be written by ", found.entries.size(), " entries: ", Join(titles, ", "),
                        found.entries.size() > kNamed ? ", …" : "",
                        "; tell them apart with {name}, {variant}, {index}, {hash8} or a setting"));
  }
}

void Planner::Finish(Plan& plan) {
  OutputPlanner outputs(out_folder_);
  PlanFilesOfAll(true, outputs);
  CheckDoubles(outputs);
  errors_.ThrowIfAny();
  for (const auto& model : models_) {
    if (!model->info.path.empty()) model->hash = ModelHash(model->info);
  }
  outputs.StopChecking();
  if (!PlanFilesOfAll(false, outputs)) CheckDoubles(outputs);
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (given_[i].hash.empty() || given_[i].hash == entries_[i].hash) continue;
    Report("", given_[i].where,
           "its hash is " + Quoted(given_[i].hash) + ", but " + Quoted(entries_[i].hash) +
               " now: the model, a file that it names, or the plan itself was changed; make the plan anew");
  }
  errors_.ThrowIfAny();

  // All of one model, then all of the next, in the order in which they appear.
  std::vector<size_t> rank(models_.size(), SIZE_MAX);
  for (const PlanEntry& entry : entries_) {
    if (rank[entry.model] != SIZE_MAX) continue;
    rank[entry.model] = plan.models.size();
    plan.models.push_back(models_[entry.model]);
  }
  for (PlanEntry& entry : entries_) entry.model = rank[entry.model];
  std::stable_sort(entries_.begin(), entries_.end(),
                   [](const PlanEntry& a, const PlanEntry& b) { return a.model < b.model; });
  plan.entries = std::move(entries_);
}

}  // namespace app
