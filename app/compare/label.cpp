#include "app/compare/label.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "app/settings/table.h"
#include "app/settings/text.h"
#include "app/settings/value.h"

namespace app {
namespace {

// Settings of where and how files are written say nothing about the pictures.
bool ChangesPictures(const Setting& setting) { return setting.hashed && setting.group != "outputs"; }

// A value out of a file, which may be of any shape.
std::string ValueText(const std::string& key, const nlohmann::json& value) {
  constexpr size_t kMaxBytes = 200;
  std::string text =
      value.is_structured() ? value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) : ToText(value);
  if (key == "model" && value.is_string()) text = std::filesystem::path(text).filename().string();
  return text.size() > kMaxBytes ? std::string(CutUTF8(text, kMaxBytes)) + "…" : text;
}

// "topk 0.3"; the attention's mode and a prompt speak for themselves.
std::string Words(const std::string& key, const std::string& value) {
  if (key == "attention.mode" || key == "model") return value;
  if (key == "prompt") return "“" + value + "”";
  std::string name = key.substr(key.rfind('.') + 1);
  std::replace(name.begin(), name.end(), '_', ' ');
  return name + " " + value;
}

}  // namespace

std::string Fixed(double value, int digits) {
  if (std::isnan(value)) return "";
  if (std::isinf(value)) return "inf";
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.*f", digits, value);
  return buffer;
}

std::string MetricsText(double psnr, double ssim) {
  return std::isinf(psnr) ? "identical" : "PSNR " + Fixed(psnr, 2) + " dB, SSIM " + Fixed(ssim, 4);
}

std::vector<DifferingSetting> DifferingSettings(const std::vector<SourceInfo>& sources) {
  std::vector<DifferingSetting> differing;
  for (const Setting& setting : Settings()) {
    const std::string key(setting.key);
    if (!ChangesPictures(setting)) continue;
    DifferingSetting row{key, {}};
    std::vector<std::string> known;
    for (const SourceInfo& source : sources) {
      const auto& job = source.provenance.job;
      const bool has_job = job.is_object();
      // A key that an older job does not have is as good as none.
      const std::string text = has_job ? ValueText(key, job.contains(key) ? job[key] : nlohmann::json()) : "";
      row.values.push_back(text);
      if (has_job) known.push_back(text);
    }
    const bool same = std::all_of(known.begin(), known.end(), [&](const std::string& v) { return v == known[0]; });
    if (!same) differing.push_back(std::move(row));
  }
  return differing;
}

std::vector<SourceLabel> LabelsOf(const std::vector<SourceInfo>& sources) {
  const std::vector<DifferingSetting> differing = DifferingSettings(sources);
  std::vector<SourceLabel> labels;
  for (size_t i = 0; i < sources.size(); ++i) {
    SourceLabel label;
    label.letter = LetterOf(i);
    const Provenance& provenance = sources[i].provenance;
    std::vector<std::string> words;
    for (const DifferingSetting& setting : differing) {
      const std::string& value = setting.values[i];
      if (!value.empty() && value != "none") words.push_back(Words(setting.key, value));
    }
    label.title = words.empty() ? sources[i].name : Join(words, ", ");
    std::vector<std::string> details;
    if (provenance.seconds() >= 0) details.push_back(Fixed(provenance.seconds(), 1) + " s");
    if (provenance.sparsity() >= 0) details.push_back(Fixed(100 * provenance.sparsity(), 0) + " % skipped");
    label.details = Join(details, ", ");
    labels.push_back(label);
  }
  for (size_t i = 0; i < labels.size(); ++i) {
    for (size_t j = i + 1; j < labels.size(); ++j) {
      if (labels[i].title != labels[j].title) continue;
      labels[i].title = sources[i].name;
      labels[j].title = sources[j].name;
    }
  }
  return labels;
}

}  // namespace app
