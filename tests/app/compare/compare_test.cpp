#include "app/compare/compare.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "app/compare/report.h"
#include "app/settings/text.h"
#include "pipeline/weights/safetensors.h"
#include "tests/app/compare/support.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Counts what is reported, and cancels when it is told to.
class Watcher : public pipeline::Progress {
 public:
  explicit Watcher(int64_t cancel_at = -1) : cancel_at_(cancel_at) {}
  void Update(pipeline::Stage stage, int64_t done, int64_t total) override {
    last = {stage, done, total};
    if (++updates == cancel_at_) Cancel();
  }
  int64_t updates = 0;
  std::tuple<pipeline::Stage, int64_t, int64_t> last;

 private:
  int64_t cancel_at_;
};

class CompareFiles : public TempFolderTest {
 protected:
  void Source(const std::string& name, const std::string& filter = "null", const std::string& size = "97x61",
              const std::string& seconds = "0.5") {
    Ffmpeg({"-f", "lavfi", "-i", "testsrc2=size=" + size + ":rate=16:duration=" + seconds, "-vf", filter, "-pix_fmt",
            "gbrp", "-c:v", "ffv1", Path(name)});
  }
  CompareResult Run(std::vector<std::string> names, CompareRequest request = {}) {
    for (const std::string& name : names) request.paths.push_back(Path(name));
    if (request.folder.empty()) request.folder = Path("out");
    return Compare(request, watcher_);
  }
  json Metrics(const std::string& folder = "out") {
    return json::parse(media_test::ReadFile(Path(folder + "/metrics.json")));
  }
  // The first frame of a written video.
  Canvas FirstFrame(const std::string& name) {
    pipeline::FrameReader reader(Path(name));
    EXPECT_TRUE(reader.Next());
    Picture picture;
    picture.Resize(reader.info().height_px, reader.info().width_px);
    reader.Convert(picture.rgb.data());
    return ToCanvas(picture);
  }
  Watcher watcher_;
};

TEST_F(CompareFiles, OneOther) {
  Source("a.mkv");
  Source("b.mkv", "noise=alls=20:allf=t");
  const CompareResult result = Run({"a.mkv", "b.mkv"});
  EXPECT_EQ(media_test::NamesIn(Path("out")),
            (std::vector<std::string>{"contact_sheet.png", "difference.mp4", "metrics.csv", "metrics.json",
                                      "report.html", "side_by_side.mp4", "wipe.mp4"}));
  EXPECT_EQ(watcher_.last, std::tuple(pipeline::Stage::kWrite, int64_t{8}, int64_t{8}));
  const json metrics = Metrics();
  const json& other = metrics["others"][0];
  EXPECT_EQ(metrics["clock"]["frames"], 8);
  EXPECT_EQ(other["measured_on"], "decoded");
  EXPECT_EQ(other["aligned"], nullptr);
  EXPECT_EQ(other["per_frame"]["psnr"].size(), 8u);
  EXPECT_EQ(other["per_frame"]["flicker"][0], nullptr);
  EXPECT_NEAR(other["metrics"]["psnr"]["clip"], result.others[0].summary.psnr, 1e-9);
  EXPECT_EQ(other["metrics"]["identical"], false);
  const std::vector<std::string> lines = Split(Trim(media_test::ReadFile(Path("out/metrics.csv"))), '\n');
  ASSERT_EQ(lines.size(), 9u);
  EXPECT_EQ(lines[0], "other,frame,time_s,psnr_db,ssim,flicker,mse");
  const std::vector<std::string> cells = Split(lines[3], ',');
  ASSERT_EQ(cells.size(), 7u);
  EXPECT_EQ(cells[0] + cells[1] + cells[2], "b.mkv20.125000");
  EXPECT_NEAR(std::stod(cells[3]), other["per_frame"]["psnr"][2], 1e-9);
  for (const char* name : {"side_by_side.mp4", "wipe.mp4", "difference.mp4"}) {
    const auto probe = media_test::Probe(Path(std::string("out/") + name));
    EXPECT_EQ(probe.at("nb_read_frames"), "8") << name;
    EXPECT_EQ(probe.at("r_frame_rate"), "16/1") << name;
    EXPECT_EQ(probe.at("pix_fmt"), "yuv420p") << name;
  }
}

// What the pictures show, within what the encoder loses: grey clips of known levels.
TEST_F(CompareFiles, PicturesShowWhatTheySay) {
  WriteLevels(Path("a.mkv"), std::vector<int>(4, 100), 16, 60, 330);
  WriteLevels(Path("b.mkv"), std::vector<int>(4, 110), 16, 60, 330);
  const auto middle = [](const Canvas& frame, double x, double y) {
    return static_cast<int>(frame.at(static_cast<int64_t>(y * static_cast<double>(frame.height_px)),
                                     static_cast<int64_t>(x * static_cast<double>(frame.width_px)))[1]);
  };
  CompareRequest request;
  request.pictures.wipe = 0.25;
  Run({"a.mkv", "b.mkv"}, request);
  const Canvas side = FirstFrame("out/side_by_side.mp4"), wipe = FirstFrame("out/wipe.mp4"),
               difference = FirstFrame("out/difference.mp4");
  EXPECT_NEAR(middle(side, 0.25, 0.8), 100, 2);
  EXPECT_NEAR(middle(side, 0.75, 0.8), 110, 2);
  const double left = (480 - 330) / 2.0;  // the picture stands in the middle of its labels
  EXPECT_NEAR(middle(wipe, (left + 0.20 * 330) / 480, 0.8), 100, 3);
  EXPECT_NEAR(middle(wipe, (left + 0.50 * 330) / 480, 0.8), 110, 3);
  EXPECT_NEAR(middle(difference, 0.5, 0.8), 160, 3);  // 10 levels × 16
  request.folder = Path("signed");
  request.pictures.difference = DifferenceKind::kSigned;
  request.pictures.gain = 4;
  Run({"b.mkv", "a.mkv"}, request);
  EXPECT_NEAR(middle(FirstFrame("signed/difference.mp4"), 0.5, 0.8), 107, 3);  // 127.5 − 10 · 4 / 2
}

TEST_F(CompareFiles, IdenticalClips) {
  Source("a.mkv");
  const CompareResult result = Run({"a.mkv", "a.mkv"});
  EXPECT_TRUE(std::isinf(result.others[0].summary.psnr));
  const json other = Metrics()["others"][0];
  EXPECT_EQ(other["metrics"]["psnr"]["clip"], nullptr);
  EXPECT_EQ(other["metrics"]["identical"], true);
  EXPECT_EQ(other["metrics"]["identical_frames"], 8);
  EXPECT_EQ(other["metrics"]["ssim"]["mean"], 1);
  EXPECT_EQ(other["per_frame"]["psnr"][0], nullptr);
  EXPECT_EQ(Split(Split(media_test::ReadFile(Path("out/metrics.csv")), '\n')[1], ',')[3], "inf");
  EXPECT_NE(MetricsTable(result).find(" inf "), std::string::npos);
}

TEST_F(CompareFiles, SeveralOthersOfOneStem) {
  fs::create_directories(Path("x"));
  fs::create_directories(Path("y"));
  Source("a.mkv");
  Source("x/clip.mkv", "negate");
  Source("y/clip.mkv", "hflip");
  Source("z <b>.mkv", "vflip");
  Run({"a.mkv", "x/clip.mkv", "y/clip.mkv", "z <b>.mkv"});
  const std::vector<std::string> names = media_test::NamesIn(Path("out"));
  for (const char* name : {"wipe_x_clip.mp4", "wipe_y_clip.mp4", "difference_x_clip.mp4", "difference_z__b_.mp4"}) {
    EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
  }
  EXPECT_EQ(Metrics()["others"].size(), 3u);
  const std::string report = media_test::ReadFile(Path("out/report.html"));
  EXPECT_NE(report.find("z &lt;b&gt;.mkv"), std::string::npos);
  EXPECT_EQ(report.find("z <b>"), std::string::npos);
  EXPECT_NE(report.find("<polyline"), std::string::npos);
  EXPECT_NE(report.find("data:image/png;base64,iVBOR"), std::string::npos);
  for (const char* outside : {"<script", "http:", "https:", "@import", "url("}) {
    EXPECT_EQ(report.find(outside), std::string::npos) << outside;
  }
}

TEST_F(CompareFiles, OneFrameAndStills) {
  WriteLevels(Path("a.png"), {100}, 16, 1, 1);
  WriteLevels(Path("b.png"), {90}, 16, 1, 1);
  Run({"a.png", "b.png"});
  const json other = Metrics()["others"][0];
  EXPECT_NEAR(other["metrics"]["psnr"]["clip"], 10 * std::log10(255 * 255 / 100.0), 1e-9);
  EXPECT_EQ(other["metrics"]["flicker"]["mean"], nullptr);
  EXPECT_EQ(pipeline::ProbeMedia(Path("out/wipe.mp4")).num_frames, 1);
  WriteLevels(Path("c.png"), {80}, 16, 15, 31);
  WriteLevels(Path("d.mkv"), {80}, 16, 15, 31);
  CompareRequest request;
  request.folder = Path("odd");
  Run({"c.png", "d.mkv"}, request);
  EXPECT_EQ(Metrics("odd")["others"][0]["metrics"]["identical"], true);
}

TEST_F(CompareFiles, SizesRatesAndLengthsAsTold) {
  Source("a.mkv", "null", "64x48", "0.5");
  Source("b.mkv", "null", "96x72", "0.75");
  EXPECT_NE(ErrorsOf([&] { Run({"a.mkv", "b.mkv"}); }).find("--size"), std::string::npos);
  EXPECT_FALSE(fs::exists(Path("out")));
  CompareRequest request;
  request.align.size = AlignOptions::Size::kReference;
  request.align.shortest = true;
  Run({"a.mkv", "b.mkv"}, request);
  const json metrics = Metrics();
  EXPECT_EQ(metrics["clock"]["width"], 64);
  EXPECT_EQ(metrics["clock"]["frames"], 8);
  EXPECT_EQ(metrics["others"][0]["aligned"]["resized"]["filter"], "bicubic");
  EXPECT_EQ(metrics["others"][0]["aligned"]["frames_left_out_at_end"], 4);
  EXPECT_EQ(metrics["reference"]["aligned"], nullptr);
}

// Two renders with a lossy video and their floats: the floats are what is measured.
TEST_F(CompareFiles, FramesBeforeEncodingWhereBothSidesHaveThem) {
  for (const auto& [name, level] : {std::pair{"a", 0.500f}, {"b", 0.506f}}) {
    pipeline::HostTensor frames{{3, 32, 48, 3}, std::vector<float>(3 * 32 * 48 * 3, level)};
    const std::string record = std::string(R"({"hash": ")") + name + R"(", "job": {"fps": 16, "attention.mode": ")" +
                               (*name == 'a' ? "dense" : "sparge") + R"("}})";
    pipeline::WriteSafetensors(Path(std::string(name) + ".safetensors"), {{"frames", &frames}}, {{"sparge", record}});
    pipeline::VideoOptions options;
    options.comment = record;
    options.fps = 16;
    media_test::Write(Path(std::string(name) + ".mp4"), frames, options);
  }
  Run({"a.mp4", "b.mp4"});
  json other = Metrics()["others"][0];
  EXPECT_EQ(other["measured_on"], "frames");
  EXPECT_EQ(other["label"], "sparge");
  EXPECT_NEAR(other["metrics"]["psnr"]["clip"], 10 * std::log10(255 * 255.0),
              1e-9);  // 127.5 rounds to 128, 129.03 to 129
  EXPECT_EQ(Metrics()["settings_that_differ"]["attention.mode"], (json{"dense", "sparge"}));

  fs::remove(Path("b.safetensors"));
  CompareRequest request;
  request.folder = Path("decoded");
  Run({"a.mp4", "b.mp4"}, request);
  EXPECT_EQ(Metrics("decoded")["others"][0]["measured_on"], "decoded");
  request.folder = Path("mixed");
  Run({"a.safetensors", "b.mp4"}, request);
  EXPECT_EQ(Metrics("mixed")["others"][0]["measured_on"], "decoded");
  // Floats of another render do not count.
  fs::copy(Path("a.safetensors"), Path("b.safetensors"));
  request.folder = Path("foreign");
  Run({"a.mp4", "b.mp4"}, request);
  EXPECT_EQ(Metrics("foreign")["others"][0]["measured_on"], "decoded");
}

TEST_F(CompareFiles, CancelLeavesNothing) {
  Source("a.mkv");
  Source("b.mkv", "negate");
  for (int64_t at : {1, 5, 12, 17, 18}) {  // measuring: updates 1…9, writing: 10…18
    CompareRequest request;
    request.paths = {Path("a.mkv"), Path("b.mkv")};
    request.folder = Path("deep/out");
    Watcher watcher(at);
    try {
      Compare(request, watcher);
      EXPECT_EQ(at, 18);  // said when all is whole
      fs::remove_all(Path("deep"));
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), base::ErrorCode::kCancelled);
      EXPECT_FALSE(fs::exists(Path("deep"))) << at;
    }
  }
}

TEST_F(CompareFiles, BrokenFilesLeaveNothing) {
  Source("a.mkv");
  Ffmpeg({"-i", Path("a.mkv"), "-c:v", "libx264", Path("b.mp4")});
  const std::string whole = media_test::ReadFile(Path("b.mp4"));
  media_test::WriteFile(Path("cut.mp4"), whole.substr(0, whole.size() / 2));
  const std::string mkv = media_test::ReadFile(Path("a.mkv"));
  std::string holed = mkv;
  std::fill(holed.begin() + static_cast<std::ptrdiff_t>(holed.size() / 2),
            holed.begin() + static_cast<std::ptrdiff_t>(holed.size() * 3 / 4), '\x55');
  media_test::WriteFile(Path("holed.mkv"), holed);
  for (const char* name : {"cut.mp4", "holed.mkv"}) {
    const std::string text = ErrorsOf([&] { Run({"a.mkv", name}); });
    EXPECT_NE(text.find(name), std::string::npos) << text;
    EXPECT_FALSE(fs::exists(Path("out")));
  }
}

TEST_F(CompareFiles, WhatIsThereStaysAndInputsAreSafe) {
  Source("a.mkv");
  Run({"a.mkv", "a.mkv"});
  EXPECT_NE(ErrorsOf([&] { Run({"a.mkv", "a.mkv"}); }).find("--overwrite"), std::string::npos);
  CompareRequest request;
  request.overwrite = true;
  Run({"a.mkv", "a.mkv"}, request);
  EXPECT_NE(ErrorsOf([&] {
              Run({"out/side_by_side.mp4", "out/side_by_side.mp4"}, request);
            }).find("would replace"),
            std::string::npos);
}

}  // namespace
}  // namespace app
