#include "app/report/report_csv.h"

#include "app/settings/text.h"
#include "attention/base/error.h"

namespace app {
namespace {

using nlohmann::json;

std::string Text(const json& error, const char* key) {
  const json value = error.is_object() ? error.value(key, json()) : json();
  return value.is_string() ? value.get<std::string>() : value.is_number() ? value.dump() : "";
}

std::string Number(std::optional<double> value) { return value ? ShortestNumber(*value) : ""; }

const char* StateName(ReportJob::State state) {
  return state == ReportJob::State::kDone ? "done" : state == ReportJob::State::kFailed ? "failed" : "left";
}

// A value of a setting: numbers as they are, which may begin with a minus.
std::string SettingCell(const ReportJob& job, const std::string& key) {
  if (!job.settings.contains(key)) return "";
  const std::string text = job.Setting(key);
  return job.settings[key].is_number() ? text : CSVText(text);
}

}  // namespace

std::string CSVText(const std::string& text) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  const bool valid = IsValidUTF8(text);
  std::string clean;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool bad = (byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7F || (byte >= 0x80 && !valid);
    if (bad) {
      clean += kReplacement;
    } else {
      clean += c;
    }
  }
  const size_t first = clean.find_first_not_of(" \t\n");
  const std::string_view rest = first == std::string::npos ? std::string_view() : std::string_view(clean).substr(first);
  bool formula = clean.starts_with("\t") || clean.starts_with("\n");
  for (const char* sign : {"=", "+", "-", "@", "＝", "＋", "－", "＠"}) formula = formula || rest.starts_with(sign);
  if (formula) clean.insert(0, "'");
  if (clean.find_first_of(",\"\n'; \t") == std::string::npos) return clean;
  std::string quoted = "\"";
  for (const char c : clean) quoted += c == '"' ? std::string("\"\"") : c == '\n' ? "\r\n" : std::string(1, c);
  return quoted + "\"";
}

void WriteReportCSV(const BatchData& data, const Sink& out) {
  out(kReportCSVHead);
  out("seconds,load_s,encode_s,denoise_s,decode_s,write_s,speedup,sparsity,attention_share,psnr_db,ssim,flicker,"
      "identical,measured_on,fallback_calls,redone_steps,peak_memory_bytes,host,process,device,dtype,version,"
      "model_info,"
      "outputs,comparison");
  for (const std::string& key : data.varying) out("," + CSVText(key));
  out("\r\n");
  for (const ReportJob& job : data.jobs) {
    const Attempt* last = job.last();
    const json error = last != nullptr && job.state != ReportJob::State::kDone ? last->error : json();
    const auto count = [&](int64_t value) { return job.sidecar.empty() ? "" : std::to_string(value); };
    std::vector<std::string> row = {CSVText(job.name),
                                    CSVText(job.variant),
                                    std::to_string(job.index),
                                    StateName(job.state),
                                    CSVText(job.note),
                                    CSVText(job.hash),
                                    std::to_string(job.attempts.size()),
                                    CSVText(Text(error, "cause")),
                                    CSVText(Text(error, "stage")),
                                    CSVText(Text(error, "step")),
                                    CSVText(Text(error, "message")),
                                    CSVText(last != nullptr ? last->started : ""),
                                    Number(job.Seconds()),
                                    Number(job.load_s),
                                    Number(job.encode_s),
                                    Number(job.denoise_s),
                                    Number(job.decode_s),
                                    Number(job.write_s),
                                    Number(job.speedup),
                                    Number(job.sparsity),
                                    Number(job.attention_share),
                                    job.identical ? "inf" : Number(job.psnr_db),
                                    Number(job.ssim),
                                    Number(job.flicker),
                                    job.ssim ? (job.identical ? "true" : "false") : "",
                                    CSVText(job.measured_on),
                                    count(job.fallbacks),
                                    count(job.redone_steps),
                                    job.peak_memory_bytes > 0 ? std::to_string(job.peak_memory_bytes) : "",
                                    CSVText(last != nullptr ? last->host : ""),
                                    CSVText(last != nullptr ? last->process : ""),
                                    CSVText(job.device),
                                    CSVText(job.dtype),
                                    CSVText(job.version),
                                    CSVText(job.model),
                                    CSVText(Join(job.outputs, " ")),
                                    CSVText(job.comparison)};
    for (const std::string& key : data.varying) row.push_back(SettingCell(job, key));
    out(Join(row, ",") + "\r\n");
  }
}

}  // namespace app
