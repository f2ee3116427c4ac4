#include <gtest/gtest.h>

#include <filesystem>

#include "tests/app/command_fixture.h"
#include "tests/app/compare/support.h"

// `sparge compare` as a process.
namespace app {
namespace {

namespace fs = std::filesystem;

class CompareCommand : public CommandTest {
 protected:
  void Source(const std::string& name, const std::string& filter, const std::string& size = "64x48") {
    Ffmpeg({"-f", "lavfi", "-i", "testsrc2=size=" + size + ":rate=16:duration=0.5", "-vf", filter, "-pix_fmt", "gbrp",
            "-c:v", "ffv1", Path(name)});
  }
};

TEST_F(CompareCommand, HelpNamesEveryFlag) {
  const ProcessResult help = Run({"compare", "--help"});
  EXPECT_EQ(help.status, 0);
  for (const char* flag : {"--out DIR", "--size ref|smallest|WxH", "--filter", "--rate", "--length shortest", "--shift",
                           "--difference", "--gain", "--wipe", "--zoom", "--columns", "--overwrite", "--progress"}) {
    EXPECT_NE(help.out.find(std::string("\n  ") + flag), std::string::npos) << flag;
  }
}

TEST_F(CompareCommand, TableOnStandardOutput) {
  Source("a.mkv", "null");
  Source("b.mkv", "negate");
  const ProcessResult result = Run({"compare", "a.mkv", "b.mkv", "--out", "deep/out"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_NE(result.out.find("PSNR dB"), std::string::npos);
  EXPECT_NE(result.out.find("B  b.mkv"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("decoded files"), std::string::npos);
  EXPECT_NE(result.err.find("wrote deep/out/report.html"), std::string::npos) << result.err;
  const ProcessResult quiet = Run({"compare", "a.mkv", "b.mkv", "--out", "quiet", "--progress", "off"});
  EXPECT_EQ(quiet.err, "");
}

TEST_F(CompareCommand, BadInputIsOneLineAndLeavesNothing) {
  Source("a.mkv", "null");
  Source("small.mkv", "null", "32x24");
  fs::create_directories(Path("empty"));
  const struct {
    std::vector<std::string> args;
    const char* part;
  } cases[] = {{{"a.mkv", "--out", "o"}, "takes a reference and 1 to 15 others, and got 1 file"},
               {{"a.mkv", "a.mkv"}, "no folder for the files: give one with --out"},
               {{"a.mkv", "none.mkv", "--out", "o"}, "cannot read 'none.mkv': there is no such file"},
               {{"a.mkv", "empty", "--out", "o"}, "the folder holds no frame 0000.png"},
               {{"a.mkv", "small.mkv", "--out", "o"}, "is 32x24 px, the reference 'a.mkv' 64x48 px"},
               {{"a.mkv", "a.mkv", "--out", "o", "--size", "12"}, "--size '12': expected ref, smallest or a size"},
               {{"a.mkv", "a.mkv", "--out", "o", "--size", "0x5"}, "--size '0x5'"},
               {{"a.mkv", "a.mkv", "--out", "o", "--shift", "A:1"}, "--shift 'A:1': expected the letter"},
               {{"a.mkv", "a.mkv", "--out", "o", "--shift", "C:1"}, "the others are B"},
               {{"a.mkv", "a.mkv", "--out", "o", "--shift", "B:8"}, "--shift leaves no frame"},
               {{"a.mkv", "a.mkv", "--out", "o", "--wipe", "2"}, "--wipe '2': expected moving or a number from 0 to 1"},
               {{"a.mkv", "a.mkv", "--out", "o", "--gain", "nan"}, "--gain 'nan'"},
               {{"a.mkv", "a.mkv", "--out", "o", "--zoom", "0"}, "--zoom '0'"},
               {{"a.mkv", "a.mkv", "--out", "o", "--filter", "nearest"}, "--filter has no effect without --size"},
               {{"a.mkv", "a.mkv", "--out", "o", "--rate", "slow"}, "slow"},
               {{"a.mkv", "a.mkv", "--out", "a.mkv/o"}, "is a file, not a folder"}};
  const std::vector<std::string> before = Names();
  for (const auto& c : cases) {
    std::vector<std::string> args = {"compare"};
    args.insert(args.end(), c.args.begin(), c.args.end());
    const ProcessResult result = Run(args);
    EXPECT_EQ(result.status, 2) << c.part << "\n" << result.err;
    EXPECT_TRUE(result.err.starts_with("sparge: error: ")) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_NE(result.err.find(c.part), std::string::npos) << c.part << " in\n" << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(Names(), before) << c.part;
  }
}

TEST_F(CompareCommand, AlignedAsTold) {
  Source("a.mkv", "null");
  Source("b.mkv", "null", "32x24");
  const ProcessResult result =
      Run({"compare", "a.mkv",   "b.mkv", "--out",        "o",      "--size", "smallest", "--filter",
           "lanczos", "--shift", "B:+1",  "--difference", "signed", "--gain", "2",        "--wipe",
           "0.5",     "--zoom",  "2",     "--columns",    "3"});
  ASSERT_EQ(result.status, 0) << result.err;
  const nlohmann::json metrics = ReadJSON("o/metrics.json");
  EXPECT_EQ(metrics["clock"]["frames"], 7);
  EXPECT_EQ(metrics["clock"]["width"], 32);
  EXPECT_EQ(metrics["reference"]["aligned"]["resized"]["filter"], "lanczos");
  EXPECT_EQ(metrics["others"][0]["aligned"]["skipped_frames"], 1);
}

}  // namespace
}  // namespace app
