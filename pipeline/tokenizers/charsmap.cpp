#include "pipeline/tokenizers/charsmap.h"

#include <utility>

#include "attention/base/error.h"
#include "pipeline/tokenizers/unicode.h"

namespace pipeline {
namespace {

constexpr size_t kShortCluster = 6;

uint32_t ReadU32(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
  return value;
}

// The fields of a unit of the double array.
bool HasLeaf(uint32_t unit) { return (unit >> 8) & 1; }
uint32_t Value(uint32_t unit) { return unit & 0x7FFFFFFF; }
uint32_t Label(uint32_t unit) { return unit & 0x800000FF; }
uint32_t Offset(uint32_t unit) { return (unit >> 10) << ((unit & 0x200) >> 6); }

}  // namespace

Charsmap::Charsmap(std::string_view bytes, std::string source) : source_(std::move(source)) {
  const size_t trie_bytes = bytes.size() < 4 ? 0 : ReadU32(bytes, 0);
  if (trie_bytes < 4 || trie_bytes % 4 != 0 || trie_bytes > bytes.size() - 4) {
    base::Fail(base::ErrorCode::kInvalidInput, source_, " is damaged: ", bytes.size(), " bytes cannot hold a trie of ",
               trie_bytes, "; get the file again");
  }
  units_.resize(trie_bytes / 4);
  for (size_t i = 0; i < units_.size(); ++i) units_[i] = ReadU32(bytes, 4 + 4 * i);
  replacements_ = bytes.substr(4 + trie_bytes);
  if (FindInvalidUtf8(replacements_) != std::string_view::npos) {
    base::Fail(base::ErrorCode::kInvalidInput, source_,
               " is damaged: its replacements are not UTF-8; get the file again");
  }
}

void Charsmap::FailDamaged() const {
  base::Fail(base::ErrorCode::kInvalidInput, source_,
             " is damaged: its trie leads outside of itself; get the file again");
}

uint32_t Charsmap::Unit(uint32_t at) const {
  if (at >= units_.size()) FailDamaged();
  return units_[at];
}

bool Charsmap::Replace(std::string_view chunk, std::string& out) const {
  uint32_t node = Offset(Unit(0));
  for (char c : chunk) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0) return false;
    node ^= byte;
    const uint32_t unit = Unit(node);
    if (Label(unit) != byte) return false;
    node ^= Offset(unit);
    if (!HasLeaf(unit)) continue;
    const uint32_t begin = Value(Unit(node));
    if (begin > replacements_.size()) FailDamaged();
    const bool inside = begin < replacements_.size();
    if (inside && (static_cast<unsigned char>(replacements_[begin]) & 0xC0) == 0x80) FailDamaged();
    const size_t end = replacements_.find('\0', begin);
    out.append(replacements_, begin, end == std::string::npos ? std::string::npos : end - begin);
    RequireModestSize(out.size());
    return true;
  }
  return false;
}

std::string Charsmap::Apply(std::string_view text) const {
  std::string out;
  out.reserve(text.size());
  auto finish_cluster = [&](size_t begin, size_t end) {
    const std::string_view cluster = text.substr(begin, end - begin);
    if (cluster.size() < kShortCluster && Replace(cluster, out)) return;
    ForEachCodePoint(cluster, [&](char32_t, size_t from, size_t to) {
      const std::string_view character = cluster.substr(from, to - from);
      if (!Replace(character, out)) out.append(character);
    });
  };
  GraphemeBreaker breaker;
  size_t cluster_begin = 0;
  ForEachCodePoint(text, [&](char32_t c, size_t begin, size_t) {
    if (!breaker.BreaksBefore(c)) return;
    finish_cluster(cluster_begin, begin);
    cluster_begin = begin;
  });
  if (!text.empty()) finish_cluster(cluster_begin, text.size());
  return out;
}

}  // namespace pipeline
