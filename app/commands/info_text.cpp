#include <algorithm>
#include <cstdio>
#include <utility>

#include "app/commands/info.h"
#include "app/console/observer.h"
#include "app/seen/attention_text.h"
#include "app/settings/text.h"
#include "app/settings/value.h"

namespace app {
namespace {

using nlohmann::json;

// Text from a file, fit for a terminal: control characters become '?', long text is cut.
std::string Safe(const std::string& text, size_t max_bytes = 400) {
  std::string safe = json(text).dump(-1, ' ', false, json::error_handler_t::replace);
  safe = json::parse(safe).get<std::string>();  // valid UTF-8 now
  const bool cut = safe.size() > max_bytes;
  safe = std::string(CutUTF8(safe, max_bytes)) + (cut ? "…" : "");
  for (char& c : safe) {
    if ((c >= 0 && c < 0x20) || c == 0x7F) c = '?';
  }
  return safe;
}

size_t Columns(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// Columns as wide as their widest cell; `right` names those that are aligned to the right.
std::string Table(const std::vector<std::vector<std::string>>& rows, const std::vector<bool>& right) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Columns(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line = " ";
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - Columns(row[i]), ' ');
      line += " " + (i < right.size() && right[i] ? padding + row[i] : row[i] + padding) + " ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

// The words of `text` in lines of at most about 100 columns.
std::vector<std::string> Wrap(const std::string& text) {
  constexpr size_t kColumns = 100;
  std::vector<std::string> lines = {""};
  for (const std::string& word : Split(text, ' ')) {
    if (!lines.back().empty() && Columns(lines.back()) + 1 + Columns(word) > kColumns) lines.emplace_back();
    lines.back() += (lines.back().empty() ? "" : " ") + word;
  }
  return lines;
}

std::string Count(int64_t number) {
  char buffer[32];
  const double value = static_cast<double>(number);
  if (number >= 1'000'000'000) {
    std::snprintf(buffer, sizeof buffer, "%.3f B", value / 1e9);
  } else if (number >= 1'000'000) {
    std::snprintf(buffer, sizeof buffer, "%.2f M", value / 1e6);
  } else if (number >= 1000) {
    std::snprintf(buffer, sizeof buffer, "%.1f K", value / 1e3);
  } else {
    return std::to_string(number);
  }
  return buffer;
}

// A value out of a file of any shape, as text; "" where it is not there.
std::string Field(const json& object, const char* key) {
  if (!object.is_object() || !object.contains(key) || object[key].is_null()) return "";
  return Safe(ToText(object[key]));
}

double NumberField(const json& object, const char* key) {
  return object.is_object() && object.contains(key) && object[key].is_number() ? object[key].get<double>() : 0;
}

std::string Decimals(double value, int digits) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.*f", digits, value);
  return buffer;
}

std::string Section(const std::string& title) { return "\n" + title + "\n"; }

std::string ComponentsText(const json& components) {
  std::vector<std::vector<std::string>> rows = {{"component", "class", "parameters", "weights", "tensors"}};
  std::string facts;
  for (const json& component : components) {
    std::vector<std::string> dtypes;
    for (const auto& [dtype, tensors] : component["dtypes"].items()) dtypes.push_back(ToText(tensors) + " " + dtype);
    const int64_t bytes = component["bytes"].get<int64_t>();
    rows.push_back({Field(component, "name"), Field(component, "class"),
                    bytes > 0 ? Count(component["parameters"].get<int64_t>()) : "", bytes > 0 ? ByteSize(bytes) : "",
                    Join(dtypes, ", ")});
    std::vector<std::string> parts;
    for (const json& fact : component["facts"])
      parts.push_back(Safe(fact[0].get<std::string>() + " " + fact[1].get<std::string>()));
    if (!parts.empty()) facts += "  " + Field(component, "name") + ": " + Join(parts, ", ") + "\n";
  }
  return Table(rows, {false, false, true, true}) + facts;
}

std::string DefaultsText(const json& defaults) {
  std::vector<std::vector<std::string>> rows;
  for (const Setting& setting : Settings()) {
    const std::string key(setting.key);
    if (!defaults.contains(key) || defaults[key]["value"].is_null()) continue;
    const std::string where = defaults[key]["where"].get<std::string>();
    if (where == "default" && setting.group != "what") continue;
    const std::string text = ToText(defaults[key]["value"]);
    rows.push_back({key,
                    text.empty() ? "\"\"" : Safe(text) + (setting.unit.empty() ? "" : " " + std::string(setting.unit)),
                    Safe(where)});
  }
  return Table(rows, {});
}

std::string ModelText(const json& info) {
  std::string text = Safe(info["name"]) + ": " + Safe(info["class"]) + "\n  " + Safe(info["path"]) + "\n  hash " +
                     info["hash"].get<std::string>() + "\n";
  text += Section("Components") + ComponentsText(info["components"]);
  const json& run = info["would_run"];
  const json& rules = info["size_rules"];
  text += Section("Would run");
  std::vector<std::vector<std::string>> rows;
  if (run["error"].is_null()) {
    rows.push_back({"device", Field(run, "device") + ", products in " + Field(run, "dtype")});
  } else {
    rows.push_back({"device", "none: " + Field(run, "error")});
  }
  rows.push_back({"scheduler", Field(run, "scheduler")});
  rows.push_back({"attention", Field(run, "attention") + " (kernels: " + Field(run, "kernels") + ")"});
  rows.push_back({"sizes", "width a multiple of " + Field(rules, "width_multiple") + " px, height of " +
                               Field(rules, "height_multiple") + " px, frames " + Field(rules, "frames_multiple") +
                               "n + " + Field(rules, "frames_first")});
  text += Table(rows, {});
  text += Section("Defaults") + DefaultsText(info["defaults"]);
  if (!info["vocabulary"].empty()) {
    std::vector<std::vector<std::string>> words;
    for (const json& category : info["vocabulary"]) {
      std::string name = Safe(category["category"]);
      for (const std::string& line : Wrap(Safe(Join(category["words"].get<std::vector<std::string>>(), ", "), 4000))) {
        words.push_back({std::exchange(name, ""), line});
      }
    }
    text += Section("Vocabulary") + Table(words, {});
  }
  if (!info["notes"].get<std::string>().empty()) {
    text += Section("Notes");
    for (const std::string& line : Split(Trim(info["notes"].get<std::string>()), '\n')) {
      for (const std::string& part : Wrap(Safe(line, 4000))) text += "  " + part + "\n";
    }
  }
  for (const json& notice : info["notices"]) text += "\nnote: " + Safe(notice.get<std::string>());
  return text + (info["notices"].empty() ? "" : "\n");
}

// The settings of a job that differ from the program's defaults, and statistics.
std::string JobText(const json& info) {
  const json& record = info["record"];
  if (!record.is_object()) return "\nno job recorded\n";
  const json& job = record["job"];
  std::vector<std::vector<std::string>> rows;
  for (const Setting& setting : Settings()) {
    const std::string key(setting.key);
    if (!job.contains(key) || job[key].is_null() || job[key] == DefaultValue(setting)) continue;
    rows.push_back({key, Safe(ToText(job[key]), 2000)});
  }
  std::string text = Section("Job " + Field(record, "hash")) + Table(rows, {});
  if (record.contains("model") && record["model"].is_object()) {
    text += "  made by " + Field(record["model"], "class") + " " + Field(record["model"], "name") + ", model hash " +
            Field(record["model"], "hash") + "\n";
  }
  if (!info.contains("statistics")) return text;
  const json& statistics = info["statistics"];
  text += Section("Statistics");
  rows.clear();
  if (statistics.contains("program")) {
    const json& program = statistics["program"];
    rows.push_back({"program", "sparge " + Field(program, "version") + " on " + Field(program, "device") + ", " +
                                   Field(program, "dtype")});
  }
  if (statistics.contains("timings_s") && statistics["timings_s"].is_object()) {
    for (const char* stage : {"load", "encode_prompt", "denoise", "decode", "write", "total"}) {
      rows.push_back({stage, Decimals(NumberField(statistics["timings_s"], stage), 2) + " s"});
    }
  }
  rows.push_back({"peak memory", ByteSize(static_cast<int64_t>(NumberField(statistics, "peak_memory_bytes")))});
  text += Table(rows, {});
  const std::string attention = statistics.contains("attention") ? AttentionText(statistics["attention"]) : "";
  if (!attention.empty()) text += Section("Attention") + attention;
  const std::string audit = statistics.contains("audit") ? AuditText(statistics["audit"]) : "";
  return audit.empty() ? text : text + Section("Audit") + audit;
}

std::string MediaText(const json& info) {
  std::string text = Safe(info["path"]) + ": " + Field(info, "container") + "\n";
  std::vector<std::vector<std::string>> rows;
  rows.push_back({"size", Field(info, "width") + " x " + Field(info, "height") + " px"});
  const double fps = NumberField(info, "fps"), frames = NumberField(info, "frames");
  rows.push_back(
      {"frames", Field(info, "frames") +
                     (fps > 0 ? " at " + Field(info, "fps") + " fps, " + Decimals(frames / fps, 2) + " s" : "")});
  rows.push_back({"codec", Field(info, "codec") + ", " + Field(info, "pixel_format")});
  const json& color = info["color"];
  rows.push_back({"colour", Field(color, "space") + ", primaries " + Field(color, "primaries") + ", transfer " +
                                Field(color, "transfer") + ", range " + Field(color, "range")});
  rows.push_back({"bytes", ByteSize(info["bytes"].get<int64_t>())});
  if (info.contains("comment")) rows.push_back({"comment", Field(info, "comment")});
  if (info["sidecar"].is_string()) rows.push_back({"sidecar", Field(info, "sidecar")});
  if (info.contains("from")) {
    const json& from = info["from"];
    rows.push_back({"from", "the " + Field(from, "kind") + " " + Field(from, "name") + ", encoded, not rendered"});
  }
  return text + Table(rows, {}) + JobText(info);
}

std::string TensorsText(const json& info) {
  std::string text = Safe(info["path"]) + ": ";
  if (info.contains("checkpoint")) {
    const json& checkpoint = info["checkpoint"];
    text += "checkpoint, step " + Field(checkpoint, "step") + " of " + Field(checkpoint, "steps") + " (" +
            Field(checkpoint, "scheduler") + "); `sparge generate --from-latents` goes on from it\n  ";
  }
  text += std::to_string(info["tensors"].size()) + " tensors, " + Count(info["parameters"].get<int64_t>()) +
          " values, " + ByteSize(info["bytes"].get<int64_t>()) + "\n";
  std::vector<std::vector<std::string>> rows;
  for (const json& tensor : info["tensors"]) {
    std::vector<std::string> sizes;
    for (const json& size : tensor["shape"]) sizes.push_back(ToText(size));
    rows.push_back({Safe(tensor["name"]), Field(tensor, "dtype"), "[" + Join(sizes, ", ") + "]"});
  }
  text += Section("Tensors") + Table(rows, {});
  if (!info["metadata"].empty()) {
    rows.clear();
    for (const auto& [key, value] : info["metadata"].items()) rows.push_back({Safe(key), Safe(value)});
    text += Section("Metadata") + Table(rows, {});
  }
  return info["record"].is_object() ? text + JobText(info) : text;
}

}  // namespace

std::string FormatInfo(const json& info) {
  if (info["kind"] == "model") return ModelText(info);
  if (info["kind"] == "media") return MediaText(info);
  return TensorsText(info);
}

}  // namespace app
