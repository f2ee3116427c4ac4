#include "app/gui/worker_link.h"
#include "app/worker/session.h"

namespace app {
namespace {

class SessionLink final : public WorkerLink {
 public:
  explicit SessionLink(SessionOptions options) : session_(std::move(options)) {}
  void Send(const nlohmann::json& command) override { session_.Send(command); }
  std::optional<nlohmann::json> Next() override { return session_.Next(0); }
  std::string log_tail() const override { return session_.log_tail(); }

 private:
  Session session_;
};

}  // namespace

std::unique_ptr<WorkerLink> StartWorkerLink(const std::string& program) {
  SessionOptions options;
  if (!program.empty()) options.program = program;
  return std::make_unique<SessionLink>(std::move(options));
}

}  // namespace app
