#pragma once

#include <string>

#include "app/report/batch_data.h"
#include "app/report/html.h"

namespace app {

// What every report.csv begins with.
inline constexpr char kReportCSVHead[] =
    "name,variant,index,state,note,hash,attempts,cause,stage,step,message,started,";

// report.csv: RFC 4180 (CRLF, quotes), UTF-8, a head, then a row a job; settings that are not the same in all jobs have
// a column each, at the end. Empty where nothing is known.
void WriteReportCSV(const BatchData& data, const Sink& out);

// One cell of text. What a spreadsheet would take for a formula (= + - @ at the beginning, also after blanks or in its
// wide forms) gets a ' before it; bytes that are no UTF-8 and control characters become U+FFFD.
std::string CSVText(const std::string& text);

}  // namespace app
