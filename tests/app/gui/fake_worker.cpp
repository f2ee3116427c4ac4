#include <poll.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "pipeline/weights/safetensors.h"

// Says what `sparge worker` says of a job (docs/worker.md), and renders nothing: ten steps of a few milliseconds, with
// statistics, block maps and previews. A prompt that says "crash" kills it in the middle.
namespace {

using nlohmann::json;

constexpr int kSteps = 10, kStepMs = 4, kLayers = 3, kHeads = 2;

class Worker {
 public:
  void Run() {
    for (;;) {
      const bool renders = !job_.is_null() && !paused_;
      pollfd input = {STDIN_FILENO, POLLIN, 0};
      if (poll(&input, 1, renders ? kStepMs : 1000) > 0) {
        char bytes[4096];
        const ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
        if (count <= 0) return;
        text_.append(bytes, static_cast<size_t>(count));
        for (size_t end = text_.find('\n'); end != std::string::npos; end = text_.find('\n')) {
          const json command = json::parse(text_.substr(0, end));
          text_.erase(0, end + 1);
          if (command["cmd"] == "quit") return;
          Obey(command);
        }
      } else if (renders) {
        Step();
      }
    }
  }

 private:
  void Say(const char* event, json more = json::object()) {
    more["id"] = job_["id"];
    more["event"] = event;
    std::cout << more.dump() << std::endl;
  }

  void Obey(const json& command) {
    const std::string cmd = command["cmd"];
    if (cmd == "render") {
      job_ = command;
      step_ = 0;
      paused_ = false;
      Say("started", {{"outputs", json::array()}});
    } else if (job_.is_null()) {
      return;
    } else if (cmd == "set") {
      json rule = {{"steps", std::to_string(step_) + "-"}};
      for (const auto& [key, value] : command["settings"].items()) rule[key.substr(key.rfind('.') + 1)] = value;
      Say("set", {{"step", step_}, {"rule", rule}, {"hash", "0"}});
    } else if (cmd == "audit") {
      json calls = json::array();
      for (int layer = 0; layer < kLayers; ++layer)
        calls.push_back({{"step", step_}, {"layer", layer}, {"total", {0.1, 0.2}}, {"skipping", {0.1, 0.1}}});
      Say("audit", {{"step", step_}, {"calls", calls}});
    } else if (cmd == "pause") {
      paused_ = true;
      Say("paused");
    } else if (cmd == "cancel") {
      Say("failed", {{"status", "cancelled"}, {"error", {{"cause", "cancelled"}, {"message", "cancelled"}}}});
      job_ = nullptr;
    }
  }

  void Step() {
    if (step_ == kSteps / 2 && job_["settings"].value("prompt", "") == "crash") _exit(3);
    const std::string folder = job_.value("maps", "");
    json layers = json::array(), maps = json::array();
    const uint8_t map[kHeads * 4] = {1, 0, 1, 1, 1, 1, 0, 1};
    for (int layer = 0; layer < kLayers; ++layer) {
      layers.push_back({{"layer", layer},
                        {"kind", "self"},
                        {"pass", "cond"},
                        {"visible_blocks", {4, 4}},
                        {"kept_blocks", {3, 3}},
                        {"pv_tiles", {6, 6}},
                        {"pv_skipped", {1, 0}},
                        {"ms", 1.0}});
      const std::string path =
          folder + "/s" + std::to_string(step_) + "_l" + std::to_string(layer) + "_cond.safetensors";
      pipeline::WriteTensors(path, {{"block_map", pipeline::DType::kU8, {1, kHeads, 2, 2}, map}}, {{"mode", "sparge"}});
      maps.push_back({{"layer", layer}, {"pass", "cond"}, {"path", path}});
    }
    Say("progress", {{"stage", "denoise"}, {"step", step_ + 1}, {"total", kSteps}, {"s_per_step", kStepMs / 1e3}});
    Say("stats", {{"step", step_},
                  {"sparsity", 0.3},
                  {"seconds", kStepMs / 1e3},
                  {"attention_seconds", kStepMs / 2e3},
                  {"kernels", {{"fake", kLayers * (step_ + 1)}}},
                  {"fallbacks", json::array()},
                  {"layers", layers},
                  {"maps", maps}});
    const std::string preview = folder + "/preview.rgb", aside = preview + ".new";
    std::ofstream(aside, std::ios::binary) << std::string(3 * 16 * 8 * 3, static_cast<char>(step_));
    std::filesystem::rename(aside, preview);
    Say("preview",
        {{"step", step_}, {"path", preview}, {"width", 16}, {"height", 8}, {"frames", 3}, {"format", "rgb24"}});
    if (++step_ < kSteps) return;
    Say("done", {{"seconds", 0.1}, {"hash", "0"}});
    job_ = nullptr;
  }

  std::string text_;
  json job_;  // null: none
  int step_ = 0;
  bool paused_ = false;
};

}  // namespace

int main() {
  Worker().Run();
  return 0;
}
