#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "app/jobs/plan.h"

namespace app {

// Plans the files of many entries: the rules of PlanFiles (app/job/files.h), with what has been found out about folders
// and encoders remembered, and with the files of all entries held against each other.
class OutputPlanner {
 public:
  // `folder`: where a relative `out` begins.
  explicit OutputPlanner(std::string folder) : folder_(std::move(folder)) {}

  // Fills entry.files in; `given` outputs in place of those that `out` says. What is wrong goes to `report`.
  void Plan(PlanEntry& entry, const std::string& model_name, const std::vector<std::string>& given,
            const std::function<void(const std::string& message)>& report);

  // From here Plan only fills names in: but for the hash they have been checked.
  void StopChecking() { checks_ = false; }

  // Files of an entry under the name that they have in common with other spellings.
  std::vector<std::string> Claims(const PlanEntry& entry);

 private:
  void Check(const PlanEntry& entry, const std::string& path);
  void CheckPath(const std::string& path);
  std::string Identity(const std::string& path);

  std::string folder_;
  std::set<std::string> valid_;  // encodings that ValidateOutput has taken
  struct Folder {
    std::string canonical;
    bool exists = false;
  };
  std::unordered_map<std::string, Folder> folders_;  // as written; files can be made in them
  bool checks_ = true;
};

}  // namespace app
