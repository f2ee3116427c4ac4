#include <algorithm>
#include <ctime>
#include <filesystem>
#include <random>

#include "app/gui/compare_desk.h"
#include "attention/base/atomic_file.h"
#include "attention/base/error.h"

// What leaves the workspace Compare: exports and blind tests.
namespace app {
namespace {

namespace fs = std::filesystem;
using ui::Level;

std::string Now() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char text[40];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H-%M-%S", &local);
  return text;
}

}  // namespace

// ---- Exports

void CompareDesk::Export(const ui::CompareExport& wanted) {
  if (compared_.sources.size() < 2 || exporter_.state().running) return;
  const fs::path first(paths_[0]);
  CompareRequest request;
  request.paths = paths_;
  request.folder = FreshFolder(wanted.folder.empty() ? (first.parent_path() / "comparison").string()
                                                     : fs::absolute(wanted.folder).lexically_normal().string());
  request.align = compared_.options;
  request.wanted = {wanted.side_by_side, wanted.wipe, wanted.difference, wanted.report, wanted.numbers, wanted.report};
  if (wanted.wipe_position >= 0) request.pictures.wipe = std::min(wanted.wipe_position, 1.0);
  std::vector<StillPicture> pictures;
  for (size_t i = 0; wanted.pictures && i < view_.clips.size(); ++i) {
    if (!view_.clips[i].frame.rgb) continue;
    std::string number = std::to_string(view_.shown_frame);
    number.insert(0, number.size() < 4 ? 4 - number.size() : 0, '0');
    pictures.push_back({"frame_" + number + "_" + LetterOf(i) + ".png", view_.clips[i].frame});
  }
  exporter_.Start(std::move(request), std::move(pictures));
}

void CompareDesk::TakeExport() {
  const CompareExporter::State state = exporter_.state();
  if (state.running != view_.exporting.running || state.fraction != view_.exporting.fraction ||
      state.stage != view_.exporting.stage) {
    view_.exporting.running = state.running;
    view_.exporting.stage = state.stage;
    view_.exporting.fraction = state.fraction;
    changed_ = true;
  }
  const auto ended = exporter_.TakeEnded();
  if (!ended) return;
  changed_ = true;
  view_.exporting.files = ended->files;
  if (!ended->error.empty()) {
    options_.notify(Level::kError, "Not exported: " + ended->error, "Nothing is left of it.");
  } else if (!ended->files.empty()) {
    options_.notify(
        Level::kInfo,
        base::StrCat("Exported ", ended->files.size(), ended->files.size() == 1 ? " file to " : " files to ",
                     fs::path(ended->files[0]).parent_path().string()),
        "");
  }
}

// ---- ABX

void CompareDesk::StartABX(const ui::ABXStart& start) {
  const size_t count = compared_.sources.size();
  if (count < 2 || start.left >= count || start.right >= count || start.left == start.right) return;
  std::random_device random;
  abx_.emplace(start.num_trials, (static_cast<uint64_t>(random()) << 32) ^ random());
  abx_left_ = start.left;
  abx_right_ = start.right;
  view_.abx = {};
  view_.abx.running = true;
  view_.abx.num_trials = abx_->trials();
}

size_t CompareDesk::ClipOfX() const { return abx_->x_is_a() ? abx_left_ : abx_right_; }

void CompareDesk::Answer(bool x_is_a) {
  if (!abx_ || abx_->finished()) return;
  abx_->Answer(x_is_a);
  view_.abx.trial = abx_->trial();
  if (!abx_->finished()) return;
  view_.abx.running = false;
  view_.abx.finished = true;
  view_.abx.correct = abx_->correct();
  view_.abx.p_value = abx_->p_value();
  SaveABX();
}

void CompareDesk::SaveABX() {
  if (options_.folder.empty()) return;
  const auto clip = [&](size_t i) {
    const SourceInfo& source = compared_.sources[i];
    const nlohmann::json hash =
        source.provenance.hash.empty() ? nlohmann::json() : nlohmann::json(source.provenance.hash);
    return nlohmann::json{{"path", source.path}, {"label", compared_.labels[i].title}, {"hash", hash}};
  };
  const std::string now = Now();
  try {
    std::error_code error;
    std::string path = options_.folder + "/abx/" + now + ".json";
    for (int i = 2; fs::exists(path, error); ++i)
      path = options_.folder + "/abx/" + now + "_" + std::to_string(i) + ".json";
    base::AtomicFile file(path);
    file.Write(abx_->Record(clip(abx_left_), clip(abx_right_), now)
                   .dump(2, ' ', false, nlohmann::json::error_handler_t::replace) +
               "\n");
    file.Commit();
    view_.abx.saved_path = path;
  } catch (const base::Error& error) {
    options_.notify(Level::kError, std::string("The blind test could not be saved: ") + error.what(), "");
  }
}

}  // namespace app
