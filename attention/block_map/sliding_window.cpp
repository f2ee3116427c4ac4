#include <algorithm>

#include "attention/block_map/selector.h"

namespace attention {

// The worked example of a selector: `call.window` key blocks to either side of the one that holds the key which belongs
// to the block's middle row: the same place in the sequence, or with causal the last key that row sees.
void SelectSlidingWindow(const SelectionInput& in, uint8_t* kept) {
  if (in.num_visible == 0) return;
  const Shape& shape = in.call.shape;
  const int64_t begin = in.query_block * kQueryBlock, end = in.visibility.RowEnd(in.query_block);
  const int64_t middle = begin + (end - begin - 1) / 2;
  const int64_t key = in.call.causal ? std::max<int64_t>(middle + in.visibility.offset, 0)
                                     : middle * shape.key_length / shape.query_length;
  const int64_t center = key / kKeyBlock;
  const int64_t first = std::max<int64_t>(center - in.call.window, 0);
  const int64_t last = std::min(center + in.call.window, in.num_visible - 1);
  for (int64_t j = first; j <= last; ++j) kept[j] = 1;
}

}  // namespace attention
