#pragma once

#include <algorithm>
#include <cstdint>

#include "attention/call.h"

namespace attention {

// Which keys the query rows of one batch entry see: always a prefix [0, n) of the sequence.
struct Visibility {
  Visibility(const Call& call, int64_t batch)
      : query_length(call.shape.query_length),
        offset(call.shape.key_length - call.shape.query_length),
        keys(call.key_lengths ? call.key_lengths[batch] : call.shape.key_length),
        causal(call.causal) {}

  int64_t query_length, offset;
  int64_t keys;  // within the length
  bool causal;

  int64_t KeysOfRow(int64_t row) const { return causal ? std::clamp(row + offset + 1, int64_t{0}, keys) : keys; }
  int64_t RowEnd(int64_t query_block) const { return std::min((query_block + 1) * kQueryBlock, query_length); }
  // Key blocks [0, n) are visible to the query block: what its last row sees.
  int64_t KeyBlocks(int64_t query_block) const {
    return (KeysOfRow(RowEnd(query_block) - 1) + kKeyBlock - 1) / kKeyBlock;
  }
  // The first row that sees something; query_length where none does.
  int64_t FirstSeeingRow() const {
    if (keys == 0) return query_length;
    return causal ? std::clamp(-offset, int64_t{0}, query_length) : 0;
  }
};

}  // namespace attention
