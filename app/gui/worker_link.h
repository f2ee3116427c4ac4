#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace app {

// How the window talks to a worker (docs/interfaces.md, "The worker"). One thread uses it.
class WorkerLink {
 public:
  virtual ~WorkerLink() = default;
  // Does not wait. Throws base::Error where no worker can be started.
  virtual void Send(const nlohmann::json& command) = 0;
  // The next event, if one is there; does not wait.
  virtual std::optional<nlohmann::json> Next() = 0;
  // The last that workers wrote to standard error.
  virtual std::string log_tail() const = 0;
};

// A supervised `sparge worker` process. `program`: of which executable; "": this one.
std::unique_ptr<WorkerLink> StartWorkerLink(const std::string& program);

}  // namespace app
