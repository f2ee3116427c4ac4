#include "app/gui/compare_desk.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "app/gui/compare_facts.h"
#include "app/settings/value.h"
#include "attention/base/error.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using ui::Level;

constexpr double kGainUntilKnown = 4;

std::string Absolute(const std::string& path) { return fs::absolute(path).lexically_normal().string(); }

}  // namespace

CompareDesk::CompareDesk(DeskOptions options)
    : options_(std::move(options)),
      frames_(options_.wake, options_.cap_bytes),
      differences_(options_.wake),
      meter_(options_.wake),
      exporter_(options_.wake) {
  view_.memory_cap_bytes = frames_.cap();
}

void CompareDesk::Handle(const ui::CompareCommand& command) {
  changed_ = true;
  const auto visitor = [this](const auto& c) {
    using T = std::decay_t<decltype(c)>;
    if constexpr (std::is_same_v<T, ui::CompareOpen>) {
      Open(c.paths);
    } else if constexpr (std::is_same_v<T, ui::CompareAdd>) {
      std::vector<std::string> paths = paths_;
      paths.push_back(c.path);
      if (c.dropped && paths.size() == 1)
        options_.notify(Level::kInfo, "In Compare: " + fs::path(c.path).filename().string(),
                        "Drop another clip there, and both are shown.");
      Open(std::move(paths));
    } else if constexpr (std::is_same_v<T, ui::CompareRemove>) {
      std::vector<std::string> paths = paths_;
      if (c.clip < paths.size()) paths.erase(paths.begin() + static_cast<std::ptrdiff_t>(c.clip));
      Open(std::move(paths));
    } else if constexpr (std::is_same_v<T, ui::CompareReference>) {
      std::vector<std::string> paths = paths_;
      if (c.clip < paths.size())
        std::rotate(paths.begin(), paths.begin() + static_cast<std::ptrdiff_t>(c.clip),
                    paths.begin() + static_cast<std::ptrdiff_t>(c.clip) + 1);
      Open(std::move(paths));
    } else if constexpr (std::is_same_v<T, ui::CompareLook>) {
      look_ = c;
    } else if constexpr (std::is_same_v<T, ui::CompareShift>) {
      if (c.clip < 1 || c.clip >= compared_.sources.size()) return;
      const std::map<size_t, int64_t> before = shift_;
      shift_[c.clip] += c.frames;
      if (Align()) return;
      shift_ = before;
      Align();
    } else if constexpr (std::is_same_v<T, ui::CompareFrameByFrame>) {
      frame_by_frame_ = c.on;
      Align();
    } else if constexpr (std::is_same_v<T, ui::CompareRegion>) {
      region_ = {c.region.x, c.region.y, c.region.width_px, c.region.height_px};
      view_.region = c.region;
      if (compared_.sources.size() >= 2) meter_.Measure(compared_, region_);
    } else if constexpr (std::is_same_v<T, ui::CompareExport>) {
      Export(c);
    } else if constexpr (std::is_same_v<T, ui::CompareCancelExport>) {
      exporter_.Cancel();
    } else if constexpr (std::is_same_v<T, ui::ABXStart>) {
      StartABX(c);
    } else if constexpr (std::is_same_v<T, ui::ABXAnswer>) {
      Answer(c.x_is_a);
    } else if constexpr (std::is_same_v<T, ui::ABXStop>) {
      abx_.reset();
      view_.abx = {};
    }
  };
  std::visit(visitor, command);
}

void CompareDesk::Open(std::vector<std::string> paths) {
  for (std::string& path : paths) path = Absolute(path);
  if (paths.size() > ui::kMostClips) {
    options_.notify(Level::kWarning, base::StrCat("Up to ", ui::kMostClips, " clips are compared"),
                    "Remove one first (✕ beside its name). `sparge compare` takes 16.");
    paths.resize(ui::kMostClips);
  }
  paths_ = std::move(paths);
  compared_ = {};
  broken_.clear();
  shift_.clear();
  region_ = {};
  abx_.reset();
  heats_of_ = {0, 0};
  meter_.Forget();
  const ui::ExportView exporting = view_.exporting;
  view_ = {};
  view_.exporting = exporting;
  view_.memory_cap_bytes = frames_.cap();
  opening_ = !paths_.empty();
  if (opening_) view_.note = "Reading";
  frames_.Open(paths_);
}

void CompareDesk::TakeOpened() {
  auto opened = frames_.TakeOpened();
  if (!opened) return;
  changed_ = true;
  opening_ = false;
  view_.note.clear();
  compared_ = {};
  std::vector<std::string> paths;
  broken_.clear();
  for (size_t i = 0; i < opened->sources.size(); ++i) {
    if (!opened->errors[i].empty()) {
      options_.notify(Level::kError, opened->errors[i], "The other clips are compared without it.");
      continue;
    }
    paths.push_back(paths_[i]);
    compared_.sources.push_back(std::move(opened->sources[i]));
    broken_.emplace_back();
    if (!opened->breaks[i].empty()) SayBroken(compared_.sources.size() - 1, opened->breaks[i]);
  }
  paths_ = std::move(paths);
  if (!compared_.sources.empty()) Align();
}

void CompareDesk::SayBroken(size_t source, const std::string& error) {
  const SourceInfo& info = compared_.sources[source];
  broken_[source] = base::StrCat(LetterOf(source), " breaks after ", info.num_frames, " frames: ", error);
  options_.notify(
      Level::kWarning, info.path + ": " + broken_[source],
      info.num_frames > 0 ? "What comes before that is compared." : "The other clips are compared without it.");
}

void CompareDesk::TakeBreaks() {
  bool any = false;
  for (size_t i = 0; i < compared_.sources.size(); ++i) {
    const CompareFrames::State state = frames_.state(i);
    if (state.in_memory != (i < view_.clips.size() ? view_.clips[i].frames_in_memory : 0)) {
      if (i < view_.clips.size()) view_.clips[i].frames_in_memory = state.in_memory;
      changed_ = true;
    }
    if (state.readable < 0 || state.readable >= compared_.sources[i].num_frames) continue;
    compared_.sources[i].num_frames = state.readable;
    SayBroken(i, state.error);
    any = true;
  }
  if (!any) return;
  for (size_t i = compared_.sources.size(); i-- > 0;) {
    if (compared_.sources[i].num_frames > 0) continue;
    std::vector<std::string> paths = paths_;
    paths.erase(paths.begin() + static_cast<std::ptrdiff_t>(i));
    return Open(std::move(paths));
  }
  Align();
}

// Puts all on one clock; false where no frame is left that all have.
bool CompareDesk::Align() {
  changed_ = true;
  AlignOptions options;
  options.size = AlignOptions::Size::kReference;
  options.rate = frame_by_frame_ ? AlignOptions::Rate::kFrames : AlignOptions::Rate::kReference;
  options.shortest = true;
  for (const auto& [source, frames] : shift_) {
    if (frames != 0) options.shift[source] = frames;
  }
  std::vector<SourceInfo>& sources = compared_.sources;
  try {
    NameSources(sources);
    compared_.options = options;
    if (sources.size() >= 2) {
      compared_.alignment = app::Align(sources, options);
    } else {
      compared_.alignment = {sources[0].width_px,    sources[0].height_px,
                             sources[0].num_frames,  sources[0].fps > 0 ? sources[0].fps : 16,
                             ResizeFilter::kBicubic, {Track{}}};
    }
  } catch (const base::Error& error) {
    options_.notify(Level::kWarning, error.what(), "The shift stays as it was.");
    return false;
  }
  compared_.labels = LabelsOf(sources);
  Describe();
  if (sources.size() >= 2) meter_.Measure(compared_, region_);
  return true;
}

void CompareDesk::Describe() {
  const Alignment& clock = compared_.alignment;
  view_.clips.resize(compared_.sources.size());
  view_.rates_differ = false;
  for (size_t i = 0; i < compared_.sources.size(); ++i) {
    DescribeClip(compared_, i, view_.clips[i]);
    const auto shift = shift_.find(i);
    view_.clips[i].shift = shift == shift_.end() ? 0 : shift->second;
    const double fps = compared_.sources[i].fps;
    view_.rates_differ |= fps > 0 && std::fabs(fps - clock.fps) > 5e-4 * clock.fps;
  }
  view_.width_px = static_cast<int>(clock.width_px);
  view_.height_px = static_cast<int>(clock.height_px);
  view_.num_frames = clock.num_frames;
  view_.fps = clock.fps;
  view_.frame_by_frame = frame_by_frame_;
  view_.remarks = compared_.sources.size() >= 2 ? RemarksOf(compared_) : std::vector<std::string>{};
  for (const std::string& text : broken_) {
    if (!text.empty()) view_.remarks.push_back(text);
  }
  view_.differing.clear();
  for (const DifferingSetting& setting : DifferingSettings(compared_.sources))
    view_.differing.emplace_back(setting.key, setting.values);
  view_.speeds = SpeedsOf(compared_);
  view_.auto_gain = 0;
  heats_of_ = {0, 0};
}

int64_t CompareDesk::FrameOf(size_t source, int64_t t) const {
  const Track& track = compared_.alignment.tracks[source];
  const int64_t count = compared_.sources[source].num_frames;
  if (!track.by_time) return SourceFrameAt(track, compared_.alignment.fps, t, {}, count);
  return SourceFrameAt(track, compared_.alignment.fps, t, frames_.state(source).times_s, count);
}

// All pictures of the frame that is asked for, or everything stays as it is.
void CompareDesk::Show() {
  const size_t count = compared_.sources.size();
  if (count == 0 || opening_) return;
  const int64_t t = std::clamp<int64_t>(look_.frame, 0, std::max<int64_t>(compared_.alignment.num_frames - 1, 0));
  std::vector<int64_t> wanted;
  for (size_t i = 0; i < count; ++i) wanted.push_back(FrameOf(i, t));
  frames_.Want(wanted, look_.direction < 0 ? -1 : 1);
  std::vector<ui::Image> images;
  for (size_t i = 0; i < count; ++i) {
    if (const auto frame = frames_.Get(i, wanted[i])) images.push_back(frame->image);
  }
  bool ready = images.size() == count;
  const size_t left = std::min(look_.left, count - 1), right = std::min(look_.right, count - 1);
  const double gain = look_.gain > 0 ? look_.gain : view_.auto_gain > 0 ? view_.auto_gain : kGainUntilKnown;
  std::optional<ui::Image> difference;
  if (ready && look_.difference && count >= 2) {
    difference = differences_.Get({images[left], images[right], look_.mode, gain});
    ready = difference.has_value();
  }
  const auto set = [&](auto& value, const auto& now) {
    if (value == now) return;
    value = now;
    changed_ = true;
  };
  set(view_.waiting, !ready);
  if (!ready) return;
  for (size_t i = 0; i < count; ++i) {
    if (view_.clips[i].frame.id == images[i].id) continue;
    view_.clips[i].frame = images[i];
    changed_ = true;
  }
  set(view_.shown_frame, t);
  if (difference && difference->id != view_.difference.id) {
    view_.difference = *difference;
    changed_ = true;
  }
  const auto [low, high] = LegendOf(look_.mode, gain);
  set(view_.legend_low, low);
  set(view_.legend_high, high);
  if (abx_) {
    const ui::Image& x = images[ClipOfX()];
    if (x.id != view_.abx.x_frame.id) {
      view_.abx.x_frame = x;
      changed_ = true;
    }
  }
  if (count >= 2 && heats_of_ != std::make_pair(left, right)) {
    heats_of_ = {left, right};
    view_.heats = HeatsOf(compared_, left, right, view_.heats_note);
    changed_ = true;
  }
}

void CompareDesk::TakeNumbers() {
  CompareMeter::Progress progress;
  if (!meter_.Take(progress)) return;
  changed_ = true;
  if (!progress.error.empty()) options_.notify(Level::kWarning, progress.error, "What was measured before that stays.");
  view_.measured = progress.total > 0 ? static_cast<double>(progress.done) / static_cast<double>(progress.total) : 0;
  view_.curves.clear();
  for (size_t i = 0; i < progress.others.size(); ++i) {
    ui::CompareCurves curves;
    curves.clip = i + 1;
    for (const FrameMetrics& frame : progress.others[i]) {
      curves.psnr_db.push_back(static_cast<float>(PSNROf(frame.mse)));
      curves.ssim.push_back(static_cast<float>(frame.ssim));
      curves.flicker.push_back(static_cast<float>(frame.flicker));
    }
    curves.done = i < progress.finished.size();
    curves.noise_floor = IsNoiseFloor(compared_, i + 1);
    const bool on_frames = PairOf(compared_.sources[0], compared_.sources[i + 1]).on_frames;
    curves.figures = FiguresOf(progress.others[i], on_frames, !region_.empty());
    curves.worst_frame = WorstFrame(progress.others[i]);
    if (i == 0) view_.measured_on = on_frames ? "frames before encoding" : "decoded files";
    view_.curves.push_back(std::move(curves));
  }
  const size_t right = std::max<size_t>(look_.right, 1) - 1;
  view_.auto_gain = right < progress.finished.size() ? progress.finished[right].gain : view_.auto_gain;
}

bool CompareDesk::Tick() {
  TakeOpened();
  TakeBreaks();
  TakeNumbers();
  Show();
  TakeExport();
  if (const uint64_t bytes = frames_.bytes(); bytes != view_.memory_bytes) {
    view_.memory_bytes = bytes;
    changed_ = true;
  }
  return std::exchange(changed_, false);
}

}  // namespace app
