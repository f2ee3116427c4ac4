#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/batch/assess.h"
#include "app/batch/claims.h"
#include "app/batch/display.h"
#include "app/batch/manifest.h"
#include "app/jobs/plan.h"
#include "app/jobs/render_options.h"
#include "app/worker/session.h"
#include "pipeline/progress.h"

namespace app {

// Renders the entries of a plan, one after another in the order of the plan, with a worker at a time. While the files
// of one are written the next one renders.
class Runner {
 public:
  // `finished` is called with every entry that is done, whoever rendered it.
  Runner(const Plan& plan, const RenderOptions& options, BatchDisplay& display, pipeline::Progress& stop,
         std::function<void(const PlanEntry&)> finished);

  // Throws InputErrors for files that are in the way, before anything runs.
  void Check();
  void Run();

  struct Count {
    int64_t done = 0, had = 0, failed = 0, left = 0;
  };
  Count count() const;
  bool stopped_by_budget() const { return by_budget_; }

 private:
  using Clock = std::chrono::steady_clock;
  enum class State { kToDo, kElsewhere, kRunning, kDone, kFailed };
  struct Work {
    const PlanEntry* entry = nullptr;
    int64_t number = 0;
    std::string key;  // of its claim
    State state = State::kToDo;
    bool had = false;           // it was there before
    bool begun = false;         // counts for --max-jobs
    bool alone = false;         // to run with nothing beside it, for a worker died of it or of its neighbour
    int deaths = 0;             // of workers
    int64_t failures = 0;       // of its own, here
    int64_t failed_before = 0;  // on record when we began
  };
  struct Attempting {
    Work* work = nullptr;
    std::string id, started;
    Clock::time_point since;
    std::vector<Digest> good;  // outputs that are there already
    int64_t number = 1;
    bool runs = false, writes = false, times_out = false;
    std::optional<Clock::time_point> cancelled_at;
    std::unique_ptr<LogFile> log;
    std::string stage;             // that it is in
    std::deque<std::string> tail;  // what it said last, for the manifest if it fails
  };

  bool MayBegin();
  bool BeginNext();
  bool Begin(Work& work);
  void Adopt(Work& work, const EntryFiles& files);
  void Send(Work& work, const EntryFiles& files, bool all);
  void Take(const nlohmann::json& event);
  void Log(Attempting& attempt, const std::string& line, bool in_file = true);
  void TakeDone(Attempting& attempt, const nlohmann::json& event);
  void TakeFailed(Attempting& attempt, const nlohmann::json& event);
  void WatchTime();
  void CancelAll();
  void Record(const Work& work, const std::string& status, const Attempting* attempt, std::vector<Digest> outputs,
              nlohmann::json error, const nlohmann::json& event);
  void Finish(Work& work, State state);
  void TakeNotices();
  int64_t Attempts(const PlanEntry& entry, const std::string& status) const;
  std::vector<nlohmann::json> PromptsAhead(const Work& work) const;
  std::string Label(const PlanEntry& entry) const;

  const Plan& plan_;
  const RenderOptions& options_;
  BatchDisplay& display_;
  pipeline::Progress& stop_;
  std::function<void(const PlanEntry&)> finished_;
  ManifestReader reader_;
  ManifestWriter writer_;
  Claims claims_;
  Session session_;
  std::vector<Work> works_;
  std::map<std::string, Attempting> running_;  // by id
  size_t next_ = 0;                            // no work before it is to do
  int64_t begun_ = 0, ids_ = 0;
  bool by_budget_ = false, fresh_worker_ = false;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point looked_elsewhere_;
};

}  // namespace app
