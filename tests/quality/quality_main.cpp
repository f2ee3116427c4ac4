// What `make quality` measures with (scripts/quality.sh).
//   toybox_quality list PAIRS.json                       one line a pair: number, seed, prompt, separated by tabs
//   toybox_quality measure PAIRS.json CLIPS_DIR OUT_DIR  looks at CLIPS_DIR/NNN (a folder of PNG frames); prints a
//   table,
//                                                        writes results.csv, results.json and sheet_N.png to OUT_DIR;
//                                                        status 1 when a bar is missed or a clip is not there
//   toybox_quality calibration                           how often the detectors are right on ray-traced clips
// PAIRS.json holds scenes of one moving object, or, where its entries have the key `camera`, scenes at rest
// (stills.json).
#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "attention/base/error.h"
#include "tests/quality/contact_sheet.h"
#include "tests/quality/detector.h"
#include "tests/quality/still_detector.h"

namespace {

namespace fs = std::filesystem;

constexpr int kCalibrationClips = 400, kCalibrationSequence = 1, kCheckSequence = 2;
constexpr int kPairsPerSheet = 25, kSheetEvery = 4, kSheetFramePx = 128;

// An index of a word for each attribute.
using Codes = std::vector<int>;

template <class Array>
Codes ToCodes(const Array& scene) {
  return Codes(scene.begin(), scene.end());
}

template <class Array>
Array FromCodes(const Codes& codes) {
  Array scene;
  std::copy(codes.begin(), codes.end(), scene.begin());
  return scene;
}

// What sort of scenes is measured: its attributes, what has to be reached of each, and the eye for it.
class Kind {
 public:
  virtual ~Kind() = default;
  virtual int num_attributes() const = 0;
  virtual const std::string& name(int attribute) const = 0;
  virtual const std::vector<std::string>& words(int attribute) const = 0;
  virtual int word_index(int attribute, const std::string& word) const = 0;
  virtual double bar(int attribute) const = 0;
  virtual void Calibrate(int threads) = 0;
  // After Calibrate. `asked` says how many objects to look for and which of two is told first, nothing else.
  virtual std::optional<Codes> Look(const quality::Clip& clip, const Codes& asked) const = 0;
};

class MovingObjects : public Kind {
 public:
  int num_attributes() const override { return quality::kNumAttributes; }
  const std::string& name(int a) const override { return quality::AttributeName(a); }
  const std::vector<std::string>& words(int a) const override { return quality::Words(a); }
  int word_index(int a, const std::string& word) const override { return quality::WordIndex(a, word); }
  double bar(int a) const override {
    static constexpr std::array<double, quality::kNumAttributes> kBars = {0.95, 0.90, 0.90, 0.95, 0.0};  // sky: none
    return kBars.at(a);
  }
  void Calibrate(int threads) override {
    detector_ = quality::Detector::Calibrate(kCalibrationClips, kCalibrationSequence, threads);
  }
  std::optional<Codes> Look(const quality::Clip& clip, const Codes&) const override {
    const auto seen = detector_.Look(clip);
    return seen ? std::optional(ToCodes(*seen)) : std::nullopt;
  }

 private:
  quality::Detector detector_;
};

class ObjectsAtRest : public Kind {
 public:
  int num_attributes() const override { return quality::kNumStillAttributes; }
  const std::string& name(int a) const override { return quality::StillAttributeName(a); }
  const std::vector<std::string>& words(int a) const override { return quality::StillWords(a); }
  int word_index(int a, const std::string& word) const override { return quality::StillWordIndex(a, word); }
  double bar(int) const override { return 0.90; }
  void Calibrate(int threads) override {
    for (const bool pair : {false, true}) {
      detectors_[pair] = quality::StillDetector::Calibrate(kCalibrationClips, kCalibrationSequence, pair, threads);
    }
  }
  std::optional<Codes> Look(const quality::Clip& clip, const Codes& asked) const override {
    const auto scene = FromCodes<quality::StillScene>(asked);
    const auto seen = detectors_[quality::IsPair(scene)].Look(clip);
    return seen ? std::optional(ToCodes(quality::ToldAs(*seen, scene))) : std::nullopt;
  }

 private:
  std::array<quality::StillDetector, 2> detectors_;  // of one object, of two
};

struct Pair {
  std::string prompt;
  int64_t seed = 0;
  Codes asked;
};

struct Outcome {
  int number = 0;
  std::optional<Codes> seen;

  bool Right(const Pair& pair, int attribute) const { return seen && (*seen)[attribute] == pair.asked[attribute]; }
  bool AllRight(const Pair& pair) const { return seen && *seen == pair.asked; }
};

nlohmann::json ReadJson(const std::string& path) {
  std::ifstream file(path);
  base::Check(file.good(), base::ErrorCode::kInvalidInput, path, ": cannot be read");
  return nlohmann::json::parse(file);
}

std::unique_ptr<Kind> KindOf(const nlohmann::json& entries) {
  if (!entries.empty() && entries[0].contains("camera")) return std::make_unique<ObjectsAtRest>();
  return std::make_unique<MovingObjects>();
}

std::vector<Pair> PairsOf(const nlohmann::json& entries, const Kind& kind) {
  std::vector<Pair> pairs;
  for (const auto& entry : entries) {
    Pair pair;
    pair.prompt = entry.at("prompt").get<std::string>();
    pair.seed = entry.at("seed").get<int64_t>();
    for (int a = 0; a < kind.num_attributes(); ++a) {
      pair.asked.push_back(kind.word_index(a, entry.at(kind.name(a)).get<std::string>()));
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

std::string SeenWord(const Kind& kind, const Outcome& outcome, int attribute) {
  return outcome.seen ? kind.words(attribute)[(*outcome.seen)[attribute]] : "nothing";
}

int List(const std::string& pairs_path) {
  const auto entries = ReadJson(pairs_path);
  const auto pairs = PairsOf(entries, *KindOf(entries));
  for (size_t i = 0; i < pairs.size(); ++i) {
    std::cout << Number(static_cast<int>(i)) << '\t' << pairs[i].seed << '\t' << pairs[i].prompt << '\n';
  }
  return 0;
}

template <class Accuracy>
void PrintCalibration(const char* of, const Accuracy& accuracy, const Kind& kind) {
  std::printf("%s: calibrated on %d ray-traced clips, right on %d others:", of, kCalibrationClips, kCalibrationClips);
  for (int a = 0; a < kind.num_attributes(); ++a) std::printf("  %s %.3f", kind.name(a).c_str(), accuracy[a]);
  std::printf("\n");
}

int Calibration() {
  const int threads = NumThreads();
  const auto moving = quality::Detector::Calibrate(kCalibrationClips, kCalibrationSequence, threads);
  PrintCalibration("one moving object",
                   quality::AccuracyOnTrueClips(moving, kCalibrationClips, kCheckSequence, threads), MovingObjects());
  for (const bool pair : {false, true}) {
    const auto still = quality::StillDetector::Calibrate(kCalibrationClips, kCalibrationSequence, pair, threads);
    PrintCalibration(pair ? "two objects" : "one object, camera moves",
                     quality::AccuracyOnTrueStills(still, kCalibrationClips, kCheckSequence, pair, threads),
                     ObjectsAtRest());
  }
  return 0;
}

// A field of a CSV line: quoted where it holds a comma. Prompts hold no quotation marks.
std::string CsvField(const std::string& text) { return text.find(',') == std::string::npos ? text : '"' + text + '"'; }

void WriteResults(const Kind& kind, const std::string& folder, const std::vector<Pair>& pairs,
                  const std::vector<Outcome>& outcomes, const nlohmann::ordered_json& shares) {
  std::ofstream csv(folder + "/results.csv");
  csv << "pair,seed,prompt";
  for (int a = 0; a < kind.num_attributes(); ++a) csv << ',' << kind.name(a) << ',' << kind.name(a) << "_seen";
  csv << ",all_right\n";
  nlohmann::ordered_json items = nlohmann::ordered_json::array();
  for (const Outcome& outcome : outcomes) {
    const Pair& pair = pairs[outcome.number];
    nlohmann::ordered_json item = {{"pair", outcome.number}, {"seed", pair.seed}, {"prompt", pair.prompt}};
    csv << outcome.number << ',' << pair.seed << ',' << CsvField(pair.prompt);
    for (int a = 0; a < kind.num_attributes(); ++a) {
      csv << ',' << kind.words(a)[pair.asked[a]] << ',' << SeenWord(kind, outcome, a);
      item["asked"][kind.name(a)] = kind.words(a)[pair.asked[a]];
      item["seen"][kind.name(a)] = SeenWord(kind, outcome, a);
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

std::string Label(const Kind& kind, const Pair& pair, const Outcome& outcome) {
  std::string label = Number(outcome.number) + "  " + pair.prompt;
  for (int a = 0; a < kind.num_attributes(); ++a) {
    if (!outcome.Right(pair, a)) label += "   [" + kind.name(a) + ": " + SeenWord(kind, outcome, a) + "]";
  }
  return label;
}

int MeasureAll(const std::string& pairs_path, const std::string& clips, const std::string& folder) {
  const auto entries = ReadJson(pairs_path);
  const auto kind = KindOf(entries);
  const auto pairs = PairsOf(entries, *kind);
  kind->Calibrate(NumThreads());
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
    outcomes.push_back({i, kind->Look(clip, pairs[i].asked)});
    rows.push_back({Label(*kind, pairs[i], outcomes.back()), clip});
    if (rows.size() == kPairsPerSheet) flush();
  }
  flush();
  base::Check(!outcomes.empty(), base::ErrorCode::kInvalidInput, clips, ": none of the pairs' clips is there");

  bool held = outcomes.size() == pairs.size();
  const double count = static_cast<double>(outcomes.size());
  nlohmann::ordered_json shares = {{"pairs", outcomes.size()}};
  std::printf("%-13s  right  share    bar\n", "");
  for (int a = 0; a < kind->num_attributes(); ++a) {
    const auto right =
        std::count_if(outcomes.begin(), outcomes.end(), [&](const Outcome& o) { return o.Right(pairs[o.number], a); });
    const double share = static_cast<double>(right) / count;
    const bool missed = share < kind->bar(a);
    held = held && !missed;
    shares[kind->name(a)] = share;
    std::printf("%-13s  %5d  %5.3f  %5.2f%s\n", kind->name(a).c_str(), static_cast<int>(right), share, kind->bar(a),
                missed ? "  MISSED" : "");
  }
  const auto all =
      std::count_if(outcomes.begin(), outcomes.end(), [&](const Outcome& o) { return o.AllRight(pairs[o.number]); });
  shares["all"] = static_cast<double>(all) / count;
  std::printf("%-13s  %5d  %5.3f      of %zu clips, %zu pairs\n", "all", static_cast<int>(all), all / count,
              outcomes.size(), pairs.size());
  for (const Outcome& outcome : outcomes) {
    if (!outcome.AllRight(pairs[outcome.number]))
      std::printf("  %s\n", Label(*kind, pairs[outcome.number], outcome).c_str());
  }
  WriteResults(*kind, folder, pairs, outcomes, shares);
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
