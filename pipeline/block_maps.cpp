#include "pipeline/block_maps.h"

#include <charconv>
#include <optional>
#include <string_view>

#include "attention/base/error.h"
#include "attention/call.h"

namespace pipeline {
namespace {

using base::ErrorCode;

// A whole number without sign or leading zeros off the front of `text`.
std::optional<int64_t> TakeIndex(std::string_view& text) {
  int64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  const size_t digits = static_cast<size_t>(result.ptr - text.data());
  if (result.ec != std::errc() || text[0] == '-' || (text[0] == '0' && digits > 1)) return std::nullopt;
  text.remove_prefix(digits);
  return value;
}

// "l3" → {−1, 3}; "s0_l3" → {0, 3}.
std::optional<std::pair<int64_t, int64_t>> ParseKey(std::string_view key) {
  int64_t step = -1;
  if (key.starts_with('s')) {
    key.remove_prefix(1);
    const std::optional<int64_t> index = TakeIndex(key);
    if (!index || !key.starts_with('_')) return std::nullopt;
    key.remove_prefix(1);
    step = *index;
  }
  if (!key.starts_with('l')) return std::nullopt;
  key.remove_prefix(1);
  const std::optional<int64_t> layer = TakeIndex(key);
  if (!layer || !key.empty()) return std::nullopt;
  return std::pair(step, *layer);
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  std::string text;
  for (int64_t size : shape) text += (text.empty() ? "[" : ", ") + std::to_string(size);
  return text.empty() ? "[]" : text + "]";
}

}  // namespace

std::shared_ptr<const BlockMaps> BlockMaps::Open(const std::string& path) {
  std::shared_ptr<BlockMaps> maps(new BlockMaps(SafetensorsFile::Open(path)));
  for (const auto& [key, entry] : maps->file_->tensors()) {
    const auto place = ParseKey(key);
    base::Check(place.has_value(), ErrorCode::kInvalidInput, path, ": tensor '", key,
                "' is no block map: expected keys lL or sS_lL, as l3 or s0_l3");
    const std::vector<int64_t>& shape = entry.shape;
    const bool fits =
        entry.dtype == DType::kU8 && entry.numel() > 0 && (shape.size() == 3 || (shape.size() == 4 && shape[0] == 1));
    base::Check(fits, ErrorCode::kInvalidInput, path, ": block map '", key, "' is ", DTypeName(entry.dtype), " ",
                ShapeText(shape), ", expected U8 [1, heads, query blocks, key blocks] or without the 1");
    const size_t first = shape.size() - 3;
    maps->maps_[{place->first, place->second}] = {
        key, {reinterpret_cast<const uint8_t*>(entry.data), shape[first], shape[first + 1], shape[first + 2]}};
  }
  base::Check(!maps->maps_.empty(), ErrorCode::kInvalidInput, path, ": holds no block map");
  return maps;
}

void BlockMaps::Check(int64_t steps, int64_t layers, int64_t heads, int64_t tokens) const {
  const auto check = [&](bool ok, const std::string& key, const std::string& what) {
    base::Check(ok, ErrorCode::kInvalidInput, file_->path(), ": block map '", key, "' ", what);
  };
  const int64_t nq = (tokens + attention::kQueryBlock - 1) / attention::kQueryBlock;
  const int64_t nk = (tokens + attention::kKeyBlock - 1) / attention::kKeyBlock;
  for (const auto& [place, named] : maps_) {
    const auto& [key, map] = named;
    check(place.step < steps, key, base::StrCat("is of a step out of range: 0 to ", steps - 1));
    check(place.layer < layers, key, base::StrCat("is of a layer out of range: 0 to ", layers - 1));
    check(map.heads == heads, key, base::StrCat("has ", map.heads, " heads; this model has ", heads));
    check(tokens == 0 || (map.query_blocks == nq && map.key_blocks == nk), key,
          base::StrCat("has ", map.query_blocks, " x ", map.key_blocks, " blocks; ", tokens, " tokens make ", nq, " x ",
                       nk));
  }
}

BlockMap BlockMaps::Find(int64_t step, int64_t layer) const {
  auto found = maps_.find({step, layer});
  if (found == maps_.end()) found = maps_.find({-1, layer});
  return found == maps_.end() ? BlockMap() : found->second.second;
}

}  // namespace pipeline
