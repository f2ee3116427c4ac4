#include "app/report/report.h"

#include <filesystem>
#include <fstream>

#include "app/report/batch_data.h"
#include "app/report/page.h"
#include "app/report/report_csv.h"
#include "attention/base/atomic_file.h"
#include "attention/base/error.h"

namespace app {
namespace {

// A file of the report's name that is none of ours is left alone.
void CheckReplaceable(const std::string& path, const std::string& mark) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return;
  std::string head(4096, '\0');
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(in.gcount()));
  base::Check(head.empty() || head.find(mark) != std::string::npos, base::ErrorCode::kInvalidInput, path,
              " is there and is no report of ours: move it away");
}

}  // namespace

ReportFiles WriteReport(const std::string& target, pipeline::Progress& progress) {
  const BatchData data = ReadBatch(target, progress);
  ReportFiles files;
  files.html = data.folder + "/report.html";
  files.csv = data.folder + "/report.csv";
  CheckReplaceable(files.html, "content=\"Sparge Studio report\"");
  CheckReplaceable(files.csv, kReportCSVHead);
  base::AtomicFile html(files.html), csv(files.csv);
  WriteReportCSV(data, [&](std::string_view text) { csv.Write(text); });
  WritePage(
      data, {}, [&](std::string_view text) { html.Write(text); }, progress);
  csv.Commit();
  html.Commit();
  files.notices = data.notices;
  files.done = data.Count(ReportJob::State::kDone);
  files.failed = data.Count(ReportJob::State::kFailed);
  files.left = data.Count(ReportJob::State::kLeft);
  return files;
}

}  // namespace app
