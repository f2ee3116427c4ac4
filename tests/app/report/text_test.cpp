#include <gtest/gtest.h>

#include <cmath>

#include "app/report/html.h"
#include "app/report/report_csv.h"
#include "app/report/statistics.h"

namespace app {
namespace {

TEST(ReportText, EscapesForTextAndAttributes) {
  EXPECT_EQ(Escaped("</script><img src='x' onerror=\"a&b\">"),
            "&lt;/script&gt;&lt;img src=&#39;x&#39; onerror=&quot;a&amp;b&quot;&gt;");
  EXPECT_EQ(Escaped("a\nb\tc\r"), "a b c ");
  EXPECT_EQ(Escaped(std::string("a\0b\x1b\x7f", 5)),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(Escaped("\xC3\xA9\xFF\xC3"), "\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(Escaped("\xC0\xBC"), "\xEF\xBF\xBD\xEF\xBF\xBD");  // an overlong '<'
  EXPECT_EQ(Escaped("a\xE2\x80\xAE"
                    "b\xE2\x81\xA6"
                    "c\xD8\x9C"),
            "abc");  // directions turned
  EXPECT_EQ(EscapedShort("ééé", 3), "é…");
  EXPECT_EQ(EscapedShort("<<<<", 2), "&lt;&lt;…");
}

TEST(ReportText, LinksAreNeverSchemes) {
  EXPECT_EQ(LinkTo("/a/b/out/x y.mp4", "/a/b/jobs.manifest.d"), "../out/x%20y.mp4");
  EXPECT_EQ(LinkTo("/a/b/jobs.manifest.d/x.mp4", "/a/b/jobs.manifest.d"), "x.mp4");
  EXPECT_EQ(LinkTo("/c/\"><script>.mp4", "/a/b/m"), "file:///c/%22%3E%3Cscript%3E.mp4");
  EXPECT_EQ(LinkTo("javascript:alert(1)", "/a/b/m"), "file://javascript%3Aalert%281%29");
  EXPECT_EQ(LinkTo("/a/b/javascript:x", "/a/b/m"), "../javascript%3Ax");
  EXPECT_EQ(LinkTo("/a/b/m/javascript:x", "/a/b/m"), "javascript%3Ax");
}

TEST(ReportText, Base64OfEveryLength) {
  EXPECT_EQ(Base64(""), "");
  EXPECT_EQ(Base64("f"), "Zg==");  // RFC 4648, 10
  EXPECT_EQ(Base64("fo"), "Zm8=");
  EXPECT_EQ(Base64("foo"), "Zm9v");
  EXPECT_EQ(Base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(Base64("\xFF\xFE\xFD"), "//79");
}

TEST(ReportText, NumbersForPeople) {
  EXPECT_EQ(SecondsText(std::nullopt), "–");
  EXPECT_EQ(SecondsText(0.345), "0.34 s");
  EXPECT_EQ(SecondsText(12.34), "12.3 s");
  EXPECT_EQ(SecondsText(272), "4:32 min");
  EXPECT_EQ(SecondsText(3725), "1:02:05 h");
  EXPECT_EQ(PercentText(0.1234), "12.3 %");
  EXPECT_EQ(FixedText(NAN, 2), "–");
  EXPECT_EQ(CountText(0), "0");
  EXPECT_EQ(CountText(1234567), "1,234,567");
  EXPECT_EQ(CountText(-123), "-123");
}

TEST(ReportText, CSVCellsAreNoFormulas) {
  EXPECT_EQ(CSVText("a red ball"), "\"a red ball\"");
  EXPECT_EQ(CSVText("plain"), "plain");
  EXPECT_EQ(CSVText("say \"a\", b"), "\"say \"\"a\"\", b\"");
  EXPECT_EQ(CSVText("one\ntwo"), "\"one\r\ntwo\"");
  EXPECT_EQ(CSVText("=HYPERLINK(1)"), "\"'=HYPERLINK(1)\"");
  for (const char* start : {"=", "+", "-", "@", " =", "\t=", "\n@", "＝", "＠"}) {
    const std::string cell = CSVText(std::string(start) + "1+1");
    EXPECT_TRUE(cell.starts_with("\"'")) << cell;
  }
  EXPECT_EQ(CSVText(std::string("a\0b\r", 4)),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD");
  EXPECT_EQ(CSVText("a\xFF"), "a\xEF\xBF\xBD");
}

TEST(ReportStatistics, BootstrapOfAMean) {
  EXPECT_EQ(BootstrapMean({}).n, 0);
  const MeanInterval one = BootstrapMean({3});
  EXPECT_EQ(one.n, 1);
  EXPECT_DOUBLE_EQ(one.mean, 3);
  EXPECT_FALSE(one.low || one.high);
  const MeanInterval same = BootstrapMean({2, 2, 2});
  EXPECT_DOUBLE_EQ(*same.low, 2);
  EXPECT_DOUBLE_EQ(*same.high, 2);
  // Of two values the mean is 0, ½ or 1, with ¼, ½, ¼: 95 % reach from end to end.
  const MeanInterval two = BootstrapMean({0, 1});
  EXPECT_DOUBLE_EQ(two.mean, 0.5);
  EXPECT_DOUBLE_EQ(*two.low, 0);
  EXPECT_DOUBLE_EQ(*two.high, 1);
  // 0…99: the mean's standard error is 28.866 / 10 (the bootstrap's, without Bessel's correction).
  std::vector<double> values(100);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);
  const MeanInterval many = BootstrapMean(values);
  EXPECT_DOUBLE_EQ(many.mean, 49.5);
  EXPECT_NEAR(*many.low, 49.5 - 1.96 * 2.8866, 0.5);
  EXPECT_NEAR(*many.high, 49.5 + 1.96 * 2.8866, 0.5);
  const MeanInterval again = BootstrapMean(values);
  EXPECT_EQ(*again.low, *many.low);
  EXPECT_EQ(*again.high, *many.high);
}

ReportJob JobWith(const std::string& variant, int64_t seed, const std::string& prompt, double guidance) {
  ReportJob job;
  job.name = "a";
  job.variant = variant;
  job.settings = {{"seed", seed}, {"prompt", prompt}, {"guidance", guidance}};
  return job;
}

TEST(ReportStatistics, TheGridHasVariantsAcross) {
  std::vector<ReportJob> jobs;
  for (const char* prompt : {"p", "q"}) {
    for (const int64_t seed : {1, 2, 3}) {
      for (const char* variant : {"reference", "half"}) jobs.push_back(JobWith(variant, seed, prompt, 3));
    }
  }
  jobs.pop_back();  // a hole
  std::vector<const ReportJob*> list;
  for (const ReportJob& job : jobs) list.push_back(&job);
  const ClipGrid grid = LayOut(list, {"prompt", "seed"});
  EXPECT_EQ(grid.columns, (std::vector<std::string>{"reference", "half"}));
  ASSERT_EQ(grid.rows.size(), 6u);
  EXPECT_EQ(grid.rows[1], (std::vector<std::string>{"p", "seed 2"}));
  EXPECT_EQ(grid.cells[1][1], &jobs[3]);
  EXPECT_EQ(grid.cells[5][0], &jobs[10]);
  EXPECT_EQ(grid.cells[5][1], nullptr);
  EXPECT_TRUE(grid.flow.empty());
}

TEST(ReportStatistics, OneAxisIsARowOfClips) {
  std::vector<ReportJob> jobs = {JobWith("main", 1, "p", 2), JobWith("main", 2, "p", 2)};
  const ClipGrid grid = LayOut({&jobs[0], &jobs[1]}, {"seed"});
  EXPECT_TRUE(grid.columns.empty());
  ASSERT_EQ(grid.flow.size(), 2u);
  EXPECT_EQ(grid.flow[1].first, "seed 2");
  EXPECT_EQ(grid.flow[1].second, &jobs[1]);
}

// Every job of a list is somewhere, whatever the axes are like.
TEST(ReportStatistics, NoJobIsLost) {
  std::vector<ReportJob> jobs;
  for (int64_t i = 0; i < 60; ++i) {
    jobs.push_back(JobWith(i % 3 == 0 ? "reference" : "v1", i, i % 2 ? "p" : "q", static_cast<double>(i / 7)));
  }
  std::vector<const ReportJob*> list;
  for (const ReportJob& job : jobs) list.push_back(&job);
  const ClipGrid grid = LayOut(list, {"prompt", "guidance", "seed"});
  size_t found = grid.flow.size();
  for (const auto& row : grid.cells) {
    for (const ReportJob* job : row) found += job != nullptr;
  }
  EXPECT_EQ(found, jobs.size());
}

}  // namespace
}  // namespace app
