// What `make quality` measures with (scripts/quality.sh).
//   toybox_quality list PAIRS.json                       one line a pair: number, seed, prompt, separated by tabs
//   toybox_quality measure PAIRS.json CLIPS_DIR OUT_DIR  looks at CLIPS_DIR/NNN (a folder of PNG frames); prints a
//   table,
//                                                        writes results.csv, results.json and sheet_N.png to OUT_DIR;
//                                                        status 1 when a bar is missed or a clip is not there
//   toybox_quality calibration                           how often the detector is right on ray-traced clips
#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "attention/base/error.h"
#include "tests/quality/contact_sheet.h"
#include "tests/quality/detector.h"

namespace {

using quality::AttributeName;
using quality::kNumAttributes;
using quality::Scene;
using quality::Words;
namespace fs = std::filesystem;

constexpr int kCalibrationClips = 400, kCalibrationSequence = 1, kCheckSequence = 2;
// What the demo model has to reach, by attribute; sky has no bar.
constexpr std::array<double, kNumAttributes> kBars = {0.95, 0.90, 0.90, 0.95, 0.0};
constexpr int kPairsPerSheet = 25, kSheetEvery = 4, kSheetFramePx = 128;

struct Pair {
  std::string prompt;
  int64_t seed = 0;
  Scene asked = {};
};

struct Outcome {
  int number = 0;
  std::optional<Scene> seen;

  bool Right(const Pair& pair, int attribute) const { return seen && (*seen)[attribute] == pair.asked[attribute]; }
  bool AllRight(const Pair& pair) const { return seen && *seen == pair.asked; }
};

std::vector<Pair> ReadPairs(const std::string& path) {
  std::ifstream file(path);
  base::Check(file.good(), base::ErrorCode::kInvalidInput, path, ": cannot be read");
  std::vector<Pair> pairs;
  for (const auto& entry : nlohmann::json::parse(file)) {
    Pair pair;
    pair.prompt = entry.at("prompt").get<std::string>();
    pair.seed = entry.at("seed").get<int64_t>();
    for (int a = 0; a < kNumAttributes; ++a) {
      pair.asked[a] = quality::WordIndex(a, entry.at(AttributeName(a)).get<std::string>());
    }
    pairs.push_back(pair);
  }
  return pairs;
}

int NumThreads() { return static_cast<int>(std::max(1u, std::thread::hardware_concurrency())); }

std::string Number(int i) {
  char text[16];
  std::snprintf(text, sizeof text, "%03d", i);
  return text;
}

std::string SeenWord(const Outcome& outcome, int attribute) {
  return outcome.seen ? Words(attribute)[(*outcome.seen)[attribute]] : "none";
}

int List(const std::string& pairs_path) {
  const auto pairs = ReadPairs(pairs_path);
  for (size_t i = 0; i < pairs.size(); ++i) {
    std::cout << Number(static_cast<int>(i)) << '\t' << pairs[i].seed << '\t' << pairs[i].prompt << '\n';
  }
  return 0;
}

int Calibration() {
  const auto detector = quality::Detector::Calibrate(kCalibrationClips, kCalibrationSequence, NumThreads());
  const auto accuracy = quality::AccuracyOnTrueClips(detector, kCalibrationClips, kCheckSequence, NumThreads());
  std::printf("calibrated on %d ray-traced clips, right on %d others:", kCalibrationClips, kCalibrationClips);
  for (int a = 0; a < kNumAttributes; ++a) std::printf("  %s %.3f", AttributeName(a).c_str(), accuracy[a]);
  std::printf("\n");
  return 0;
}

// A field of a CSV line: quoted where it holds a comma. Prompts hold no quotation marks.
std::string CsvField(const std::string& text) { return text.find(',') == std::string::npos ? text : '"' + text + '"'; }

void WriteResults(const std::string& folder, const std::vector<Pair>& pairs, const std::vector<Outcome>& outcomes,
                  const nlohmann::ordered_json& shares) {
  std::ofstream csv(folder + "/results.csv");
  csv << "pair,seed,prompt";
  for (int a = 0; a < kNumAttributes; ++a) csv << ',' << AttributeName(a) << ',' << AttributeName(a) << "_seen";
  csv << ",all_right\n";
  nlohmann::ordered_json items = nlohmann::ordered_json::array();
  for (const Outcome& outcome : outcomes) {
    const Pair& pair = pairs[outcome.number];
    nlohmann::ordered_json item = {{"pair", outcome.number}, {"seed", pair.seed}, {"prompt", pair.prompt}};
    csv << outcome.number << ',' << pair.seed << ',' << CsvField(pair.prompt);
    for (int a = 0; a < kNumAttributes; ++a) {
      csv << ',' << Words(a)[pair.asked[a]] << ',' << SeenWord(outcome, a);
      item["asked"][AttributeName(a)] = Words(a)[pair.asked[a]];
      item["seen"][AttributeName(a)] = SeenWord(outcome, a);
    }
    csv << ',' << outcome.AllRight(pair) << '\n';
    items.push_back(item);
  }
  std::ofstream json(folder + "/results.json");
  json << nlohmann::ordered_json{{"shares", shares}, {"pairs", items}}.dump(1) << '\n';
  csv.close();
  json.close();
  base::Check(csv && json, base::ErrorCode::kIo, folder, ": results cannot be written");
}

std::string Label(const Pair& pair, const Outcome& outcome) {
  std::string label = Number(outcome.number) + "  " + pair.prompt;
  for (int a = 0; a < kNumAttributes; ++a) {
    if (!outcome.Right(pair, a)) label += "   [" + AttributeName(a) + ": " + SeenWord(outcome, a) + "]";
  }
  return label;
}

int MeasureAll(const std::string& pairs_path, const std::string& clips, const std::string& folder) {
  const auto pairs = ReadPairs(pairs_path);
  const auto detector = quality::Detector::Calibrate(kCalibrationClips, kCalibrationSequence, NumThreads());
  fs::create_directories(folder);
  std::vector<Outcome> outcomes;
  std::vector<quality::SheetRow> rows;
  int sheets = 0;
  const auto flush = [&] {
    if (rows.empty()) return;
    const std::string path = folder + "/sheet_" + std::to_string(++sheets) + ".png";
    quality::WritePng(path, quality::ContactSheet(rows, kSheetEvery, kSheetFramePx, 1));
    rows.clear();
  };
  for (int i = 0; i < static_cast<int>(pairs.size()); ++i) {
    const std::string path = clips + "/" + Number(i);
    if (!fs::exists(path)) continue;
    const auto clip = quality::ReadClip(path);
    outcomes.push_back({i, detector.Look(clip)});
    rows.push_back({Label(pairs[i], outcomes.back()), clip});
    if (rows.size() == kPairsPerSheet) flush();
  }
  flush();
  base::Check(!outcomes.empty(), base::ErrorCode::kInvalidInput, clips, ": none of the pairs' clips is there");

  bool held = outcomes.size() == pairs.size();
  const double count = static_cast<double>(outcomes.size());
  nlohmann::ordered_json shares = {{"pairs", outcomes.size()}};
  std::printf("%-8s  right  share    bar\n", "");
  for (int a = 0; a < kNumAttributes; ++a) {
    const auto right =
        std::count_if(outcomes.begin(), outcomes.end(), [&](const Outcome& o) { return o.Right(pairs[o.number], a); });
    const double share = static_cast<double>(right) / count;
    const bool missed = share < kBars[a];
    held = held && !missed;
    shares[AttributeName(a)] = share;
    std::printf("%-8s  %5d  %5.3f  %5.2f%s\n", AttributeName(a).c_str(), static_cast<int>(right), share, kBars[a],
                missed ? "  MISSED" : "");
  }
  const auto all =
      std::count_if(outcomes.begin(), outcomes.end(), [&](const Outcome& o) { return o.AllRight(pairs[o.number]); });
  shares["all"] = static_cast<double>(all) / count;
  std::printf("%-8s  %5d  %5.3f      of %zu clips, %zu pairs\n", "all", static_cast<int>(all), all / count,
              outcomes.size(), pairs.size());
  for (const Outcome& outcome : outcomes) {
    if (!outcome.AllRight(pairs[outcome.number])) std::printf("  %s\n", Label(pairs[outcome.number], outcome).c_str());
  }
  WriteResults(folder, pairs, outcomes, shares);
  return held ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments.size() == 2 && arguments[0] == "list") return List(arguments[1]);
    if (arguments.size() == 4 && arguments[0] == "measure") return MeasureAll(arguments[1], arguments[2], arguments[3]);
    if (arguments.size() == 1 && arguments[0] == "calibration") return Calibration();
    std::cerr << "usage: toybox_quality list PAIRS.json | measure PAIRS.json CLIPS_DIR OUT_DIR | calibration\n";
  } catch (const std::exception& e) {
    std::cerr << "toybox_quality: error: " << e.what() << "\n";
  }
  return 2;
}
