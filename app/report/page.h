#pragma once

#include <string>

#include "app/report/batch_data.h"
#include "app/report/html.h"

namespace app {

struct PageOptions {
  int64_t most_clip_bytes = 20'000'000;      // larger clips are linked
  int64_t most_embedded_bytes = 96'000'000;  // of all clips together; from there on they are linked
  size_t most_pictures = 1500;
  size_t most_blanks = 500;  // in place of clips that are not there
};

// Of the table of jobs.
inline constexpr size_t kMostRows = 5000;

// report.html, piece by piece. Progress: Stage::kWrite in clips. Throws base::Error{kCancelled}.
void WritePage(const BatchData& data, const PageOptions& options, const Sink& out, pipeline::Progress& progress);

// Its parts, in their order.
void WriteSummary(const BatchData& data, const Sink& out);
void WriteFailures(const BatchData& data, const Sink& out);
void WriteLeft(const BatchData& data, const Sink& out);
void WriteClips(const BatchData& data, const PageOptions& options, const Sink& out, pipeline::Progress& progress);
void WriteMeasures(const BatchData& data, const Sink& out);
void WriteSkipMaps(const BatchData& data, const Sink& out);
void WriteTimeline(const BatchData& data, const Sink& out);
void WriteSlowest(const BatchData& data, const Sink& out);
void WriteJobsTable(const BatchData& data, const Sink& out);
void WriteMachines(const BatchData& data, const Sink& out);

// A link to a job's row in the table; the title alone where it has none.
std::string JobLink(const BatchData& data, const ReportJob& job);

// <table>: a header cell by which rows can be sorted, and cells.
std::string Head(const std::string& title, bool number = true);
std::string Cell(const std::string& html, bool number = false);
std::string NumberCell(std::optional<double> value, const std::string& text);

// What the page looks like, and what it does.
extern const char kPageStyle[], kPageScript[];

}  // namespace app
