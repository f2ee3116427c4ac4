#include <algorithm>

#include "attention/block_map/selector.h"

namespace attention {
namespace {

bool Touches(const TokenRange& range, int64_t begin, int64_t end) {
  return !range.empty() && range.begin < end && begin < range.end;
}

// Rule 6 of the first stage, but for what similarity fixes.
void AddAlwaysKept(const SelectionInput& in, uint8_t* kept) {
  const int64_t begin = in.query_block * kQueryBlock, end = in.visibility.RowEnd(in.query_block);
  const int64_t visible = in.num_visible;
  if (visible == 0) return;
  if (in.query.non_finite || Touches(in.call.keep_queries, begin, end)) {
    std::fill(kept, kept + visible, uint8_t{1});
    return;
  }
  if (in.call.sink) kept[0] = 1;
  for (int64_t j = 0; j < visible; ++j) {
    if (in.keys.non_finite[j] != 0 || Touches(in.call.keep_keys, j * kKeyBlock, (j + 1) * kKeyBlock)) kept[j] = 1;
  }
  if (in.call.causal) {
    // The last visible keys of the rows: those of the first that sees something to those of the last.
    const int64_t first_row = std::max(begin, in.visibility.FirstSeeingRow());
    const int64_t from = (in.visibility.KeysOfRow(first_row) - 1) / kKeyBlock;
    for (int64_t j = from; j < visible; ++j) kept[j] = 1;
  }
}

}  // namespace

int64_t SelectRow(const SelectionInput& in, const Selector* selector, const uint8_t* caller_row, uint8_t* kept) {
  std::fill(kept, kept + in.call.shape.key_blocks(), uint8_t{0});
  if (in.call.mode == Mode::kDense8) {
    std::fill(kept, kept + in.num_visible, uint8_t{1});
  } else if (caller_row != nullptr) {
    for (int64_t j = 0; j < in.num_visible; ++j) kept[j] = caller_row[j] != 0;
  } else {
    selector->select(in, kept);
    AddAlwaysKept(in, kept);
  }
  return std::count(kept, kept + in.num_visible, uint8_t{1});
}

}  // namespace attention
