#include <filesystem>
#include <istream>

#include "app/jobs/plan.h"
#include "app/jobs/planner.h"
#include "app/settings/text.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;
using nlohmann::json;

// Reads a plan's jobs one by one: a plan of 100,000 is some 250 MB of JSON.
class PlanReader {
 public:
  PlanReader(const std::string& path, const InspectModelFolder& inspect)
      : path_(path),
        folder_(fs::absolute(path).lexically_normal().parent_path().string()),
        planner_(inspect, folder_, errors_,
                 [this](const std::string&, const std::string& fallback, const std::string& message) {
                   errors_.Add(fallback + ": " + message, true);
                 }) {}

  Plan Read(std::istream& in) {
    Plan plan;
    plan.source = fs::absolute(path_).lexically_normal().string();
    json root;
    try {
      root = json::parse(
          in, [&](int depth, json::parse_event_t event, json& parsed) { return Event(depth, event, parsed); });
    } catch (const json::parse_error& error) {
      errors_.Add(path_ + ": not JSON: " + Reason(error.what()));
      errors_.ThrowIfAny();
    }
    if (!root.is_object() || root.value("version", json()) != 1 || !saw_jobs_) {
      errors_.Add(path_ + ": not a plan: expected {\"version\": 1, \"jobs\": […]}");
    }
    planner_.Finish(plan);
    return plan;
  }

 private:
  static std::string Reason(const std::string& what) {
    const size_t at = what.find("at line");
    return CutUTF8(what.substr(at == std::string::npos ? 0 : at), 200).data();
  }

  // False: nlohmann forgets the value.
  bool Event(int depth, json::parse_event_t event, json& parsed) {
    using Type = json::parse_event_t;
    if (event == Type::key && depth == 1) key_ = parsed.get<std::string>();
    if (key_ != "jobs") return true;
    if (event == Type::array_start && depth == 1) saw_jobs_ = true;
    const bool one = depth == 2 && (event == Type::object_end || event == Type::array_end || event == Type::value);
    if (!one || !saw_jobs_) return true;
    Take(parsed);
    return false;
  }

  void Take(const json& job) {
    const std::string where = path_ + ": job " + std::to_string(++count_);
    if (count_ > kMaxPlanEntries) {
      if (count_ == kMaxPlanEntries + 1) {
        errors_.Add(base::StrCat(path_, ": more than ", kMaxPlanEntries, " jobs"), true);
      }
      return;
    }
    try {
      EntryDraft draft = DraftOf(job, where);
      const std::string title = draft.name + "/" + draft.variant + " " + std::to_string(draft.index);
      base::Check(titles_.insert(title).second, ErrorCode::kInvalidInput, where, ": ", Quoted(title),
                  " stands in the plan already");
      AddJob(job.at("settings"), std::move(draft), where);
    } catch (const InputErrors& all) {
      for (const auto& item : all.items()) errors_.Add(item.text, true);
    } catch (const base::Error& error) {
      if (error.code() != ErrorCode::kInvalidInput && error.code() != ErrorCode::kUnsupported) throw;
      errors_.Add(error.what(), true);
    }
  }

  static const json& Member(const json& job, const char* key, json::value_t type, const std::string& where) {
    base::Check(job.is_object() && job.contains(key), ErrorCode::kInvalidInput, where, ": there is no `", key, "`");
    base::Check(job[key].type() == type || (job[key].is_number_integer() && type == json::value_t::number_integer),
                ErrorCode::kInvalidInput, where, ": `", key, "` is not of its type");
    return job[key];
  }

  EntryDraft DraftOf(const json& job, const std::string& where) {
    EntryDraft draft;
    draft.name = Member(job, "name", json::value_t::string, where).get<std::string>();
    draft.variant = Member(job, "variant", json::value_t::string, where).get<std::string>();
    draft.index = Member(job, "index", json::value_t::number_integer, where).get<int64_t>();
    draft.where = where;
    Member(job, "settings", json::value_t::object, where);
    for (const json& output : Member(job, "outputs", json::value_t::array, where)) {
      base::Check(output.is_string() && !output.get_ref<const std::string&>().empty(), ErrorCode::kInvalidInput, where,
                  ": `outputs` is no list of paths");
      draft.outputs.push_back(output.get<std::string>());
    }
    base::Check(!draft.outputs.empty(), ErrorCode::kInvalidInput, where, ": `outputs` is empty");
    if (job.contains("hash")) draft.hash = Member(job, "hash", json::value_t::string, where).get<std::string>();
    const bool compared = draft.variant != "main";
    const auto [it, fresh] = groups_.emplace(draft.name + "\n" + std::to_string(draft.index), groups_.size());
    draft.group = static_cast<int64_t>(it->second);
    if (compared) {
      draft.role = draft.variant == "noise_floor"          ? PlanRole::kNoiseFloor
                   : fresh || draft.variant == "reference" ? PlanRole::kReference
                                                           : PlanRole::kVariant;
    }
    return draft;
  }

  void AddJob(const json& settings, EntryDraft draft, const std::string& where) {
    std::vector<std::string> unknown;
    Layer layer = LayerFromJSON(settings, where, &unknown);
    base::Check(unknown.empty(), ErrorCode::kInvalidInput, where, ": unknown setting ",
                unknown.empty() ? "" : Quoted(unknown[0]));
    const auto model = layer.find("model");
    base::Check(model != layer.end() && model->second.value.is_string(), ErrorCode::kInvalidInput, where, ": no model");
    base::Check(layer.count("seed") == 0 || layer["seed"].value != "random", ErrorCode::kInvalidInput, where,
                ": seed: a plan has numbers; `random` is drawn when it is made");
    const FoundModel found = planner_.Model(model->second.value.get<std::string>(), folder_, where, where);
    if (!found.good) return;
    // Jobs that say the same settings share what the first of them says.
    std::string signature = std::to_string(found.index);
    for (const auto& [key, assignment] : layer) signature += "\n" + key;
    const auto known = bases_.find(signature);
    if (known == bases_.end()) {
      draft.base = planner_.AddBase(found.index, {&layer});
      bases_[signature] = draft.base;
    } else {
      draft.base = known->second;
      const PlanBase& base = planner_.base(draft.base);
      for (auto& [key, assignment] : layer) {
        if (key == "model") continue;
        const Value& value = assignment.value.is_null() ? base.floor->at(key) : assignment.value;
        if (value != base.settings->at(key)) draft.own[key] = std::move(assignment);
      }
    }
    planner_.Add(std::move(draft));
  }

  const std::string path_, folder_;
  ErrorList errors_;
  Planner planner_;
  std::string key_;
  bool saw_jobs_ = false;
  int64_t count_ = 0;
  std::set<std::string> titles_;
  std::map<std::string, size_t> groups_, bases_;
};

}  // namespace

Plan ReadPlanJSON(const std::string& path, std::istream& json, const InspectModelFolder& inspect) {
  return PlanReader(path, inspect).Read(json);
}

nlohmann::json PlanEntryJSON(const PlanEntry& entry) {
  return {{"name", entry.name},
          {"variant", entry.variant},
          {"index", entry.index},
          {"hash", entry.hash},
          {"settings", entry.Settings().ToJSON()},
          {"outputs", entry.files.outputs}};
}

void WritePlanJSON(const Plan& plan, const std::function<void(const std::string& text)>& write) {
  write("{\"version\":1,\"jobs\":[");
  for (size_t i = 0; i < plan.entries.size(); ++i) {
    write((i > 0 ? ",\n" : "\n") + CanonicalJSON(PlanEntryJSON(plan.entries[i])));
  }
  write("\n]}\n");
}

}  // namespace app
