#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "pipeline/weights/safetensors.h"

namespace pipeline {

// A map of [heads, nq, nk] bytes, nonzero = kept; null data: none.
struct BlockMap {
  const uint8_t* data = nullptr;
  int64_t heads = 0, query_blocks = 0, key_blocks = 0;
};

// A file of block maps: uint8 [1, Hq, nq, nk] or [Hq, nq, nk] under the keys `lL` (layer L) and `sS_lL` (at step S,
// which goes before `lL`). Steps and layers count from 0, blocks in the clip's token order.
class BlockMaps {
 public:
  // Throws Error{kInvalidInput} naming file and key: no such file, another key, dtype or number of dimensions, no map.
  static std::shared_ptr<const BlockMaps> Open(const std::string& path);

  // Throws Error{kInvalidInput} naming file and key unless every map is of a step, a layer and the heads that there are
  // and, where `tokens` is not 0, of a self-attention over so many tokens.
  void Check(int64_t steps, int64_t layers, int64_t heads, int64_t tokens) const;

  // The map for a place. Points into the file, which this keeps open.
  BlockMap Find(int64_t step, int64_t layer) const;

 private:
  struct Place {
    int64_t step, layer;  // step −1: every step
    auto operator<=>(const Place&) const = default;
  };
  explicit BlockMaps(std::shared_ptr<const SafetensorsFile> file) : file_(std::move(file)) {}

  std::shared_ptr<const SafetensorsFile> file_;
  std::map<Place, std::pair<std::string, BlockMap>> maps_;  // with their keys
};

}  // namespace pipeline
