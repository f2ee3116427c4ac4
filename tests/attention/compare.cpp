#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <sstream>

#include "attention/cpu/kernels.h"
#include "tests/attention/support.h"

namespace attention::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool Near(double a, double b, double scale) { return std::abs(a - b) <= 1e-5 * std::max(1.0, scale); }

// At least a unit in the last place of x.
float LastPlace(DType dtype, float x) {
  const int bits = dtype == DType::kFloat32 ? 23 : dtype == DType::kBFloat16 ? 7 : 10;
  return std::max(std::ldexp(x, -bits), dtype == DType::kFloat16 ? std::ldexp(1.f, -24) : 0.f);
}

double RootMeanSquare(const std::vector<float>& values) {
  double squares = 0;
  for (const float x : values) squares += std::isfinite(x) ? static_cast<double>(x) * x : 0;
  return std::sqrt(squares / static_cast<double>(values.size()));
}

// Whether one of the rows attends to a value that is not finite: all rows of its group may then be poisoned.
bool ValuesPoison(const Shape& s, const Result& want, int64_t first, int64_t end) {
  for (int64_t row = first; row < end; ++row) {
    if (!std::isfinite(want.lse[static_cast<size_t>(row)])) continue;
    const auto o = want.o.begin() + row * s.value_dim;
    if (std::any_of(o, o + s.value_dim, [](float x) { return !std::isfinite(x); })) return true;
  }
  return false;
}

// The largest scale · Σ |q||k| there may be between finite rows.
double ScoreMagnitude(const Problem& problem) {
  const Case& c = problem.spec();
  const auto width = static_cast<size_t>(c.shape.head_dim);
  const auto largest = [&](const std::vector<float>& rows) {
    std::vector<double> most(width);
    for (size_t i = 0; i < rows.size(); ++i) {
      if (std::isfinite(rows[i])) most[i % width] = std::max(most[i % width], std::abs(static_cast<double>(rows[i])));
    }
    return most;
  };
  const std::vector<double> q = largest(problem.q()), k = largest(problem.k());
  double sum = 0;
  for (size_t d = 0; d < width; ++d) sum += q[d] * k[d];
  return std::abs(c.scale) * sum;
}

}  // namespace

Result Truth(const Problem& problem, const std::vector<uint8_t>& map) {
  const Case& c = problem.spec();
  const Shape& s = c.shape;
  Result truth;
  truth.map = map;
  for (int64_t bh = 0; bh < s.batch * s.query_heads; ++bh) {
    const int64_t batch = bh / s.query_heads, key_head = batch * s.key_heads + s.key_head(bh % s.query_heads);
    const float* k = problem.k().data() + key_head * s.key_length * s.head_dim;
    const float* v = problem.v().data() + key_head * s.key_length * s.value_dim;
    for (int64_t row = 0; row < s.query_length; ++row) {
      const float* q = problem.q().data() + (bh * s.query_length + row) * s.head_dim;
      const uint8_t* kept = map.data() + (bh * s.query_blocks() + row / kQueryBlock) * s.key_blocks();
      std::vector<double> score(static_cast<size_t>(KeysSeen(c, batch, row)), -kInfinity);
      double largest = -kInfinity, sum = 0;
      for (size_t t = 0; t < score.size(); ++t) {
        if (!kept[t / kKeyBlock]) continue;
        double dot = 0;
        for (int64_t d = 0; d < s.head_dim; ++d) {
          dot += static_cast<double>(q[d]) * k[static_cast<int64_t>(t) * s.head_dim + d];
        }
        score[t] = c.scale * dot;
        largest = std::max(largest, score[t]);
      }
      std::vector<double> o(static_cast<size_t>(s.value_dim));
      for (size_t t = 0; t < score.size(); ++t) {
        if (score[t] == -kInfinity) continue;
        const double p = std::exp(score[t] - largest);
        sum += p;
        for (size_t d = 0; d < o.size(); ++d) o[d] += p * v[t * o.size() + d];
      }
      for (const double x : o) truth.o.push_back(static_cast<float>(sum > 0 ? x / sum : 0));
      truth.lse.push_back(static_cast<float>(sum > 0 ? largest + std::log(sum) : -kInfinity));
    }
  }
  return truth;
}

bool IsNearTie(const Problem& problem, const reference::Trace& trace, int64_t batch, int64_t head, int64_t query_block,
               int64_t key_block) {
  const Case& c = problem.spec();
  const Shape& s = c.shape;
  if (c.window >= 0) return false;
  const HeadParameters parameters = c.heads.empty() ? HeadParameters{} : c.heads[static_cast<size_t>(head)];
  const int64_t nq = s.query_blocks(), nk = s.key_blocks(), bh = batch * s.query_heads + head;
  const float* key_sims = trace.key_sims.data() + (batch * s.key_heads + s.key_head(head)) * nk;
  const float* scores = trace.scores.data() + (bh * nq + query_block) * nk;
  if (Near(trace.query_sims[static_cast<size_t>(bh * nq + query_block)], parameters.theta, 1)) return true;
  std::vector<double> candidates;
  for (int64_t j = 0; j < nk; ++j) {
    if (!IsVisible(c, batch, query_block, j)) continue;
    // One key block more or less to choose from moves every other.
    if (Near(key_sims[j], parameters.theta, 1)) return true;
    if (key_sims[j] >= parameters.theta) candidates.push_back(scores[j]);
  }
  if (candidates.empty()) return false;
  const double mine = scores[key_block];
  for (int64_t j = 0; j < nk; ++j) {
    if (j == key_block || !IsVisible(c, batch, query_block, j)) continue;
    if (Near(scores[j], mine, std::max<double>(std::abs(scores[j]), std::abs(mine)))) return true;
  }
  std::sort(candidates.begin(), candidates.end(), std::greater<>());
  double largest_score = 0, total = 0, cumulative = 0;
  for (const double x : candidates) largest_score = std::max(largest_score, std::abs(x));
  for (const double x : candidates) total += std::exp(x - candidates[0]);
  for (const double x : candidates) {
    cumulative += std::exp(x - candidates[0]) / total;
    if (Near(cumulative, parameters.cdf + 1e-5, largest_score)) return true;
  }
  return false;
}

double RelativeL1(const std::vector<float>& got, const std::vector<float>& want) {
  double error = 0, norm = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    if (!std::isfinite(want[i])) continue;
    error += std::abs(static_cast<double>(got.at(i)) - want[i]);
    norm += std::abs(want[i]);
  }
  return error == 0 ? 0 : error / norm;
}

double RelativeL2(const std::vector<float>& got, const std::vector<float>& want) {
  double error = 0, norm = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    if (!std::isfinite(want[i])) continue;
    const double difference = static_cast<double>(got.at(i)) - want[i];
    error += difference * difference;
    norm += static_cast<double>(want[i]) * want[i];
  }
  return error == 0 ? 0 : std::sqrt(error / norm);
}

std::string Difference(const Problem& problem, const Result& got, const Result& want, double o_tolerance,
                       double lse_tolerance) {
  const Case& spec = problem.spec();
  const Shape& s = spec.shape;
  std::ostringstream out;
  const auto where = [&](int64_t row) {
    out << " at [" << row / s.query_length / s.query_heads << ", " << row / s.query_length % s.query_heads << ", "
        << row % s.query_length;
  };
  std::vector<float> finite_got = got.o, finite_want = want.o;
  bool poisoned = false;
  for (int64_t row = 0; row < s.batch * s.query_heads * s.query_length; ++row) {
    const auto r = static_cast<size_t>(row);
    const double lse = want.lse[r], got_lse = got.lse[r];
    const bool same = std::isfinite(lse) ? std::abs(got_lse - lse) <= lse_tolerance * std::max(1.0, std::abs(lse))
                      : std::isnan(lse)  ? std::isnan(got_lse)
                                         : got_lse == lse;
    if (!same) {
      out << "lse " << got_lse << ", not " << lse;
      where(row);
      out << "]";
      return out.str();
    }
    if (row % s.query_length % kRowGroup == 0) {
      poisoned = ValuesPoison(s, want, row, std::min(row + kRowGroup, row - row % s.query_length + s.query_length));
    }
    for (int64_t c = 0; c < s.value_dim; ++c) {
      const auto at = static_cast<size_t>(row * s.value_dim + c);
      const float a = got.o[at], b = want.o[at];
      bool fine = std::isfinite(b) ? std::isfinite(a) || poisoned : !std::isfinite(a);
      if (std::isnan(lse) && !std::isnan(a)) fine = false;
      if (std::isinf(lse) && a != 0) fine = false;
      if (!fine) {
        out << "o " << a << ", not " << b;
        where(row);
        out << ", " << c << "]";
        return out.str();
      }
      if (!std::isfinite(a) || !std::isfinite(b) ||
          std::abs(a - b) <= LastPlace(spec.dtype, std::max(std::abs(a), std::abs(b)))) {
        finite_got[at] = std::isfinite(b) ? b : 0;
        finite_want[at] = finite_got[at];
      }
    }
  }
  // Where values cancel, what is left of them is no measure of the error.
  const double floor = 0.02 * RootMeanSquare(problem.v()) / std::max(1e-30, RootMeanSquare(finite_want));
  const double error = RelativeL2(finite_got, finite_want) / std::max(1.0, floor);
  if (!(error <= o_tolerance)) out << "o differs by " << error << " (relative L2), more than " << o_tolerance;
  return out.str();
}

reference::Arithmetic ArithmeticOf(const std::string& kernel) {
  reference::Arithmetic arithmetic;
  if (kernel != "avx512_bf16" && kernel != "reference") arithmetic.pv = reference::PV::kU8S8;
  return arithmetic;
}

std::vector<std::string> RunnableKernels() {
  std::vector<std::string> runnable;
  for (const std::string& kernel : CPUKernelNames()) {
    if (WhyNot(kernel, DetectCPUFeatures()).empty()) runnable.push_back(kernel);
  }
  return runnable;
}

std::string CompareWithReference(const Problem& problem, const Result& got, const reference::Arithmetic& arithmetic,
                                 double exact_loss) {
  const Case& c = problem.spec();
  const Shape& s = c.shape;
  reference::Trace trace;
  Result want = problem.RunReference(arithmetic, &trace);

  std::ostringstream out;
  const int64_t blocks = s.query_blocks() * s.key_blocks();
  for (int64_t b = 0; b < static_cast<int64_t>(want.map.size()); ++b) {
    if (got.map[static_cast<size_t>(b)] == want.map[static_cast<size_t>(b)]) continue;
    const int64_t bh = b / blocks, i = b % blocks / s.key_blocks(), j = b % s.key_blocks();
    const bool predicted = c.mode != Mode::kDense8 && c.block_map.empty();
    if (predicted && got.map[static_cast<size_t>(b)] <= 1 && IsVisible(c, bh / s.query_heads, i, j) &&
        IsNearTie(problem, trace, bh / s.query_heads, bh % s.query_heads, i, j)) {
      continue;
    }
    out << "map " << int{got.map[static_cast<size_t>(b)]} << " at head " << bh << " block [" << i << ", " << j << "]";
    return out.str();
  }
  if (got.map != want.map) {  // near-ties: what follows from the kernel's own choice
    Case given = c;
    given.block_map = got.map;
    want = Problem(given).RunReference(arithmetic, &trace);
  }
  // A λ vote that float32 may count the other way.
  double largest_score = 1;
  for (const float x : want.lse) {
    if (std::isfinite(x)) largest_score = std::max(largest_score, std::abs(static_cast<double>(x)));
  }
  bool close_vote = false;
  for (size_t h = 0; h < want.counts.size(); ++h) {
    const HeadCounts &a = got.counts[h], &b = want.counts[h];
    const bool close = trace.lambda_margins[h] <= 1e-4 * std::max(1.0, largest_score / 10);
    if (a.visible_blocks != b.visible_blocks || a.kept_blocks != b.kept_blocks || a.pv_tiles != b.pv_tiles ||
        (a.pv_skipped != b.pv_skipped && !close)) {
      out << "counts of head " << h << ": " << a.visible_blocks << " " << a.kept_blocks << " " << a.pv_tiles << " "
          << a.pv_skipped << ", not " << b.visible_blocks << " " << b.kept_blocks << " " << b.pv_tiles << " "
          << b.pv_skipped << " (λ margin " << trace.lambda_margins[h] << ")";
      return out.str();
    }
    close_vote = close_vote || a.pv_skipped != b.pv_skipped;
  }
  if (close_vote) return "";
  if (c.mode == Mode::kSpargeExact) {
    const double scores = 3e-7 * ScoreMagnitude(problem);  // what float32 products and sums of that size lose
    return Difference(problem, got, want, 1e-5 + scores * exact_loss, 1e-5 + scores);
  }
  // A weight that float32 rounds otherwise is another level: of E4M3 up to a sixteenth of itself, else a 255th of the
  // row's maximum, or 2⁻⁸ of itself. Many o average that out.
  const bool coarse = arithmetic.pv == reference::PV::kE4M3;
  const double few = (coarse ? 5e-2 : 1e-2) / std::sqrt(static_cast<double>(want.o.size()));
  return Difference(problem, got, want, (coarse ? 6e-3 : 3e-3) + few, 5e-3);
}

std::string CompareWithReference(const Problem& problem, const std::string& kernel, int threads) {
  return CompareWithReference(problem, problem.RunKernel(kernel, threads), ArithmeticOf(kernel), 0.2);
}

}  // namespace attention::test
