#include "app/gui/compare_desk.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <fstream>
#include <functional>
#include <opencv2/imgproc.hpp>
#include <thread>

#include "app/gui/compare_abx.h"
#include "tests/app/compare/support.h"
#include "ui/widgets/legend.h"

namespace app {
namespace {

using ui::CompareLook;
using ui::DifferenceMode;

// Lossless, frame i is NoisyPicture(seed + i).
void WriteNoisy(const std::string& path, int frames, uint32_t seed, float noise, double fps = 10, int64_t height = 24,
                int64_t width = 32) {
  pipeline::HostTensor tensor{{frames, height, width, 3}, {}};
  for (int i = 0; i < frames; ++i) {
    const Picture picture = NoisyPicture(height, width, seed + static_cast<uint32_t>(i), noise);
    tensor.data.insert(tensor.data.end(), picture.rgb.begin(), picture.rgb.end());
  }
  pipeline::VideoOptions options;
  options.fps = fps;
  options.codec = "ffv1";
  options.pixel_format = "bgr0";
  media_test::Write(path, tensor, options);
}

class CompareDeskTest : public TempFolderTest {
 protected:
  void Start(uint64_t cap = CompareFrames::kDefaultCap) {
    DeskOptions options;
    options.folder = Path("state");
    options.cap_bytes = cap;
    options.notify = [this](ui::Level, const std::string& text, const std::string& remedy) {
      notices_ += text + " | " + remedy + "\n";
    };
    desk_ = std::make_unique<CompareDesk>(std::move(options));
  }
  bool Until(const std::function<bool()>& done) {
    for (int i = 0; i < 4000; ++i) {
      desk_->Tick();
      if (done()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }
  const ui::CompareView& view() { return desk_->view(); }
  bool Look(CompareLook look) {
    desk_->Handle(look);
    return Until([&] { return !view().clips.empty() && !view().waiting && view().shown_frame == look.frame; });
  }
  void Open(const std::vector<std::string>& paths) {
    desk_->Handle(ui::CompareOpen{paths});
    ASSERT_TRUE(Until([&] { return view().note.empty(); })) << notices_;
  }
  bool Measured() {
    return Until([&] { return !view().curves.empty() && view().curves.back().done; });
  }
  int Level(size_t clip) { return view().clips[clip].frame.rgb->at(0); }

  std::string notices_;
  std::unique_ptr<CompareDesk> desk_;
};

TEST_F(CompareDeskTest, EveryPictureIsOfTheFrameThatIsShown) {
  WriteLevels(Path("a.mkv"), {10, 20, 30, 40, 50}, 10);
  WriteLevels(Path("b.mkv"), {11, 21, 31, 41, 51}, 10);
  Start();
  Open({Path("a.mkv"), Path("b.mkv")});
  EXPECT_EQ(view().num_frames, 5);
  for (const int64_t t : {3, 0, 4, 1}) {
    ASSERT_TRUE(Look({.frame = t}));
    EXPECT_EQ(Level(0), 10 * (t + 1));
    EXPECT_EQ(Level(1), 10 * (t + 1) + 1);
  }
  EXPECT_TRUE(view().remarks.empty());
}

TEST_F(CompareDeskTest, ClipsOfUnequalSizeRateAndLength) {
  WriteLevels(Path("a.mkv"), {10, 20, 30, 40}, 10, 16, 16);
  WriteLevels(Path("b.mkv"), {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 20, 32, 8);
  Start();
  Open({Path("a.mkv"), Path("b.mkv")});
  EXPECT_EQ(view().num_frames, 4) << "that both have";
  ASSERT_TRUE(Look({.frame = 2}));
  EXPECT_EQ(Level(1), 5) << "what is on screen at A's times: 0.2 s";
  std::string remarks;
  for (const std::string& remark : view().remarks) remarks += remark + "\n";
  EXPECT_NE(remarks.find("B is 8 × 32, A 16 × 16"), std::string::npos) << remarks;
  EXPECT_NE(remarks.find("20 fps, A at 10 fps"), std::string::npos) << remarks;
  EXPECT_TRUE(view().rates_differ);
  desk_->Handle(ui::CompareFrameByFrame{true});
  ASSERT_TRUE(Until([&] { return view().clips[1].frame.rgb && Level(1) == 3; })) << "frame by frame";
  ASSERT_TRUE(Measured());
  EXPECT_EQ(view().curves[0].psnr_db.size(), 4u);
}

TEST_F(CompareDeskTest, ShiftsByFramesAndRefusesTooMuch) {
  WriteLevels(Path("a.mkv"), {10, 20, 30, 40}, 10);
  WriteLevels(Path("b.mkv"), {10, 20, 30, 40}, 10);
  Start();
  Open({Path("a.mkv"), Path("b.mkv")});
  desk_->Handle(ui::CompareShift{1, 2});
  ASSERT_TRUE(Look({.frame = 1}));
  EXPECT_EQ(view().num_frames, 2);
  EXPECT_EQ(Level(0), 20);
  EXPECT_EQ(Level(1), 40);
  EXPECT_EQ(view().clips[1].shift, 2);
  desk_->Handle(ui::CompareShift{1, 9});
  EXPECT_EQ(view().clips[1].shift, 2);
  EXPECT_NE(notices_.find("stays as it was"), std::string::npos) << notices_;
}

// Much longer than what may be in memory: the window follows the playhead, there and back, and stays under the cap.
TEST_F(CompareDeskTest, LongClipsKeepAWindowUnderTheCap) {
  std::vector<int> levels;
  for (int i = 0; i < 200; ++i) levels.push_back(i + 20);
  WriteLevels(Path("a.mkv"), levels, 10);
  WriteLevels(Path("b.mkv"), levels, 10);
  constexpr uint64_t kFrame = 16 * 16 * 3, kCap = 2 * 3 * CompareFrames::kChunk * kFrame;  // three chunks a clip
  Start(kCap);
  Open({Path("a.mkv"), Path("b.mkv")});
  for (const int64_t t : {0, 199, 100, 101, 5, 150}) {
    ASSERT_TRUE(Look({.frame = t, .direction = t == 5 ? -1 : 1})) << t;
    EXPECT_EQ(Level(0), t + 20);
    EXPECT_EQ(Level(1), t + 20);
    EXPECT_LE(view().memory_bytes, kCap);
  }
}

// Frames so large that a chunk of sixteen would be more than a clip's share.
TEST_F(CompareDeskTest, FourClipsOfLargeFramesStayUnderTheCap) {
  std::vector<std::string> paths;
  for (int clip = 0; clip < 4; ++clip) {
    std::vector<int> levels;
    for (int i = 0; i < 40; ++i) levels.push_back(5 * i + clip);
    paths.push_back(Path("clip" + std::to_string(clip) + ".mkv"));
    WriteLevels(paths.back(), levels, 10, 48, 64);
  }
  constexpr uint64_t kCap = uint64_t{4} * 9 * 48 * 64 * 3;  // nine frames a clip
  Start(kCap);
  Open(paths);
  uint64_t most = 0;
  for (const int64_t t : {0, 39, 20, 21, 22, 23, 5, 4, 3}) {
    desk_->Handle(CompareLook{.frame = t, .direction = t < 6 ? -1 : 1});
    ASSERT_TRUE(Until([&] {
      most = std::max(most, view().memory_bytes);
      return !view().clips.empty() && !view().waiting && view().shown_frame == t;
    })) << t;
    for (size_t clip = 0; clip < 4; ++clip) EXPECT_EQ(Level(clip), 5 * t + static_cast<int>(clip));
  }
  EXPECT_GT(most, kCap / 2);
  EXPECT_LE(most, kCap);
}

TEST_F(CompareDeskTest, DifferencesAsOpenCVHasThem) {
  WriteNoisy(Path("a.mkv"), 2, 1, 0.1f);
  WriteNoisy(Path("b.mkv"), 2, 50, 0.1f);
  Start();
  Open({Path("a.mkv"), Path("b.mkv")});
  CompareLook look{.frame = 1, .difference = true, .mode = DifferenceMode::kAbsolute, .gain = 4};
  ASSERT_TRUE(Look(look));
  const auto mat = [](const ui::Image& image) {
    return cv::Mat(image.height_px, image.width_px, CV_8UC3, const_cast<uint8_t*>(image.rgb->data())).clone();
  };
  const cv::Mat a = mat(view().clips[0].frame), b = mat(view().clips[1].frame);
  cv::Mat expected;
  cv::absdiff(a, b, expected);
  expected.convertTo(expected, CV_8U, 4);
  EXPECT_EQ(cv::norm(mat(view().difference), expected, cv::NORM_INF), 0);
  EXPECT_DOUBLE_EQ(view().legend_high, 255 / 4.0);

  // Luma in 0…1, then the two colour maps by their own definition.
  const auto luma = [](const cv::Mat& rgb) {
    cv::Mat wide, out;
    rgb.convertTo(wide, CV_64F, 1 / 255.0);
    cv::transform(wide, out, cv::Matx13d(0.2126, 0.7152, 0.0722));
    return out;
  };
  const cv::Mat moved = luma(b) - luma(a);
  const uint64_t before = view().difference.id;
  for (const DifferenceMode mode : {DifferenceMode::kSigned, DifferenceMode::kLuma}) {
    look.mode = mode;
    const uint64_t last = view().difference.id;
    desk_->Handle(look);
    ASSERT_TRUE(Until([&] { return view().difference.id != last; }));
    const cv::Mat shown = mat(view().difference);
    for (int y = 0; y < shown.rows; ++y) {
      for (int x = 0; x < shown.cols; ++x) {
        const double value = 4 * moved.at<double>(y, x);
        const ImU32 color = mode == DifferenceMode::kSigned ? ui::Diverging(value) : ui::Viridis(std::fabs(value));
        const auto pixel = shown.at<cv::Vec3b>(y, x);
        EXPECT_NEAR(pixel[0], color & 255, 2) << x << " " << y;
        EXPECT_NEAR(pixel[1], (color >> 8) & 255, 2) << x << " " << y;
        EXPECT_NEAR(pixel[2], (color >> 16) & 255, 2) << x << " " << y;
      }
    }
  }
  EXPECT_NE(view().difference.id, before);

  // SSIM in the middle, with OpenCV's Gaussian.
  look.mode = DifferenceMode::kSSIM;
  const uint64_t last = view().difference.id;
  desk_->Handle(look);
  ASSERT_TRUE(Until([&] { return view().difference.id != last; }));
  const auto blur = [](const cv::Mat& m) {
    cv::Mat out;
    cv::GaussianBlur(m, out, cv::Size(11, 11), 1.5);
    return out;
  };
  const cv::Mat la = luma(a), lb = luma(b), ma = blur(la), mb = blur(lb);
  const cv::Mat va = blur(la.mul(la)) - ma.mul(ma), vb = blur(lb.mul(lb)) - mb.mul(mb),
                cov = blur(la.mul(lb)) - ma.mul(mb);
  const cv::Mat shown = mat(view().difference);
  for (int y = 5; y < shown.rows - 5; ++y) {
    for (int x = 5; x < shown.cols - 5; ++x) {
      const double c1 = 1e-4, c2 = 9e-4, p = ma.at<double>(y, x), q = mb.at<double>(y, x);
      const double ssim = (2 * p * q + c1) * (2 * cov.at<double>(y, x) + c2) /
                          ((p * p + q * q + c1) * (va.at<double>(y, x) + vb.at<double>(y, x) + c2));
      const ImU32 color = ui::Viridis(1 - ssim);
      EXPECT_NEAR(shown.at<cv::Vec3b>(y, x)[1], (color >> 8) & 255, 3) << x << " " << y;
    }
  }
}

TEST_F(CompareDeskTest, NumbersOfTheClipAndOfARegion) {
  WriteLevels(Path("a.mkv"), {100, 100, 100, 100}, 10);
  WriteLevels(Path("b.mkv"), {101, 100, 108, 102}, 10);
  Start();
  Open({Path("a.mkv"), Path("b.mkv")});
  ASSERT_TRUE(Measured());
  const ui::CompareCurves& curves = view().curves[0];
  ASSERT_EQ(curves.psnr_db.size(), 4u);
  EXPECT_NEAR(curves.psnr_db[0], 48.1308, 1e-3);
  EXPECT_TRUE(std::isinf(curves.psnr_db[1]));
  EXPECT_TRUE(std::isnan(curves.flicker[0]));
  EXPECT_EQ(curves.worst_frame, 2);
  ASSERT_EQ(curves.figures.size(), 10u);
  EXPECT_EQ(curves.figures[2].text, "30.07 dB") << "the least: 20 log10(255 / 8)";
  for (const ui::Figure& figure : curves.figures) EXPECT_NE(figure.definition, "") << figure.label;
  desk_->Handle(ui::CompareRegion{{2, 2, 6, 5}});
  ASSERT_TRUE(Until([&] { return view().curves[0].done && !view().curves[0].figures.empty(); }));
  ASSERT_TRUE(Measured());
  EXPECT_NE(view().curves[0].figures[0].definition.find("region"), std::string::npos);
  EXPECT_NEAR(view().curves[0].psnr_db[0], 48.1308, 1e-3);
}

// The reference again with another dense kernel; and what sidecars say.
TEST_F(CompareDeskTest, TheNoiseFloorAndWhatSidecarsSay) {
  const auto clip = [&](const std::string& name, uint32_t seed, const nlohmann::json& job, double seconds,
                        double sparsity) {
    WriteNoisy(Path(name + ".mkv"), 2, seed, 0.05f);
    const nlohmann::json sidecar = {{"schema", 1},
                                    {"hash", name},
                                    {"job", job},
                                    {"timings_s", {{"total", seconds}}},
                                    {"attention", {{"sparsity", sparsity}}}};
    std::ofstream(Path(name + ".json")) << sidecar;
  };
  const nlohmann::json dense = {{"seed", 3}, {"attention.mode", "dense"}, {"attention.kernel", "auto"}};
  nlohmann::json other = dense, sparse = dense;
  other["attention.kernel"] = "sdpa_math";
  sparse["attention.mode"] = "sparge";
  clip("a", 1, dense, 40, 0);
  clip("b", 5, other, 50, 0);
  clip("c", 9, sparse, 20, 0.375);
  Start();
  Open({Path("a.mkv"), Path("b.mkv"), Path("c.mkv")});
  ASSERT_TRUE(Measured());
  ASSERT_EQ(view().curves.size(), 2u);
  EXPECT_TRUE(view().curves[0].noise_floor);
  EXPECT_FALSE(view().curves[1].noise_floor);
  EXPECT_EQ(view().clips[2].details, "20.0 s, 38 % skipped");
  std::string said;
  for (const ui::Figure& speed : view().speeds) {
    said += speed.label + ": " + speed.text + "\n";
    EXPECT_NE(speed.definition, "");
  }
  EXPECT_NE(said.find("A → C: 40.0 s → 20.0 s (2.00×)"), std::string::npos) << said;
  EXPECT_NE(said.find("A → C: 0.0 % → 37.5 % skipped"), std::string::npos) << said;
}

TEST_F(CompareDeskTest, ADamagedClipIsSaidAndTheOthersStay) {
  WriteNoisy(Path("a.mkv"), 6, 1, 0.1f);
  WriteNoisy(Path("b.mkv"), 6, 9, 0.1f);
  std::filesystem::copy(Path("a.mkv"), Path("cut.mp4"));
  Ffmpeg({"-i", Path("a.mkv"), "-c:v", "libx264", "-movflags", "+faststart", Path("cut.mp4")});
  std::filesystem::resize_file(Path("cut.mp4"), std::filesystem::file_size(Path("cut.mp4")) * 2 / 3);
  std::ofstream(Path("text.mp4")) << "not a clip";
  Start();
  Open({Path("a.mkv"), Path("cut.mp4"), Path("b.mkv"), Path("text.mp4")});
  ASSERT_TRUE(Until([&] { return view().clips.size() == 2 || !view().remarks.empty(); })) << notices_;
  EXPECT_NE(notices_.find("cut.mp4"), std::string::npos) << notices_;
  EXPECT_NE(notices_.find("text.mp4"), std::string::npos) << notices_;
  ASSERT_TRUE(Look({.frame = 0}));
  EXPECT_EQ(view().clips[0].name, "a.mkv");
  EXPECT_NE(view().clips[0].job_text.find("No job is known"), std::string::npos) << "a clip without metadata";
}

TEST_F(CompareDeskTest, UpToFourClipsAndTheirReference) {
  for (const char* name : {"a.mkv", "b.mkv", "c.mkv", "d.mkv", "e.mkv"}) WriteLevels(Path(name), {1, 2}, 10);
  Start();
  Open({Path("a.mkv")});
  ASSERT_TRUE(Look({.frame = 1})) << "one clip alone is shown";
  for (const char* name : {"b.mkv", "c.mkv", "d.mkv", "e.mkv"}) {
    desk_->Handle(ui::CompareAdd{Path(name)});
    ASSERT_TRUE(Until([&] { return view().note.empty(); }));
  }
  EXPECT_EQ(view().clips.size(), 4u);
  EXPECT_NE(notices_.find("Up to 4"), std::string::npos);
  desk_->Handle(ui::CompareReference{2});
  ASSERT_TRUE(Until([&] { return view().note.empty() && view().clips.size() == 4; }));
  EXPECT_EQ(view().clips[0].name, "c.mkv");
  EXPECT_EQ(view().clips[1].name, "a.mkv");
  desk_->Handle(ui::CompareRemove{0});
  ASSERT_TRUE(Until([&] { return view().note.empty() && view().clips.size() == 3; }));
  EXPECT_EQ(view().clips[0].name, "a.mkv");
}

// A listener who looks at the pixels and is always right, and one who guesses wrongly.
TEST_F(CompareDeskTest, ABlindTestWithAScriptedListener) {
  WriteLevels(Path("a.mkv"), {10, 20}, 10);
  WriteLevels(Path("b.mkv"), {11, 21}, 10);
  Start();
  Open({Path("a.mkv"), Path("b.mkv")});
  ASSERT_TRUE(Look({.frame = 1}));
  desk_->Handle(ui::ABXStart{12, 0, 1});
  for (int trial = 0; trial < 12; ++trial) {
    ASSERT_EQ(view().abx.trial, trial);
    desk_->Tick();
    ASSERT_TRUE(view().abx.x_frame.rgb);
    desk_->Handle(ui::ABXAnswer{view().abx.x_frame.rgb->at(0) == Level(0)});
  }
  ASSERT_TRUE(view().abx.finished);
  EXPECT_EQ(view().abx.correct, 12);
  EXPECT_NEAR(view().abx.p_value, 1 / 4096.0, 1e-12);
  std::ifstream in(view().abx.saved_path);
  const auto record = nlohmann::json::parse(in);
  EXPECT_EQ(record["correct"], 12);
  EXPECT_EQ(record["num_trials"], 12);
  EXPECT_EQ(record["trials"].size(), 12u);
  EXPECT_EQ(record["a"]["path"], Path("a.mkv"));
}

TEST(ABX, TheExactBinomial) {
  EXPECT_DOUBLE_EQ(ABXPValue(0, 10), 1);
  EXPECT_NEAR(ABXPValue(9, 10), 11 / 1024.0, 1e-12);
  EXPECT_NEAR(ABXPValue(5, 10), 638 / 1024.0, 1e-12);
  EXPECT_NEAR(ABXPValue(12, 16), 0.0384063720703125, 1e-12);
  int a = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) a += ABXTest(1, seed).x_is_a();
  EXPECT_NEAR(a, 200, 60) << "a fair coin";
}

TEST_F(CompareDeskTest, ExportsAreReadBackByFfprobe) {
  WriteNoisy(Path("a.mkv"), 5, 1, 0.02f);
  WriteNoisy(Path("b.mkv"), 5, 9, 0.02f);
  Start();
  Open({Path("a.mkv"), Path("b.mkv")});
  ASSERT_TRUE(Look({.frame = 3}));
  ui::CompareExport wanted;
  wanted.folder = Path("out");
  desk_->Handle(wanted);
  ASSERT_TRUE(Until([&] { return !view().exporting.files.empty(); })) << notices_;
  EXPECT_FALSE(std::filesystem::exists(Path("out/difference.mp4"))) << "not asked for";
  EXPECT_FALSE(std::filesystem::exists(Path("out/report.html")));
  for (const char* name : {"side_by_side.mp4", "wipe.mp4"}) {
    const std::string probed = media_test::RunCommand({"ffprobe", "-v", "error", "-count_frames", "-show_entries",
                                                       "stream=codec_name,nb_read_frames", "-of", "csv=p=0",
                                                       Path(std::string("out/") + name)});
    EXPECT_EQ(probed, "h264,5\n") << name;
  }
  EXPECT_TRUE(std::filesystem::exists(Path("out/metrics.csv")));
  EXPECT_TRUE(std::filesystem::exists(Path("out/metrics.json")));
  const auto still =
      media_test::RunCommand({"ffprobe", "-v", "error", "-show_entries", "stream=codec_name,width,height", "-of",
                              "csv=p=0", Path("out/frame_0003_B.png")});
  EXPECT_EQ(still, "png,32,24\n");
  EXPECT_NE(notices_.find("Exported 6 files"), std::string::npos) << notices_;
}

TEST_F(CompareDeskTest, AnExportIsCancelledWithoutATrace) {
  WriteNoisy(Path("a.mkv"), 60, 1, 0.1f, 10, 240, 320);
  WriteNoisy(Path("b.mkv"), 60, 9, 0.1f, 10, 240, 320);
  Start();
  Open({Path("a.mkv"), Path("b.mkv")});
  ui::CompareExport wanted;
  wanted.folder = Path("out");
  wanted.pictures = false;
  desk_->Handle(wanted);
  ASSERT_TRUE(Until([&] { return view().exporting.running; }));
  desk_->Handle(ui::CompareCancelExport{});
  ASSERT_TRUE(Until([&] { return !view().exporting.running; }));
  EXPECT_TRUE(view().exporting.files.empty());
  EXPECT_TRUE(!std::filesystem::exists(Path("out")) || std::filesystem::is_empty(Path("out")));
}

}  // namespace
}  // namespace app
