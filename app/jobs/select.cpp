#include <fnmatch.h>

#include <algorithm>
#include <unordered_map>

#include "app/jobs/plan.h"
#include "app/settings/text.h"

namespace app {
namespace {

using base::ErrorCode;

bool Matches(const std::string& glob, const PlanEntry& entry) {
  return fnmatch(glob.c_str(), entry.name.c_str(), 0) == 0 ||
         fnmatch(glob.c_str(), (entry.name + "/" + entry.variant).c_str(), 0) == 0;
}

bool MatchesAny(const std::vector<std::string>& globs, const PlanEntry& entry) {
  return std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) { return Matches(glob, entry); });
}

}  // namespace

void SelectEntries(const PlanSelection& selection, Plan& plan) {
  base::Check(selection.shards == 1 || !plan.drew_seeds, ErrorCode::kInvalidInput,
              "--shard: a seed of this plan is `random`, drawn anew by each shard; save the plan with --plan FILE.json "
              "and render shards of that");
  for (const std::string& glob : selection.only) {
    const bool found = std::any_of(plan.entries.begin(), plan.entries.end(),
                                   [&](const PlanEntry& entry) { return Matches(glob, entry); });
    if (found) continue;
    std::vector<std::string> names;
    for (const PlanEntry& entry : plan.entries) {
      if (names.empty() || names.back() != entry.name) names.push_back(entry.name);
    }
    base::Fail(ErrorCode::kInvalidInput, "--only ", Quoted(glob), " matches neither a job's name nor name/variant",
               DidYouMean(glob, names));
  }
  std::erase_if(plan.entries, [&](const PlanEntry& entry) {
    return (!selection.only.empty() && !MatchesAny(selection.only, entry)) || MatchesAny(selection.skip, entry);
  });
  if (selection.shards == 1) return;
  std::unordered_map<int64_t, int64_t> unit;  // group → its place among the groups that are left
  for (const PlanEntry& entry : plan.entries) unit.emplace(entry.group, static_cast<int64_t>(unit.size()));
  std::erase_if(plan.entries,
                [&](const PlanEntry& entry) { return unit[entry.group] % selection.shards != selection.shard - 1; });
}

}  // namespace app
