#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "app/batch/claims.h"
#include "app/jobs/plan.h"
#include "pipeline/progress.h"

namespace app {

// The compare blocks of a batch: for each group whose clips are all there, what `sparge compare` writes, in the folder
// STEM_compare beside the reference, and `metrics` in the sidecars of the others. In a thread of its own: the next
// clips render meanwhile.
class Comparisons {
 public:
  Comparisons(const Plan& plan, const std::string& manifest_folder);
  ~Comparisons();  // waits for what is under way; drops what waits

  // An entry is done, whoever rendered it. A comparison that is older than a clip of it is made again.
  void Done(const PlanEntry& entry);

  // Waits for all that can be made. What came of them since the last call.
  void WaitForAll();
  struct Result {
    std::string folder;
    std::string error;  // "": it is there
    bool made = false;  // now, by us
  };
  std::vector<Result> TakeResults();
  void Cancel() { progress_.Cancel(); }

 private:
  struct Group {
    std::vector<const PlanEntry*> entries;  // the reference first
    size_t done = 0;
  };
  void Work();
  bool Compare(const Group& group, const std::string& folder);  // whether it had to be made

  Claims claims_;
  pipeline::NoProgress progress_;
  std::map<int64_t, Group> groups_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<const Group*> queue_;
  bool busy_ = false, ending_ = false;
  std::vector<Result> results_;
  std::thread thread_;
};

// Where a group's comparison goes.
std::string ComparisonFolder(const PlanEntry& reference);

}  // namespace app
