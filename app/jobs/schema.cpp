#include "app/jobs/schema.h"

#include <functional>
#include <map>

#include "app/jobs/plan.h"
#include "app/settings/table.h"
#include "app/settings/text.h"
#include "app/settings/value.h"

namespace app {
namespace {

using nlohmann::json;
using enum SettingType;

json Reference(const std::string& name) { return {{"$ref", "#/$defs/" + name}}; }

// Text with a variable in it may become anything.
json Variable() { return {{"type", "string"}, {"pattern", "\\$\\{"}}; }

json AnyOf(std::vector<json> schemas) { return {{"anyOf", std::move(schemas)}}; }

json WithRange(json schema, const Setting& setting) {
  if (setting.min > -std::numeric_limits<double>::infinity()) {
    schema[setting.above_min ? "exclusiveMinimum" : "minimum"] = setting.min;
  }
  if (setting.max < std::numeric_limits<double>::infinity()) schema["maximum"] = setting.max;
  return schema;
}

// A number written as text: quoted, with a unit, or by a variable. Read by `sparge render` as if it were not.
json NumberText() {
  return {{"type", "string"},
          {"pattern", "^\\s*[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]+)?\\s*[A-Za-z]*\\s*$|\\$\\{"}};
}

json Texts() { return {{"type", json::array({"string", "number", "boolean"})}}; }

json Paths() { return AnyOf({Texts(), {{"type", "array"}, {"minItems", 1}, {"items", Texts()}}}); }

json Rules() {
  json properties = json::object();
  for (const char* key : {"steps", "layers"}) {
    properties[key] = Reference(std::string("value.attention.dense_") + key);
  }
  for (const char* key : {"mode", "topk", "cdf", "theta", "lambda", "sink", "dense_as", "kernel"}) {
    properties[key] = Reference(std::string("value.attention.") + key);
  }
  return {{"type", "array"},
          {"items", {{"type", "object"}, {"properties", properties}, {"additionalProperties", false}}}};
}

// The values of a setting other than null.
json ValueSchema(const Setting& setting) {
  switch (setting.type) {
    case kText:
    case kPath:
      return Texts();
    case kPaths:
      return Paths();
    case kInt:
      return AnyOf({WithRange({{"type", "integer"}}, setting), NumberText()});
    case kNumber:
      return AnyOf({WithRange({{"type", "number"}}, setting), NumberText()});
    case kSeed:
      return AnyOf({{{"type", "integer"}}, {{"const", "random"}}, NumberText()});
    case kBool:
      return AnyOf({{{"type", "boolean"}}, {{"enum", {"on", "off", "yes", "no", "true", "false"}}}, Variable()});
    case kEnum: {
      json choices = json::array();
      for (const std::string& choice : Split(setting.choices, ' ')) {
        choices.push_back(choice);
        if (choice == "on" || choice == "off") choices.push_back(choice == "on");  // YAML 1.1 reads them so
      }
      return AnyOf({{{"enum", choices}}, Variable()});
    }
    case kIndexList: {
      const json one = {{"type", json::array({"integer", "string"})}};
      return AnyOf({one, {{"type", "array"}, {"minItems", 1}, {"items", one}}});
    }
    case kDevice:
      return AnyOf({{{"type", "string"}, {"pattern", "^(auto|cpu|cuda|cuda:[0-9]+)$"}}, Variable()});
    case kMemory:
      return AnyOf({WithRange({{"type", "number"}}, setting), {{"const", "auto"}}, NumberText()});
    case kRules:
      return setting.missing.empty() ? AnyOf({Rules(), {{"type", "string"}}}) : json::object();
  }
  return json::object();
}

std::string Description(const Setting& setting) {
  std::string text(setting.help);
  text += " (" + DescribeType(setting) + "; default: " + DescribeDefault(setting) + ")";
  if (!setting.missing.empty()) text += " Not there yet: " + std::string(setting.missing) + ".";
  return text;
}

json ValueOrNull(const Setting& setting) {
  return {{"description", Description(setting)},
          {"anyOf", json::array({Reference("value." + std::string(setting.key)), {{"type", "null"}}})}};
}

bool IsListSetting(const Setting& setting) {
  return setting.type == kPaths || setting.type == kIndexList || setting.type == kRules;
}

// A scalar, a list, or a range, which is text: `1..10`. A list of a setting that is a list itself has lists as items.
json AxisSchema(const Setting& setting) {
  const json value = Reference("value." + std::string(setting.key));
  std::vector<json> item = {value, {{"type", "null"}}};
  const bool ranges =
      setting.type == kInt || setting.type == kNumber || setting.type == kSeed || setting.type == kMemory;
  if (ranges) item.push_back(Reference("range"));
  std::vector<json> axis = {{{"type", "array"}, {"minItems", 1}, {"items", AnyOf(item)}}};
  if (!IsListSetting(setting)) axis.insert(axis.end(), item.begin(), item.end());
  if (setting.type == kIndexList || setting.type == kPaths) axis.push_back(Texts());
  return {{"description", Description(setting)}, {"anyOf", std::move(axis)}};
}

// Properties for every setting, dotted and nested. `schema` gives that of one.
json SettingProperties(const std::function<json(const Setting&)>& schema) {
  json properties = json::object();
  std::map<std::string, json> nested;
  for (const Setting& setting : Settings()) {
    const std::string key(setting.key);
    properties[key] = schema(setting);
    const size_t dot = key.find('.');
    if (dot != std::string::npos) nested[key.substr(0, dot)][key.substr(dot + 1)] = schema(setting);
  }
  for (auto& [group, inner] : nested) {
    properties[group] = {
        {"type", json::array({"object", "null"})}, {"properties", std::move(inner)}, {"additionalProperties", false}};
  }
  return properties;
}

json Mapping(json properties) {
  return {{"type", json::array({"object", "null"})},
          {"properties", std::move(properties)},
          {"additionalProperties", false}};
}

json WithMore(json properties, const json& more) {
  properties.update(more);
  return properties;
}

json Described(const char* text, json schema) {
  schema["description"] = text;
  return schema;
}

}  // namespace

std::string JobsSchema() {
  const auto value = [](const Setting& setting) {
    return json{{"$ref", "#/$defs/setting." + std::string(setting.key)}};
  };
  const json settings = SettingProperties(value);
  const json profile =
      Described("the name of a profile, or a list of names; later ones win",
                {{"anyOf", json::array({Texts(), {{"type", "array"}, {"items", Texts()}}, {{"type", "null"}}})}});
  const json axes = WithMore(
      SettingProperties([](const Setting& setting) {
        return json{{"$ref", "#/$defs/axis." + std::string(setting.key)}};
      }),
      {{"profile", Described("profiles, each a name or a list of names",
                             {{"anyOf", json::array({Texts(),
                                                     {{"type", "null"}},
                                                     {{"type", "array"}, {"minItems", 1}, {"items", profile}}})}})}});
  json defs = json::object();
  defs["range"] = {{"type", "string"},
                   {"pattern", "^\\s*[-+]?[0-9.eE+-]+\\s*\\.\\.\\s*[-+]?[0-9.eE+-]+(\\s+step\\s+[0-9.eE+-]+)?\\s*$"},
                   {"description", "1..10, 0.2..0.8 step 0.2: up to the last value, exact in decimals"}};
  for (const Setting& setting : Settings()) {
    defs["value." + std::string(setting.key)] = ValueSchema(setting);
    defs["setting." + std::string(setting.key)] = ValueOrNull(setting);
    defs["axis." + std::string(setting.key)] = AxisSchema(setting);
  }
  defs["settings"] = Mapping(settings);
  defs["axes"] = Mapping(axes);
  defs["include"] = Mapping(WithMore(settings, {{"profile", profile}}));
  const json name = Described("in outputs {variant}, in --only and --skip NAME/VARIANT",
                              {{"type", json::array({"string", "number", "boolean", "null"})}});
  defs["variant"] = Mapping(WithMore(settings, {{"name", name}, {"profile", profile}}));
  json job = settings;
  job["name"] = Described("of the job; job1, job2, … by default",
                          {{"type", json::array({"string", "number", "boolean", "null"})}});
  job["prompts"] =
      Described("one entry a prompt", AnyOf({Texts(), {{"type", "array"}, {"minItems", 1}, {"items", Texts()}}}));
  job["prompt_file"] =
      Described("file with a prompt a line; a # at the start of a line comments", {{"type", "string"}});
  job["profile"] = profile;
  job["matrix"] = Described("axes whose values are combined, the last key fastest", Reference("axes"));
  job["zip"] = Described("axes of equal length that move together", Reference("axes"));
  job["exclude"] = Described("combinations to leave out: {axis: value, …}",
                             {{"type", json::array({"array", "null"})}, {"items", Reference("include")}});
  job["include"] = Described("entries to add for each prompt: {setting: value, …}",
                             {{"type", json::array({"array", "null"})}, {"items", Reference("include")}});
  job["repeat"] = Described(
      "so many entries with the seeds seed, seed+1, …",
      AnyOf({{{"type", "integer"}, {"minimum", 1}, {"maximum", kMaxPlanEntries}}, NumberText(), {{"type", "null"}}}));
  job["compare"] = Described(
      "the same noise with other settings: each variant is held against the reference",
      {{"type", json::array({"object", "null"})},
       {"properties",
        {{"reference", Reference("variant")},
         {"variants", {{"type", "array"}, {"items", Reference("variant")}}},
         {"noise_floor",
          Described(
              "the reference once more with another dense kernel: how much difference means nothing",
              AnyOf({{{"type", "boolean"}}, {{"enum", {"on", "off", "yes", "no", "true", "false"}}}, Variable()}))}}},
       {"required", json::array({"reference"})},
       {"additionalProperties", false}});
  defs["job"] = {{"type", "object"}, {"properties", job}, {"additionalProperties", false}};
  const json schema = {
      {"$schema", "https://json-schema.org/draft/2020-12/schema"},
      {"title", "JOBS.yaml of `sparge render`"},
      {"type", "object"},
      {"required", json::array({"version", "jobs"})},
      {"additionalProperties", false},
      {"properties",
       {{"version", {{"enum", json::array({1, "1"})}}},
        {"defaults", Described("settings of every job", Reference("settings"))},
        {"profiles", Described("named settings that jobs take in", {{"type", json::array({"object", "null"})},
                                                                    {"additionalProperties", Reference("settings")}})},
        {"jobs", {{"type", "array"}, {"items", Reference("job")}}}}},
      {"$defs", defs}};
  return schema.dump(1) + "\n";
}

}  // namespace app
