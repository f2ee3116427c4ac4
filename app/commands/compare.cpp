#include "app/compare/compare.h"

#include <cstdio>

#include "app/commands/commands.h"
#include "app/commands/numbers.h"
#include "app/compare/report.h"
#include "app/console/errors.h"
#include "app/console/observer.h"
#include "app/console/signals.h"
#include "app/settings/help.h"

namespace app {
namespace {

using base::Check;
using base::ErrorCode;

constexpr CommandFlag kFlags[] = {
    {"--out", "DIR", "where the files go"},
    {"--size", "ref|smallest|WxH", "resize clips of another size: to the reference's, to the smallest, to this one"},
    {"--filter", "NAME", "how (bicubic)", "bicubic lanczos bilinear nearest"},
    {"--rate", "RULE",
     "clips of another rate: ref compares what is on screen at the reference's times, frames compares frame by frame",
     "ref frames"},
    {"--length", "shortest", "clips of another length: compare the frames that all have", "shortest"},
    {"--shift", "B:N[,C:N]",
     "frame N of clip B (the first other; C: the second) stands at the reference's frame 0; negative: B starts later"},
    {"--difference", "KIND",
     "what difference videos show: |other − reference|, or the sign too, around grey (absolute)", "absolute signed"},
    {"--gain", "auto|N", "how much brighter differences are drawn, more than 0 (auto: so that most can be seen)"},
    {"--wipe", "moving|X", "where the line of the wipe stands, 0 to 1 of the width (moving)"},
    {"--zoom", "auto|N", "enlarge pixels in the videos, 1 to 16 (auto: to 320 px where clips are smaller)"},
    {"--columns", "N", "frames a row of the contact sheet, 1 to 24 (6)"},
    {"--overwrite", "", "replace files that are there"},
    {"--progress", "STYLE", "how to show progress", "auto bar plain off"},
};

template <class Enum>
Enum OneOf(const std::string& text, std::initializer_list<std::pair<const char*, Enum>> values) {
  for (const auto& [name, value] : values) {
    if (text == name) return value;
  }
  base::Fail(ErrorCode::kInternal, "unexpected value ", Quoted(text));  // the parser knows the choices
}

void ReadSize(const std::string& text, AlignOptions& align) {
  constexpr int64_t kMaxSide = 16384;
  if (text == "ref" || text == "smallest") {
    align.size = text == "ref" ? AlignOptions::Size::kReference : AlignOptions::Size::kSmallest;
    return;
  }
  const std::vector<std::string> sides = Split(text, 'x');
  const int64_t width = ParseWhole<int64_t>(sides[0]).value_or(0);
  const int64_t height = sides.size() == 2 ? ParseWhole<int64_t>(sides[1]).value_or(0) : 0;
  Check(width >= 1 && width <= kMaxSide && height >= 1 && height <= kMaxSide, ErrorCode::kInvalidInput, "--size ",
        Quoted(text), ": expected ref, smallest or a size such as 832x480");
  align.size = AlignOptions::Size::kFixed;
  align.width_px = width;
  align.height_px = height;
}

void ReadShift(const std::string& text, AlignOptions& align) {
  constexpr int64_t kMost = 1000000;
  for (const std::string& part : Split(text, ',')) {
    const bool lettered = part.size() >= 3 && part[1] == ':' && part[0] >= 'B' && part[0] <= 'Z';
    const int64_t frames =
        lettered ? ParseWhole<int64_t>(part.substr(part[2] == '+' ? 3 : 2)).value_or(kMost + 1) : kMost + 1;
    Check(frames >= -kMost && frames <= kMost, ErrorCode::kInvalidInput, "--shift ", Quoted(part),
          ": expected the letter of a clip after the reference and a number of frames, such as B:3 or B:-2");
    align.shift[static_cast<size_t>(part[0] - 'A')] = frames;
  }
}

void ReadAlign(const ParsedFlags& flags, AlignOptions& align, ErrorList& errors) {
  if (const std::string* size = FlagText(flags, "--size")) errors.Try([&] { ReadSize(*size, align); });
  if (const std::string* shift = FlagText(flags, "--shift")) errors.Try([&] { ReadShift(*shift, align); });
  if (const std::string* filter = FlagText(flags, "--filter")) {
    align.filter = OneOf<ResizeFilter>(*filter, {{"bicubic", ResizeFilter::kBicubic},
                                                 {"lanczos", ResizeFilter::kLanczos},
                                                 {"bilinear", ResizeFilter::kBilinear},
                                                 {"nearest", ResizeFilter::kNearest}});
    if (!FlagText(flags, "--size")) errors.Add("--filter has no effect without --size");
  }
  if (const std::string* rate = FlagText(flags, "--rate")) {
    align.rate = OneOf<AlignOptions::Rate>(
        *rate, {{"ref", AlignOptions::Rate::kReference}, {"frames", AlignOptions::Rate::kFrames}});
  }
  align.shortest = FlagText(flags, "--length") != nullptr;
}

void ReadPictures(const ParsedFlags& flags, PictureOptions& pictures, ErrorList& errors) {
  if (const std::string* kind = FlagText(flags, "--difference")) {
    pictures.difference =
        OneOf<DifferenceKind>(*kind, {{"absolute", DifferenceKind::kAbsolute}, {"signed", DifferenceKind::kSigned}});
  }
  const auto number = [&](const char* name, const char* word, double min, double max) -> std::optional<double> {
    const std::string* text = FlagText(flags, name);
    if (!text || *text == word) return std::nullopt;
    const std::optional<double> value = ParseWhole<double>(*text);
    Check(value && *value >= min && *value <= max, ErrorCode::kInvalidInput, name, " ", Quoted(*text), ": expected ",
          word, " or a number from ", min, " to ", max);
    return value;
  };
  errors.Try([&] { pictures.gain = number("--gain", "auto", 0.01, 255).value_or(0); });
  errors.Try([&] { pictures.wipe = number("--wipe", "moving", 0, 1); });
  errors.Try([&] {
    const std::string* zoom = FlagText(flags, "--zoom");
    if (zoom && *zoom != "auto") pictures.zoom = IntOf("--zoom", *zoom, 1, 16);
  });
  errors.Try([&] { pictures.columns = IntFlag(flags, "--columns", pictures.columns, 1, 24); });
}

CompareRequest RequestOf(const ParsedFlags& flags, ErrorList& errors) {
  CompareRequest request;
  request.paths = flags.positionals;
  const size_t count = request.paths.size();
  if (count < 2 || count > kMaxSources) {
    errors.Add(base::StrCat("sparge compare takes a reference and 1 to ", kMaxSources - 1, " others, and got ", count,
                            count == 1 ? " file" : " files"));
  }
  const std::string* folder = FlagText(flags, "--out");
  if (folder && !folder->empty()) {
    request.folder = *folder;
  } else {
    errors.Add("no folder for the files: give one with --out");
  }
  ReadAlign(flags, request.align, errors);
  ReadPictures(flags, request.pictures, errors);
  request.overwrite = FlagText(flags, "--overwrite") != nullptr;
  return request;
}

}  // namespace

int RunCompare(const std::vector<std::string>& args) {
  ErrorList errors;
  const ParsedFlags flags = ParseFlags(args, kFlags, false, errors);
  if (flags.help) {
    std::fputs(CommandHelp("sparge compare REF OTHER [OTHER …] --out DIR [flags]",
                           "Measures clips against a reference (PSNR, SSIM, flicker, frame by frame) and writes "
                           "side_by_side.mp4, wipe.mp4,\ndifference.mp4 (one of each for every other clip), "
                           "contact_sheet.png, metrics.csv, metrics.json and report.html.\nClips are videos, images, "
                           "PNG frames (DIR/, NAME_%04d.png) and .safetensors files with `frames`; A is the "
                           "reference,\nB the first other. Clips of different sizes, rates or lengths are refused "
                           "unless a flag says how to align them.",
                           kFlags, false)
                   .c_str(),
               stdout);
    return kExitDone;
  }
  const CompareRequest request = RequestOf(flags, errors);
  errors.ThrowIfAny();
  const std::string* style = FlagText(flags, "--progress");
  ConsoleObserver observer(ProgressStyleOf(style ? *style : "auto"), nullptr);
  const CancelOnSignal cancel(observer);
  const CompareResult result = Compare(request, observer);
  for (const std::string& path : result.files) observer.Output(path);
  std::fputs(MetricsTable(result).c_str(), stdout);
  return kExitDone;
}

}  // namespace app
