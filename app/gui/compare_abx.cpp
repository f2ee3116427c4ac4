#include "app/gui/compare_abx.h"

#include <cmath>

namespace app {

double ABXPValue(int correct, int trials) {
  if (correct <= 0) return 1;
  // Σ C(n, i) 2⁻ⁿ from i = correct, each term from the one before, the first by its logarithm.
  const double n = trials;
  double term =
      std::exp(std::lgamma(n + 1) - std::lgamma(correct + 1.0) - std::lgamma(n - correct + 1) - n * std::log(2.0));
  double sum = 0;
  for (int i = correct; i <= trials; ++i) {
    sum += term;
    term *= (n - i) / (i + 1.0);
  }
  return std::min(1.0, sum);
}

ABXTest::ABXTest(int trials, uint64_t seed) {
  std::mt19937_64 random(seed);
  for (int i = 0; i < std::clamp(trials, 1, kMostTrials); ++i) x_is_a_.push_back((random() >> 63) != 0);
}

void ABXTest::Answer(bool x_is_a) {
  if (!finished()) answers_.push_back(x_is_a);
}

int ABXTest::correct() const {
  int count = 0;
  for (size_t i = 0; i < answers_.size(); ++i) count += answers_[i] == x_is_a_[i];
  return count;
}

nlohmann::json ABXTest::Record(const nlohmann::json& a, const nlohmann::json& b, const std::string& finished_at) const {
  nlohmann::json trials = nlohmann::json::array();
  for (size_t i = 0; i < answers_.size(); ++i) {
    trials.push_back({{"x", x_is_a_[i] ? "A" : "B"}, {"answer", answers_[i] ? "A" : "B"}});
  }
  return {{"schema", 1},
          {"test", "abx"},
          {"finished_at", finished_at},
          {"a", a},
          {"b", b},
          {"num_trials", trial()},
          {"correct", correct()},
          {"p_value", p_value()},
          {"p_value_is", "probability of at least this many right answers by guessing (exact binomial, one-sided)"},
          {"trials", trials}};
}

}  // namespace app
