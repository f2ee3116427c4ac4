#include "app/gui/compare_export.h"

#include <filesystem>
#include <new>

#include "app/gui/low_priority.h"
#include "attention/base/atomic_file.h"
#include "attention/base/error.h"
#include "pipeline/media/png.h"

namespace app {

namespace fs = std::filesystem;

class CompareExporter::Watch final : public pipeline::Progress {
 public:
  Watch(std::mutex& mutex, State& state, const std::function<void()>& wake)
      : mutex_(mutex), state_(state), wake_(wake) {}

  void Update(pipeline::Stage stage, int64_t done, int64_t total) override {
    {
      const std::lock_guard lock(mutex_);
      state_.stage = pipeline::StageName(stage);
      state_.fraction = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 0;
    }
    wake_();
  }

 private:
  std::mutex& mutex_;
  State& state_;
  const std::function<void()>& wake_;
};

CompareExporter::CompareExporter(std::function<void()> wake) : wake_(std::move(wake)) {}

CompareExporter::~CompareExporter() {
  Cancel();
  if (thread_.joinable()) thread_.join();
}

void CompareExporter::Cancel() {
  const std::lock_guard lock(mutex_);
  if (watch_) watch_->Cancel();
}

CompareExporter::State CompareExporter::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

std::optional<CompareExporter::Ended> CompareExporter::TakeEnded() {
  const std::lock_guard lock(mutex_);
  return std::exchange(ended_, std::nullopt);
}

void CompareExporter::Start(CompareRequest request, std::vector<StillPicture> pictures) {
  if (state().running) return;
  if (thread_.joinable()) thread_.join();
  auto watch = std::make_shared<Watch>(mutex_, state_, wake_);
  {
    const std::lock_guard lock(mutex_);
    state_ = {true, "starting", 0};
    watch_ = watch;
  }
  thread_ = std::thread([this, watch, request = std::move(request), pictures = std::move(pictures)] {
    LowerThreadPriority();
    Ended ended = Work(request, pictures, *watch);
    {
      const std::lock_guard lock(mutex_);
      state_ = {};
      ended_ = std::move(ended);
    }
    wake_();
  });
}

CompareExporter::Ended CompareExporter::Work(const CompareRequest& request, const std::vector<StillPicture>& pictures,
                                             Watch& watch) {
  Ended ended;
  const Wanted& wanted = request.wanted;
  const bool any = wanted.side_by_side || wanted.wipe || wanted.difference || wanted.sheet || wanted.numbers;
  try {
    if (any) ended.files = Compare(request, watch).files;
    for (const StillPicture& picture : pictures) {
      watch.ThrowIfCancelled();
      const std::string path = request.folder + "/" + picture.name;
      base::CheckOutputPath(path);
      base::AtomicFile file(path);
      file.Write(pipeline::EncodePng(picture.image.rgb->data(), picture.image.height_px, picture.image.width_px, ""));
      file.Commit();
      ended.files.push_back(path);
    }
  } catch (const base::Error& error) {
    if (!watch.Cancelled()) ended.error = error.what();
  } catch (const std::bad_alloc&) {
    ended.error = "no memory to export this comparison";
  }
  return ended;
}

std::string FreshFolder(const std::string& wanted) {
  std::error_code error;
  std::string folder = wanted;
  for (int i = 2; fs::exists(folder, error); ++i) folder = wanted + "_" + std::to_string(i);
  return folder;
}

}  // namespace app
