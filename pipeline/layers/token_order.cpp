#include "pipeline/layers/token_order.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "attention/base/error.h"

namespace pipeline {
namespace {

// One side of a box: how many cells, and the raster step from one to the next along it (negative: backwards).
struct Side {
  int64_t cells, step;

  Side First(int64_t n) const { return {n, step}; }
  int64_t Last() const { return (cells - 1) * step; }
};

bool Even(int64_t n) { return n % 2 == 0; }

// The largest even number that is not above x, but at least 2.
int64_t EvenAtMost(int64_t x) { return std::max<int64_t>(2, x - x % 2); }

// Walks boxes. A box is a corner cell and three sides that lead away from it.
class Walker {
 public:
  explicit Walker(size_t cells) { order_.reserve(cells); }
  std::vector<int64_t> Take() { return std::move(order_); }

  // From the corner through the whole box, to wherever that ends.
  void Free(int64_t corner, std::array<Side, 3> sides) {
    for (;;) {
      std::stable_sort(sides.begin(), sides.end(), [](const Side& x, const Side& y) { return x.cells > y.cells; });
      const bool odd = !Even(sides[0].cells * sides[1].cells * sides[2].cells);
      if (odd) return Along(corner, sides[0], sides[1], sides[2]);
      // Along an even side, if there is one that is not much shorter than the longest.
      for (size_t i = 0; i < 3; ++i) {
        if (Even(sides[i].cells) && 3 * sides[i].cells >= 2 * sides[0].cells) {
          return Along(corner, sides[i], sides[(i + 1) % 3], sides[(i + 2) % 3]);
        }
      }
      // The longest is odd: an even part of it, then the rest, which begins beside that part's end.
      const int64_t part = EvenAtMost((sides[0].cells + 1) / 2);
      Along(corner, sides[0].First(part), sides[1], sides[2]);
      corner += part * sides[0].step;
      sides[0].cells -= part;
    }
  }

 private:
  // From the corner through the whole box to the other end of side `a`. There is such a path where `a` is even, and
  // where all three sides are odd (colour the cells like a chessboard) and `a` is above 1 or the box is one cell; each
  // part that is made below is of these kinds again.
  void Along(int64_t corner, Side a, Side b, Side c) {
    if (b.cells < c.cells) std::swap(b, c);
    if (b.cells == 1) return Line(corner, a);
    if (2 * a.cells > 3 * b.cells) return Halves(corner, a, b, c);
    if (b.cells == 2) return Slices(corner, a, b, c);
    // Up along b, across along a, down along b.
    const int64_t up = EvenAtMost((b.cells + 1) / 2), left = (a.cells + 1) / 2, right = a.cells - left;
    const Side down{up, -b.step}, back{right, -a.step};
    Along(corner, b.First(up), a.First(left), c);
    Along(corner + up * b.step, a, {b.cells - up, b.step}, c);
    Along(corner + a.Last() + (up - 1) * b.step, down, back, c);
  }

  // Through a box that is long along a: one part after the other.
  void Halves(int64_t corner, Side a, Side b, Side c) {
    int64_t part = EvenAtMost((a.cells + 1) / 2);
    if (!Even(a.cells)) part = a.cells - part;  // all odd: the first part is odd, the rest even
    if (part == 1) part += 2;
    Along(corner, a.First(part), b, c);
    Along(corner + part * a.step, {a.cells - part, a.step}, b, c);
  }

  void Line(int64_t corner, Side a) {
    for (int64_t i = 0; i < a.cells; ++i) order_.push_back(corner + i * a.step);
  }

  // b is 2, c is 1 or 2, a is even: slice by slice around, every other one backwards.
  void Slices(int64_t corner, Side a, Side b, Side c) {
    std::vector<int64_t> around = {0, b.step};
    if (c.cells == 2) around = {0, b.step, b.step + c.step, c.step};
    for (int64_t i = 0; i < a.cells; ++i) {
      for (int64_t cell : around) order_.push_back(corner + i * a.step + cell);
      std::reverse(around.begin(), around.end());
    }
  }

  std::vector<int64_t> order_;
};

}  // namespace

std::vector<int64_t> HilbertOrder(std::array<int64_t, 3> grid) {
  const auto [t, h, w] = grid;
  constexpr int64_t kMost = int64_t{1} << 20;
  base::Check(std::min({t, h, w}) >= 1 && std::max({t, h, w}) <= kMost, base::ErrorCode::kInvalidInput,
              "no token order for a grid of ", t, " x ", h, " x ", w, ": each side is 1 to ", kMost);
  Walker walker(static_cast<size_t>(t * h * w));
  walker.Free(0, {Side{w, 1}, Side{h, w}, Side{t, h * w}});
  return walker.Take();
}

std::vector<int64_t> InverseOrder(const std::vector<int64_t>& order) {
  std::vector<int64_t> inverse(order.size());
  for (size_t i = 0; i < order.size(); ++i) inverse[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  return inverse;
}

}  // namespace pipeline
