#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "app/gui/controller.h"
#include "app/gui/worker_link.h"

namespace app {

// What a test's worker was told and is to say; outlives the link.
struct FakeWorker {
  std::vector<nlohmann::json> sent;
  std::deque<nlohmann::json> events;
  bool fails = false;  // nothing can be sent
  int started = 0;

  // The commands of one kind.
  std::vector<nlohmann::json> Sent(const std::string& cmd) const;
  void Say(nlohmann::json event) { events.push_back(std::move(event)); }
};

std::unique_ptr<WorkerLink> LinkTo(std::shared_ptr<FakeWorker> worker);

// A model of 3 layers × 2 heads without files: widths in multiples of 16, 4n + 1 frames, 10 steps.
ModelCard FakeCard(const std::string& folder);

}  // namespace app
