#include "pipeline/attention_maps.h"

#include <ATen/core/Tensor.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <tuple>
#include <utility>

#include "attention/attention.h"
#include "attention/base/error.h"
#include "pipeline/weights/safetensors.h"

namespace pipeline {
namespace {

bool IsDenoising(const attention::AttentionContext& ctx) {
  return (ctx.kind == attention::Kind::kSelf || ctx.kind == attention::Kind::kJoint) && ctx.step >= 0;
}

std::string ModeOf(const attention::AttentionContext& ctx) {
  return ctx.options ? ctx.options->mode : attention::AttentionOptions().mode;
}

}  // namespace

// Keeps the maps of one step, on their device.
class AttentionMaps::Tap : public attention::CallTap {
 public:
  struct Call {
    at::Tensor map;
    std::string mode, kernel;
  };
  using Place = std::tuple<int, int, attention::Pass>;

  void Wants(const attention::AttentionContext& ctx, attention::CallResults& results) override {
    if (IsDenoising(ctx) && ModeOf(ctx) != "dense") results.want_block_map = true;
  }

  void Seen(const attention::SeenCall& call) override {
    if (!IsDenoising(call.ctx)) return;
    seen[{call.ctx.step, call.ctx.layer, call.ctx.pass}] = {call.results.block_map, ModeOf(call.ctx),
                                                            call.results.kernel};
  }

  std::map<Place, Call> seen;  // a step that runs again replaces what it did before
};

AttentionMaps::AttentionMaps(std::string folder, int64_t most_bytes)
    : tap_(std::make_unique<Tap>()), folder_(std::move(folder)), most_bytes_(most_bytes) {}
AttentionMaps::~AttentionMaps() = default;
attention::CallTap* AttentionMaps::tap() { return tap_.get(); }

std::vector<AttentionMaps::Written> AttentionMaps::Write(int64_t step) {
  std::vector<Written> written;
  const auto seen = std::exchange(tap_->seen, {});
  if (!error_.empty()) return written;
  try {
    std::filesystem::create_directories(folder_);
    for (const auto& [place, call] : seen) {
      const auto [call_step, layer, pass] = place;
      if (call_step != step) continue;
      std::vector<TensorData> tensors;
      at::Tensor map;
      if (call.map.defined()) {
        map = call.map.to(at::kCPU).contiguous();
        tensors.push_back({"block_map", DType::kU8, map.sizes().vec(), map.const_data_ptr()});
      }
      constexpr int64_t kHeader = 512;  // and more than that
      const int64_t bytes = kHeader + (map.defined() ? map.numel() : 0);
      size_t gone = 0;
      while (bytes_ + bytes > most_bytes_ && gone < files_.size() && files_[gone].step < step) {
        unlink(files_[gone].path.c_str());
        bytes_ -= files_[gone++].bytes;
      }
      files_.erase(files_.begin(), files_.begin() + static_cast<std::ptrdiff_t>(gone));
      if (bytes_ + bytes > most_bytes_) continue;
      const std::string path =
          base::StrCat(folder_, "/s", call_step, "_l", layer, "_", attention::PassName(pass), ".safetensors");
      WriteTensorsUnsynced(path, std::move(tensors), {{"mode", call.mode}, {"kernel", call.kernel}});
      files_.push_back({call_step, path, bytes});
      bytes_ += bytes;
      written.push_back({call_step, layer, pass, path});
    }
  } catch (const base::Error& error) {
    error_ = error.what();
  } catch (const std::filesystem::filesystem_error& error) {
    error_ = base::StrCat("cannot make the folder ", folder_, ": ", error.code().message());
  }
  return written;
}

}  // namespace pipeline
