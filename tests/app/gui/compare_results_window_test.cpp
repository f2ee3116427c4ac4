#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "tests/app/gui/compare_window_fixture.h"
#include "tests/pipeline/media/media_support.h"

// Numbers, blind tests, exports and odd files in Compare, as a person does them.
namespace app {
namespace {

using ui::CompareMode;

std::string TextOf(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

double PSNR(const cv::Mat& a, const cv::Mat& b) { return cv::PSNR(a, b); }

// By the test's own binomial coefficients.
double ByGuessing(int right, int trials) {
  double sum = 0;
  for (int k = right; k <= trials; ++k) {
    double ways = 1;
    for (int i = 0; i < k; ++i) ways = ways * (trials - i) / (i + 1);
    sum += ways;
  }
  return sum / std::pow(2.0, trials);
}

TEST_F(CompareWindowTest, CurvesRegionAndEveryNumberCopied) {
  WriteNoise(Path("a.mkv"), 12, 1, 0.02f);
  // The same with more noise in frame 8, and most of it on the left.
  pipeline::HostTensor frames{{12, 48, 64, 3}, {}};
  for (int i = 0; i < 12; ++i) {
    const Picture same = NoisyPicture(48, 64, 1 + static_cast<uint32_t>(i), 0.02f),
                  other = NoisyPicture(48, 64, 900 + static_cast<uint32_t>(i), i == 8 ? 0.3f : 0.05f);
    for (size_t k = 0; k < same.rgb.size(); ++k)
      frames.data.push_back((k / 3) % 64 < 32 ? other.rgb[k] : std::round(same.rgb[k] * 250) / 255);
  }
  pipeline::VideoOptions options;
  options.fps = 10;
  options.codec = "ffv1";
  options.pixel_format = "bgr0";
  media_test::Write(Path("b.mkv"), frames, options);
  Open({Path("a.mkv"), Path("b.mkv")});
  ASSERT_TRUE(Measured());
  EXPECT_EQ(compare().clips[0].title, "a.mkv") << "clips without metadata have their file's name";
  EXPECT_TRUE(Has("differs"));
  ASSERT_EQ(compare().curves[0].worst_frame, 8);
  Click("curve/worst");
  ASSERT_TRUE(At(8)) << "a click on the worst dip goes there";
  const double psnr = PSNR(FrameOf(0), FrameOf(1));
  EXPECT_NEAR(compare().curves[0].psnr_db[8], psnr, 0.01);
  EXPECT_EQ(compare().curves[0].figures[2].text, Fixed(psnr, 2) + " dB") << "it is the least";
  const ui::Rect curve = Place("curve/SSIM");
  MoveTo(curve.x0 + (curve.x1 - curve.x0) * 3.5 / 12, (curve.y0 + curve.y1) / 2);
  X("click 1");
  ASSERT_TRUE(At(3)) << "so does a click on any frame";
  X("click 3");
  EXPECT_NE(Clipboard().find("SSIM, frame 4\nB against A: 0."), std::string::npos) << Clipboard();
  X("key b");
  ASSERT_TRUE(At(8)) << "by key";

  const auto copies = [&](const std::string& place, const std::string& text, bool right = false) {
    ImGui::SetClipboardText("");
    Point(place);
    X(right ? "click 3" : "click 1");
    EXPECT_EQ(Clipboard(), text) << place;
  };
  const ui::CompareCurves& numbers = compare().curves[0];
  for (size_t i = 0; i < numbers.figures.size(); ++i) copies("figure/" + std::to_string(i), numbers.figures[i].text);
  copies("compare/frame", "9/12");
  copies("compare/time", "0.80 s");
  copies("compare/fps", "10 fps");
  copies("compare/speed", "1×", true);
  copies("compare/worst", "9", true);
  copies("caption/A", "A  a.mkv");
  copies("facts/1", compare().clips[1].facts);
  copies("shift/1", "not shifted");
  char zoom[32];
  std::snprintf(zoom, sizeof zoom, "zoom %.2f×", static_cast<double>(local().shown_scale));
  copies("compare/zoom", zoom);
  copies("curve/PSNR/lowest", Fixed(psnr, 1) + " dB");
  copies("compare/memory", "in memory 0 of 1024 MiB");
  EXPECT_FALSE(local().locked) << "a click on a caption copies it, and nothing else";
  Point("compare/video_memory");
  X("click 1");
  EXPECT_NE(Clipboard().find(" of 288 MB"), std::string::npos) << Clipboard();
  // A pixel that is held can be copied too.
  const ui::Rect at = Place("stage/picture");
  const double side = (at.x1 - at.x0) / 64;
  MoveTo(at.x0 + 10.5 * side, at.y0 + 40.5 * side);
  EXPECT_EQ(local().pixel_x, 10);
  const auto text = [&](size_t clip) {
    const auto pixel = FrameOf(clip).at<cv::Vec3b>(40, 10);
    return std::to_string(pixel[0]) + " " + std::to_string(pixel[1]) + " " + std::to_string(pixel[2]);
  };
  X("key c");
  EXPECT_EQ(Clipboard(), "frame 9, pixel 10, 40: A " + text(0) + " B " + text(1));
  X("click 3");
  copies("pixel/at", "10, 40");
  copies("pixel/0", text(0));
  copies("pixel/1", text(1));

  // A region by mouse.
  Click("compare/region");
  MoveTo(at.x0 + 40.5 * side, at.y0 + 8.5 * side);
  X("mousedown 1");
  MoveTo(at.x0 + 59.5 * side, at.y0 + 37.5 * side);
  X("mouseup 1");
  ASSERT_TRUE(StepUntil([&] { return !compare().region.empty(); }, 5));
  EXPECT_EQ(compare().region, (ui::Region{40, 8, 20, 30}));
  ASSERT_TRUE(Measured());
  const cv::Rect part(40, 8, 20, 30);
  EXPECT_NEAR(compare().curves[0].psnr_db[8], PSNR(FrameOf(0)(part), FrameOf(1)(part)), 0.01);
  copies("compare/region_text", "in 20 × 30 px at 40, 8");
  Click("compare/whole");
  EXPECT_TRUE(StepUntil([&] { return compare().region.empty(); }, 5));
}

TEST_F(CompareWindowTest, ABXWithAScriptedListener) {
  WriteLevels(Path("a.mkv"), {20}, 10, 48, 64);
  WriteLevels(Path("b.mkv"), {90}, 10, 48, 64);
  Open({Path("a.mkv"), Path("b.mkv")});
  X("key 1");  // this view is left alone by the test
  Click("compare/abx");
  const auto listen = [&](bool knows, uint32_t seed) {
    std::mt19937 coin(seed);
    Click("abx/start");
    EXPECT_TRUE(compare().abx.running);
    EXPECT_FALSE(Has("figure/0") || Has("differs") || Has("curve/PSNR")) << "nothing that tells A from B";
    int right = 0, trials = 0;
    for (; compare().abx.running && trials < 50; ++trials) {
      X("key 1");
      const int a = Level();
      X("key 3");
      const int x = Level();
      EXPECT_EQ(a, 20);
      EXPECT_TRUE(x == 20 || x == 90) << x;
      const bool says_a = knows ? x == a : (coin() & 1) != 0;
      right += says_a == (x == 20);
      Click(says_a ? "abx/is_a" : "abx/is_b");
    }
    EXPECT_EQ(trials, 10);
    EXPECT_TRUE(compare().abx.finished);
    EXPECT_EQ(compare().abx.correct, right);
    EXPECT_NEAR(compare().abx.p_value, ByGuessing(right, trials), 1e-9);
    Click("abx/path");
    EXPECT_EQ(Clipboard(), compare().abx.saved_path);
    const auto record = nlohmann::json::parse(TextOf(compare().abx.saved_path));
    EXPECT_EQ(record["schema"], 1);
    EXPECT_EQ(record["correct"], right);
    EXPECT_EQ(record["num_trials"], trials);
    EXPECT_NEAR(record["p_value"].get<double>(), ByGuessing(right, trials), 1e-9);
    EXPECT_EQ(record["a"]["path"], Path("a.mkv"));
    EXPECT_EQ(record["b"]["path"], Path("b.mkv"));
    int recorded = 0;
    for (const auto& trial : record["trials"]) recorded += trial["x"] == trial["answer"];
    EXPECT_EQ(recorded, right);
    return right;
  };
  EXPECT_EQ(listen(true, 0), 10);
  EXPECT_NEAR(compare().abx.p_value, 1 / 1024.0, 1e-12);
  const std::string first = compare().abx.saved_path;
  Click("abx/again");
  listen(false, 7);
  EXPECT_NE(compare().abx.saved_path, first) << "every test has its record";
}

TEST_F(CompareWindowTest, ExportsAreReadBack) {
  WriteNoise(Path("a.mkv"), 6, 1, 0.01f, 96, 128);
  WriteNoise(Path("b.mkv"), 6, 40, 0.2f, 96, 128);
  Open({Path("a.mkv"), Path("b.mkv")});
  ASSERT_TRUE(Measured());
  const ui::Rect at = Place("stage/picture");
  MoveTo(at.x0 + (at.x1 - at.x0) * 0.25, (at.y0 + at.y1) / 2);
  X("key l");
  X("key d");
  X("key d");
  ASSERT_TRUE(At(2));
  const cv::Mat a = FrameOf(0), b = FrameOf(1);
  X("key e");
  Click("export/fixed");
  Click("export/folder");
  X("key ctrl+a");
  X("type '" + Path("my export") + "'");
  Click("export/go");
  ASSERT_TRUE(StepUntil([&] { return !compare().exporting.files.empty(); }, 60));
  EXPECT_EQ(compare().exporting.files.size(), 6u);
  const auto out = [&](const char* name) { return Path(std::string("my export/") + name); };

  // ffprobe's word, then the pixels: compressed, but A's stay nearer to A than to B.
  const auto video = [&](const char* name, int64_t width) {
    const std::map<std::string, std::string> probed = media_test::Probe(out(name));
    EXPECT_EQ(probed.at("codec_name"), "h264") << name;
    EXPECT_EQ(probed.at("nb_read_frames"), "6") << name;
    EXPECT_GE(std::stoll(probed.at("width")), width) << name;
    EXPECT_EQ(probed.at("avg_frame_rate"), "10/1") << name;
    const int w = std::stoi(probed.at("width")), h = std::stoi(probed.at("height"));
    std::vector<uint8_t> rgb = media_test::DecodeWithFfmpeg(out(name));
    EXPECT_EQ(rgb.size(), static_cast<size_t>(w * h * 3 * 6));
    return cv::Mat(h, w, CV_8UC3, rgb.data() + static_cast<size_t>(w * h * 3) * 2).clone();
  };
  // Where in `whole` the picture stands best, and how far off it is there, of 255.
  const auto found = [](const cv::Mat& whole, const cv::Mat& part) {
    cv::Mat off;
    cv::matchTemplate(whole, part, off, cv::TM_SQDIFF);
    double least = 0;
    cv::minMaxLoc(off, &least);
    return std::sqrt(least / static_cast<double>(part.total() * 3));
  };
  const auto grown = [](const cv::Mat& picture, const cv::Mat& video_frame, int across) {
    const double by = std::max(1.0, std::floor(video_frame.cols / static_cast<double>(picture.cols * across)));
    cv::Mat large;
    cv::resize(picture, large, {}, by, by, cv::INTER_NEAREST);
    return large;
  };
  const cv::Mat side = video("side_by_side.mp4", 256), wipe = video("wipe.mp4", 128);
  const cv::Mat left = side.colRange(0, side.cols / 2), right = side.colRange(side.cols / 2, side.cols);
  const auto lower = [](const cv::Mat& picture) { return picture.rowRange(picture.rows / 2, picture.rows); };
  const cv::Mat large_a = grown(a, side, 2), large_b = grown(b, side, 2);
  EXPECT_LT(found(left, lower(large_a)), 12);
  EXPECT_GT(found(left, lower(large_b)), 20);
  EXPECT_LT(found(right, lower(large_b)), found(right, lower(large_a)));
  const cv::Mat wiped_a = grown(a, wipe, 1), wiped_b = grown(b, wipe, 1);
  const auto columns = [&](const cv::Mat& m, double from, double to) {
    return lower(m).colRange(static_cast<int>(from * m.cols), static_cast<int>(to * m.cols));
  };
  const cv::Mat first = wipe.colRange(0, wipe.cols / 4);
  EXPECT_LT(found(first, columns(wiped_a, 0.02, 0.2)), 0.75 * found(first, columns(wiped_b, 0.02, 0.2)))
      << "left of the line, at 25 %, is A";
  const cv::Mat rest = wipe.colRange(wipe.cols / 4, wipe.cols);
  EXPECT_LT(found(rest, columns(wiped_b, 0.35, 0.95)), found(rest, columns(wiped_a, 0.35, 0.95)));

  for (const auto& [name, picture] : {std::pair("frame_0002_A.png", a), std::pair("frame_0002_B.png", b)}) {
    std::vector<uint8_t> rgb = media_test::DecodeWithFfmpeg(out(name));
    ASSERT_EQ(rgb.size(), picture.total() * 3) << name;
    EXPECT_EQ(cv::norm(cv::Mat(picture.rows, picture.cols, CV_8UC3, rgb.data()), picture, cv::NORM_INF), 0) << name;
  }
  const auto metrics = nlohmann::json::parse(TextOf(out("metrics.json")));
  EXPECT_EQ(metrics["schema"], 1);
  EXPECT_NEAR(metrics["others"][0]["per_frame"]["psnr"][2].get<double>(), PSNR(a, b), 1e-3);
  std::istringstream csv(TextOf(out("metrics.csv")));
  std::string line;
  std::getline(csv, line);
  EXPECT_EQ(line.substr(0, 39), "other,frame,time_s,psnr_db,ssim,flicker");
  int rows = 0;
  while (std::getline(csv, line)) ++rows;
  EXPECT_EQ(rows, 6);
}

// Another size, rate and length; a truncated MP4 (index at the front, the end cut off); text; nobody is lost.
TEST_F(CompareWindowTest, OddClips) {
  WriteLevels(Path("a.mkv"), {20, 24, 28, 32}, 10, 48, 64);
  std::vector<int> levels;
  for (int i = 0; i < 12; ++i) levels.push_back(90 + 4 * i);
  WriteLevels(Path("b.mkv"), levels, 20, 72, 128);
  Open({Path("a.mkv"), Path("b.mkv")});
  EXPECT_EQ(compare().num_frames, 4);
  EXPECT_TRUE(Has("remark/0"));
  EXPECT_TRUE(Has("compare/rate"));
  X("key 2");
  X("key d");
  EXPECT_EQ(Level(), 98) << "what is on screen at A's times: 0.1 s is its frame 2";
  Click("compare/rate");
  ASSERT_TRUE(StepUntil([&] { return FrameOf(1).at<cv::Vec3b>(0, 0)[0] == 94; }, 10));
  EXPECT_EQ(Level(), 94) << "frame by frame";
  X("key 2");

  WriteNoise(Path("long.mkv"), 40, 1, 0.1f, 96, 128);
  Ffmpeg({"-i", Path("long.mkv"), "-c:v", "libx264", "-g", "8", "-movflags", "+faststart", Path("cut.mp4")});
  std::filesystem::resize_file(Path("cut.mp4"), std::filesystem::file_size(Path("cut.mp4")) * 2 / 3);
  std::ofstream(Path("text.mp4")) << "no clip at all";
  Drop({Path("long.mkv"), Path("cut.mp4"), Path("text.mp4")});
  std::string said;
  const auto broken = [&] {
    said.clear();
    for (const ui::NoticeRow& notice : view().notices) said += notice.text + " | " + notice.remedy + "\n";
    return view().notices.size() >= 2 && Shown(2) && compare().num_frames < 40;
  };
  ASSERT_TRUE(StepUntil(broken, 30)) << said << compare().clips.size() << " clips, " << compare().num_frames;
  EXPECT_NE(said.find(Path("text.mp4")), std::string::npos) << said;
  EXPECT_NE(said.find("cut.mp4: B breaks after "), std::string::npos) << said;
  EXPECT_NE(said.find("cut short"), std::string::npos) << said;
  EXPECT_GT(compare().num_frames, 8) << "what comes before is compared";
  ASSERT_TRUE(Measured());
  EXPECT_EQ(compare().curves[0].psnr_db.size(), static_cast<size_t>(compare().num_frames));
  EXPECT_GT(compare().curves[0].psnr_db[0], 20);
}

// Four 4K clips: what the pictures take of video memory, and the cap of system memory.
TEST_F(CompareWindowTest, FourClipsIn4K) {
  std::vector<std::string> paths;
  for (int i = 0; i < 4; ++i) {
    paths.push_back(Path("k" + std::to_string(i) + ".mp4"));
    Ffmpeg({"-f", "lavfi", "-i", "color=c=0x" + std::to_string(30 + 10 * i) + "4050:s=3840x2160:r=10", "-frames:v", "2",
            "-c:v", "libx264", "-preset", "ultrafast", paths.back()});
  }
  Open(paths);
  X("key 0");
  ASSERT_TRUE(StepUntil([&] { return compare().difference.rgb && !compare().waiting; }, 60));
  const auto drawn = [&] {  // 4K pictures take their time
    const int64_t frames = window_->frames();
    return StepUntil([&] { return window_->frames() >= frames + 3; }, 30);
  };
  X("key space");  // it plays
  ASSERT_TRUE(drawn());
  for (const char* key : {"0", "Tab", "Tab", "Tab"}) {
    X(std::string("key ") + key);
    ASSERT_TRUE(drawn());
  }
  X("key space");
  ImGui::SetClipboardText("");
  Click("compare/video_memory");
  ASSERT_TRUE(StepUntil([&] { return !Clipboard().empty(); }, 10));
  double mb = 0;
  ASSERT_EQ(std::sscanf(Clipboard().c_str(), "on screen %lf of 288 MB", &mb), 1) << Clipboard();
  EXPECT_NEAR(mb, 5 * 3840 * 2160 * 4 / 1e6, 0.1) << "four clips and a difference";
  EXPECT_LE(mb * 6 / 5, 300) << "and X of a blind test";
  EXPECT_LE(compare().memory_bytes, compare().memory_cap_bytes);
  EXPECT_EQ(compare().memory_cap_bytes, uint64_t{1} << 30);
}

// `sparge gui A.mp4 B.mp4`, the program itself: what the X server shows.
TEST_F(CompareWindowTest, FromTheCommandLine) {
  window_.reset();
  controller_.reset();
  WriteLevels(Path("a.mkv"), {20, 20}, 10, 48, 64);
  WriteLevels(Path("b.mkv"), {90, 90}, 10, 48, 64);
  for (const char* name : {"XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"}) setenv(name, Path("xdg").c_str(), 1);
  const pid_t pid = fork();
  if (pid == 0) {
    const int log = open(Path("log").c_str(), O_WRONLY | O_CREAT, 0600);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execl(SPARGE_BINARY_DIR "/bin/sparge", "sparge", "gui", Path("a.mkv").c_str(), Path("b.mkv").c_str(), nullptr);
    _exit(127);
  }
  bool both = false;
  int status = 0;
  bool ended = false;
  for (int tries = 0; tries < 600 && !both && !ended; ++tries) {
    usleep(100'000);
    ended = waitpid(pid, &status, WNOHANG) == pid;
    const std::vector<uint32_t> row = x_.Row(300, 900);
    both = std::count(row.begin(), row.end(), 0x141414U) > 100 && std::count(row.begin(), row.end(), 0x5A5A5AU) > 100;
  }
  EXPECT_TRUE(both) << "A left and B right of the wipe's line; it says: " << TextOf(Path("log"));
  ASSERT_FALSE(ended) << "it ended by itself, status " << status;
  kill(pid, SIGTERM);
  waitpid(pid, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
}

}  // namespace
}  // namespace app
