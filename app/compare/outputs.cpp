#include "app/compare/outputs.h"

#include <cmath>
#include <filesystem>
#include <memory>
#include <numbers>
#include <set>

#include "app/compare/report.h"
#include "app/settings/layers.h"
#include "app/settings/text.h"
#include "attention/base/atomic_file.h"
#include "attention/base/error.h"
#include "pipeline/media/media.h"
#include "pipeline/media/png.h"
#include "pipeline/media/video_writer.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;
using pipeline::Stage;

constexpr char kSideBySide[] = "side_by_side.mp4", kSheet[] = "contact_sheet.png", kCsv[] = "metrics.csv",
               kJson[] = "metrics.json", kReport[] = "report.html";

pipeline::VideoOptions VideoOptionsFor(const Alignment& alignment) {
  pipeline::VideoOptions options;
  options.fps = alignment.fps;
  options.crf = 14;  // labels and small differences must stay readable
  options.preset = "veryfast";
  return options;
}

// A part of a file name out of a source's name: letters of any script, digits, '.', '_' and '-' stay.
std::string FilePart(const std::string& name) {
  constexpr size_t kMaxBytes = 80;
  std::string part;
  for (char c : StemOf(name)) {
    const bool stays =
        (c & 0x80) != 0 || std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
    part += stays ? c : '_';
  }
  return std::string(CutUTF8(part, kMaxBytes));
}

// The middle first, then to the right and back: once in at most four seconds.
double MovingWipe(int64_t t, const Alignment& alignment) {
  const double length_s = static_cast<double>(alignment.num_frames) / alignment.fps;
  const double period_s = std::clamp(length_s, 1.0, 4.0);
  return 0.5 + 0.5 * std::sin(2 * std::numbers::pi * static_cast<double>(t) / alignment.fps / period_s);
}

std::vector<float> Floats(const Canvas& canvas) {
  std::vector<float> rgb(canvas.rgb.size());
  for (size_t i = 0; i < rgb.size(); ++i) rgb[i] = static_cast<float>(canvas.rgb[i]) / 255.0f;
  return rgb;
}

// A video of the comparison: its size is that of its first frame.
class Video {
 public:
  Video(base::AtomicFileSet& files, const std::string& path, const Alignment& alignment,
        const pipeline::Progress& progress)
      : files_(files), path_(path), options_(VideoOptionsFor(alignment)), progress_(progress) {}

  void Add(const Canvas& frame) {
    if (writer_ == nullptr) {
      writer_ = std::make_unique<pipeline::VideoWriter>(files_.Add(path_), options_, frame.height_px, frame.width_px,
                                                        progress_);
    }
    writer_->Add(Floats(frame).data());
  }
  void Finish() {
    writer_->Finish();
    writer_.reset();
  }

 private:
  base::AtomicFileSet& files_;
  std::string path_;
  pipeline::VideoOptions options_;
  const pipeline::Progress& progress_;
  std::unique_ptr<pipeline::VideoWriter> writer_;
};

bool AnyDetails(const CompareResult& prepared) {
  return std::any_of(prepared.labels.begin(), prepared.labels.end(),
                     [](const SourceLabel& label) { return !label.details.empty(); });
}

std::string FrameText(const Alignment& alignment, int64_t t) {
  return base::StrCat("frame ", t, " of ", alignment.num_frames, ", ", Fixed(static_cast<double>(t) / alignment.fps, 2),
                      " s");
}

}  // namespace

OutputWriter::OutputWriter(const CompareRequest& request, const CompareResult& prepared)
    : options_(request.pictures),
      wanted_(request.wanted),
      folder_(request.folder.ends_with('/') ? request.folder : request.folder + "/"),
      composer_(prepared.alignment.height_px, prepared.alignment.width_px, request.pictures.zoom,
                AnyDetails(prepared)) {
  const size_t num_others = prepared.sources.size() - 1;
  std::set<std::string> used;
  for (size_t i = 1; i <= num_others; ++i) {
    std::string part = num_others == 1 ? "" : "_" + FilePart(prepared.sources[i].name);
    if (!used.insert(part).second) part += "_" + LetterOf(i);
    wipes_.push_back("wipe" + part + ".mp4");
    differences_.push_back("difference" + part + ".mp4");
  }
  const auto add = [&](bool wanted, const std::vector<std::string>& names) {
    if (wanted) names_.insert(names_.end(), names.begin(), names.end());
  };
  add(wanted_.side_by_side, {kSideBySide});
  add(wanted_.wipe, wipes_);
  add(wanted_.difference, differences_);
  add(wanted_.sheet, {kSheet});
  add(wanted_.numbers, {kCsv, kJson});
  add(wanted_.report, {kReport});

  ErrorList errors;
  const Alignment& alignment = prepared.alignment;
  const std::vector<Panel> panels(prepared.sources.size());
  errors.Try([&] {
    std::vector<Panel> sized = panels;
    for (Panel& panel : sized) panel.picture = Canvas(1, 1);
    const Canvas grid = composer_.Grid(sized);
    pipeline::ValidateOutput(PathOf(kSideBySide), VideoOptionsFor(alignment), alignment.num_frames, grid.height_px,
                             grid.width_px);
  });
  for (const std::string& name : names_) {
    if (!errors.empty()) break;  // the others would say the same
    errors.Try([&] {
      const std::string path = PathOf(name);
      base::CheckOutputPath(path);
      std::error_code error;
      base::Check(request.overwrite || !fs::exists(path, error), ErrorCode::kInvalidInput, path,
                  " exists already: choose another folder, or replace it with --overwrite");
      for (const SourceInfo& source : prepared.sources) {
        for (const std::string& input : {source.path, source.frames_path}) {
          base::Check(input.empty() || !fs::equivalent(path, input, error), ErrorCode::kInvalidInput, path,
                      " would replace a file that is compared; choose another folder");
        }
      }
    });
  }
  errors.ThrowIfAny();
}

double OutputWriter::GainOf(const CompareResult& result, size_t other) const {
  return options_.gain > 0 ? options_.gain : result.others[other].gain;
}

Canvas OutputWriter::Difference(const Canvas& a, const Canvas& b, double gain) const {
  return options_.difference == DifferenceKind::kSigned ? SignedDifference(a, b, gain) : AbsoluteDifference(a, b, gain);
}

std::vector<Panel> OutputWriter::Panels(const CompareResult& result, const std::vector<Canvas>& frames,
                                        int64_t t) const {
  std::vector<Panel> panels;
  for (size_t i = 0; i < frames.size(); ++i) {
    const SourceLabel& label = result.labels[i];
    Panel panel{frames[i], label.letter, label.title, label.details, FrameText(result.alignment, t)};
    if (i > 0) {
      const FrameMetrics& metrics = result.others[i - 1].frames[static_cast<size_t>(t)];
      panel.note = MetricsText(PSNROf(metrics.mse), metrics.ssim);
    }
    panels.push_back(std::move(panel));
  }
  return panels;
}

Canvas OutputWriter::WipeFrame(const std::vector<Panel>& panels, size_t other, const CompareResult& result,
                               int64_t t) const {
  const double position = options_.wipe ? *options_.wipe : MovingWipe(t, result.alignment);
  const Canvas picture = Wipe(Enlarged(panels[0].picture, composer_.zoom()),
                              Enlarged(panels[other + 1].picture, composer_.zoom()), position);
  return composer_.Pair(picture, panels[0], panels[other + 1]);
}

Canvas OutputWriter::DifferenceFrame(const std::vector<Panel>& panels, size_t other,
                                     const CompareResult& result) const {
  const double gain = GainOf(result, other);
  const Panel &reference = panels[0], &panel = panels[other + 1];
  const bool is_signed = options_.difference == DifferenceKind::kSigned;
  const Canvas picture = Enlarged(Difference(reference.picture, panel.picture, gain), composer_.zoom());
  Panel left = panel, right;
  left.letter =
      is_signed ? panel.letter + " − " + reference.letter : "|" + panel.letter + " − " + reference.letter + "|";
  right.title = "× " + ShortestNumber(gain);
  right.details = is_signed ? "grey: equal" : "black: equal";
  right.note = "frame" + panels[0].note.substr(5);
  return composer_.Pair(picture, left, right);
}

void OutputWriter::Write(CompareResult& result, pipeline::Progress& progress) {
  const Alignment& alignment = result.alignment;
  const size_t num_others = result.others.size();
  progress.Update(Stage::kWrite, 0, alignment.num_frames);

  base::AtomicFileSet files;
  std::vector<Video> side_by_side, wipes, differences;  // without what is not wanted
  std::vector<AlignedStream> streams;
  if (wanted_.side_by_side) side_by_side.emplace_back(files, PathOf(kSideBySide), alignment, progress);
  for (size_t i = 0; i < num_others; ++i) {
    if (wanted_.wipe) wipes.emplace_back(files, PathOf(wipes_[i]), alignment, progress);
    if (wanted_.difference) differences.emplace_back(files, PathOf(differences_[i]), alignment, progress);
  }
  for (size_t i = 0; i < result.sources.size(); ++i) {
    streams.emplace_back(result.sources[i].path, alignment.tracks[i], alignment);
  }
  std::vector<SheetRow> rows(result.sources.size() + num_others);
  std::vector<std::string> columns;
  const std::vector<int64_t> sheet_frames = EvenlySpaced(alignment.num_frames, options_.columns);

  for (int64_t t = 0; t < alignment.num_frames; ++t) {
    progress.ThrowIfCancelled();
    std::vector<Canvas> frames;
    for (AlignedStream& stream : streams) frames.push_back(ToCanvas(stream.Next()));
    const std::vector<Panel> panels = Panels(result, frames, t);
    for (Video& video : side_by_side) video.Add(composer_.Grid(panels));
    for (size_t i = 0; i < wipes.size(); ++i) wipes[i].Add(WipeFrame(panels, i, result, t));
    for (size_t i = 0; i < differences.size(); ++i) differences[i].Add(DifferenceFrame(panels, i, result));
    if (std::find(sheet_frames.begin(), sheet_frames.end(), t) != sheet_frames.end()) {
      columns.push_back(FrameText(alignment, t));
      for (size_t i = 0; i < frames.size(); ++i) {
        rows[i].pictures.push_back(frames[i]);
        if (i > 0) {
          rows[num_others + i].pictures.push_back(Difference(frames[0], frames[i], GainOf(result, i - 1)));
        }
      }
    }
    if (t + 1 < alignment.num_frames) progress.Update(Stage::kWrite, t + 1, alignment.num_frames);
  }
  for (std::vector<Video>* videos : {&side_by_side, &wipes, &differences}) {
    for (Video& video : *videos) video.Finish();
  }

  for (size_t i = 0; i < result.sources.size(); ++i) {
    const SourceLabel& label = result.labels[i];
    rows[i].letter = label.letter;
    rows[i].title = label.title;
    rows[i].details = label.details;
    if (i == 0) continue;
    const MetricsSummary& summary = result.others[i - 1].summary;
    rows[i].details += (label.details.empty() ? "" : "   ") + MetricsText(summary.psnr, summary.ssim_mean);
    SheetRow& difference = rows[num_others + i];
    const bool is_signed = options_.difference == DifferenceKind::kSigned;
    difference.letter = is_signed ? label.letter + " − A" : "|" + label.letter + " − A|";
    difference.title = "× " + ShortestNumber(GainOf(result, i - 1));
    difference.details = is_signed ? "grey: equal" : "black: equal";
  }
  const Canvas sheet = ContactSheet(rows, columns);
  const std::string png = pipeline::EncodePng(sheet.rgb.data(), sheet.height_px, sheet.width_px, "");
  progress.ThrowIfCancelled();
  for (const std::string& name : names_) result.files.push_back(PathOf(name));
  if (wanted_.sheet) files.Add(PathOf(kSheet)).Write(png);
  if (wanted_.numbers) files.Add(PathOf(kCsv)).Write(MetricsCSV(result));
  if (wanted_.numbers) files.Add(PathOf(kJson)).Write(MetricsJSON(result));
  if (wanted_.report) files.Add(PathOf(kReport)).Write(ReportHTML(result, png, names_));
  progress.ThrowIfCancelled();
  files.Commit();
  progress.Update(Stage::kWrite, alignment.num_frames, alignment.num_frames);
}

}  // namespace app
