#include "app/jobs/show.h"

#include <algorithm>
#include <map>
#include <ostream>
#include <set>

#include "app/console/observer.h"
#include "app/settings/text.h"

namespace app {
namespace {

constexpr size_t kCellBytes = 48;

size_t Columns(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string OneLine(const std::string& text) {
  std::string line;
  for (char c : text) line += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
  return line;
}

// On one line, and not too long for it.
std::string Cell(const std::string& text) {
  const std::string line = OneLine(text);
  return line.size() <= kCellBytes ? line : std::string(CutUTF8(line, kCellBytes - 3)) + "…";
}

using Row = std::vector<std::string>;

void PrintRows(const std::vector<Row>& rows, std::ostream& out) {
  std::vector<size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Columns(row[i]));
  }
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - Columns(row[i]) + 2, ' ');
    }
    while (line.ends_with(' ')) line.pop_back();
    out << line << '\n';
  }
}

// Keys of settings that are not the same in all of these entries, in the table's order.
std::vector<std::string> Varying(const std::vector<const PlanEntry*>& entries, bool also_where) {
  std::vector<std::string> keys;
  for (const Setting& setting : Settings()) {
    const std::string key(setting.key);
    const Assignment& first = entries[0]->At(key);
    const bool same = std::all_of(entries.begin(), entries.end(), [&](const PlanEntry* entry) {
      const Assignment& one = entry->At(key);
      return &one == &first || (one.value == first.value && (!also_where || one.where == first.where));
    });
    if (!same) keys.push_back(key);
  }
  return keys;
}

std::string Title(const PlanEntry& entry) { return entry.name + "/" + entry.variant; }

}  // namespace

void PrintPlanTable(const Plan& plan, const EntryStates& states, std::ostream& out) {
  if (plan.entries.empty()) {
    out << "nothing to render: the plan is empty\n";
    return;
  }
  std::vector<const PlanEntry*> entries;
  for (const PlanEntry& entry : plan.entries) entries.push_back(&entry);
  std::vector<std::string> keys = Varying(entries, false);
  std::erase(keys, "out");
  std::vector<Row> rows(1);
  rows[0] = {"entry", "index"};
  for (const std::string& key : keys) rows[0].push_back(key);
  for (const char* title : {"state", "memory", "outputs"}) rows[0].emplace_back(title);
  std::map<std::string, int64_t> totals;
  for (const PlanEntry* entry : entries) {
    Row row = {Cell(Title(*entry)), std::to_string(entry->index)};
    for (const std::string& key : keys) row.push_back(Cell(ToText(entry->At(key).value)));
    const EntryState state = states ? states(plan, *entry) : EntryState();
    ++totals[state.text];
    row.push_back(Cell(state.text));
    row.push_back(state.memory_bytes > 0 ? ByteSize(state.memory_bytes) : "?");
    row.push_back(Join(entry->files.outputs, ", "));
    rows.push_back(std::move(row));
  }
  PrintRows(rows, out);
  std::vector<std::string> counts;
  for (const auto& [text, count] : totals) counts.push_back(std::to_string(count) + " " + text);
  out << entries.size() << (entries.size() == 1 ? " entry: " : " entries: ") << Join(counts, ", ") << '\n';
}

void PrintExplanation(const Plan& plan, std::ostream& out) {
  std::vector<std::string> names;
  std::map<std::string, std::vector<const PlanEntry*>> jobs;
  for (const PlanEntry& entry : plan.entries) {
    std::vector<const PlanEntry*>& job = jobs[entry.name];
    if (job.empty()) names.push_back(entry.name);
    job.push_back(&entry);
  }
  const auto setting = [](const PlanEntry& entry, const std::string& key) {
    const Assignment& assignment = entry.At(key);
    return Row{"  " + key, OneLine(ToText(assignment.value)), assignment.where};
  };
  for (const std::string& name : names) {
    const std::vector<const PlanEntry*>& entries = jobs[name];
    const std::vector<std::string> varying = Varying(entries, true);
    out << name << ": " << entries.size() << (entries.size() == 1 ? " entry\n" : " entries, in common\n");
    std::vector<Row> rows;
    for (const Setting& one : Settings()) {
      const std::string key(one.key);
      if (std::find(varying.begin(), varying.end(), key) == varying.end()) rows.push_back(setting(*entries[0], key));
    }
    PrintRows(rows, out);
    for (const PlanEntry* entry : entries) {
      if (entries.size() > 1) out << Title(*entry) << ' ' << entry->index << '\n';
      rows.clear();
      for (const std::string& key : varying) rows.push_back(setting(*entry, key));
      PrintRows(rows, out);
    }
  }
}

}  // namespace app
