#pragma once

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "app/gui/controller.h"
#include "attention/base/error.h"
#include "tests/app/gui/fake_link.h"
#include "tests/app/temp_folder.h"

namespace app {

// A controller without a window, with a state folder of its own, a model of FakeCard and a prompt. The worker is the
// test's.
class ControllerFixture : public TempFolderTest {
 protected:
  void SetUp() override {
    TempFolderTest::SetUp();
    setenv("XDG_CACHE_HOME", Path("cache").c_str(), 1);  // what the library knows of clips stays here
    model_ = Path("model");
    std::filesystem::create_directories(model_);
    std::ofstream(model_ + "/model_index.json") << "{}";
    Start();
    controller_->Open(model_);
    controller_->Handle(ui::SetSetting{"prompt", "a sphere"});
  }
  void TearDown() override {
    controller_.reset();  // it writes until then
    TempFolderTest::TearDown();
  }

  // Another session on the same state; the one before ends without a goodbye.
  void Start() {
    controller_.reset();
    ControllerOptions options;
    options.state_folder = Path("state");
    options.look_at_model = [this](const std::string& folder) {
      base::Check(folder == model_ && std::filesystem::exists(folder), base::ErrorCode::kInvalidInput, folder,
                  ": no model");
      return FakeCard(folder);
    };
    options.read_jobs = [](const std::string& path) -> std::vector<SavedJob> {
      base::Fail(base::ErrorCode::kInvalidInput, path, ":1:1: not a queue");
    };
    Complete(options);
    controller_ = std::make_unique<Controller>(std::move(options));
  }
  // Sets at least `start_link`.
  virtual void Complete(ControllerOptions& options) = 0;

  const ui::StudioView& view() { return controller_->view(); }

  std::string model_;
  std::unique_ptr<Controller> controller_;
};

// With a worker that says what the test wants, and the test's own clock.
class ControllerTest : public ControllerFixture {
 protected:
  void SetUp() override {
    ControllerFixture::SetUp();
    Tick();
  }
  void Complete(ControllerOptions& options) override {
    options.start_link = [this] { return LinkTo(worker_); };
  }

  // Two seconds later: long enough for what waits to be saved and sent.
  void Tick() {
    now_s_ += 2;
    controller_->Tick(now_s_);
  }
  // What is read beside the window comes when it comes.
  bool TickUntil(const std::function<bool()>& done) {
    for (int i = 0; i < 500 && !done(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      Tick();
    }
    return done();
  }
  uint64_t Add() {
    controller_->Handle(ui::Generate{});
    Tick();
    return view().jobs.back().id;
  }
  void Say(uint64_t id, const char* event, nlohmann::json more = nlohmann::json::object()) {
    more["id"] = id;
    more["event"] = event;
    worker_->Say(more);
    Tick();
  }
  const ui::JobRow& Row(uint64_t id) { return *view().FindJob(id); }

  std::shared_ptr<FakeWorker> worker_ = std::make_shared<FakeWorker>();
  double now_s_ = 0;
};

}  // namespace app
