#include "tests/app/gui/fake_link.h"

#include "attention/base/error.h"

namespace app {
namespace {

class FakeLink final : public WorkerLink {
 public:
  explicit FakeLink(std::shared_ptr<FakeWorker> worker) : worker_(std::move(worker)) {}
  void Send(const nlohmann::json& command) override {
    base::Check(!worker_->fails, base::ErrorCode::kIo, "no worker: no processes left");
    worker_->sent.push_back(command);
  }
  std::optional<nlohmann::json> Next() override {
    if (worker_->events.empty()) return std::nullopt;
    nlohmann::json event = std::move(worker_->events.front());
    worker_->events.pop_front();
    return event;
  }
  std::string log_tail() const override { return ""; }

 private:
  std::shared_ptr<FakeWorker> worker_;
};

}  // namespace

std::vector<nlohmann::json> FakeWorker::Sent(const std::string& cmd) const {
  std::vector<nlohmann::json> found;
  for (const nlohmann::json& command : sent) {
    if (command["cmd"] == cmd) found.push_back(command);
  }
  return found;
}

std::unique_ptr<WorkerLink> LinkTo(std::shared_ptr<FakeWorker> worker) {
  ++worker->started;
  return std::make_unique<FakeLink>(std::move(worker));
}

ModelCard FakeCard(const std::string& folder) {
  ModelCard card;
  card.info.path = folder;
  card.info.pipeline_class = "FakePipeline";
  card.info.size_rules = {16, 16, 1024, 1024, 1, 4, 201};
  card.info.defaults = {32, 16, 5, 10, 64, 3.0, 8.0};
  card.info.scheduler = "unipc";
  card.info.num_layers = 3;
  card.info.num_heads = 2;
  card.info.head_dim = 16;
  card.notes.vocabulary = {{"shapes", {"sphere", "cube"}}};
  card.notes.settings["attention.topk"] = {0.25, "sparge.yaml:3:3"};
  return card;
}

}  // namespace app
