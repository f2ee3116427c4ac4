#pragma once

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

namespace app {

// The probability of at least `correct` right answers in `trials` by guessing: exact, of the binomial distribution with
// p = 1/2 (one-sided). Trials up to 1000.
double ABXPValue(int correct, int trials);

// A blind test: in every trial X is A or B by a fair coin, and the listener says which. Nothing tells X before the end.
class ABXTest {
 public:
  static constexpr int kMostTrials = 100;

  // `trials` 1…kMostTrials. `seed` draws every X.
  ABXTest(int trials, uint64_t seed);

  bool x_is_a() const { return x_is_a_[static_cast<size_t>(std::min(trial(), trials() - 1))]; }
  void Answer(bool x_is_a);

  int trial() const { return static_cast<int>(answers_.size()); }  // that is to be answered, from 0
  int trials() const { return static_cast<int>(x_is_a_.size()); }
  bool finished() const { return trial() == trials(); }
  int correct() const;  // of those answered
  double p_value() const { return ABXPValue(correct(), trial()); }

  // `a`, `b`: the clips, as the caller describes them.
  nlohmann::json Record(const nlohmann::json& a, const nlohmann::json& b, const std::string& finished_at) const;

 private:
  std::vector<bool> x_is_a_, answers_;
};

}  // namespace app
