#include "pipeline/tokenizers/unigram.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <utility>

#include "attention/base/error.h"
#include "pipeline/tokenizers/unicode.h"

namespace pipeline {
namespace {

constexpr double kUnknownPenalty = 10.0;

// By the bytes of the key; equal keys keep their order. The first eight bytes are compared as one number.
void SortByKey(std::vector<PrefixTree::Entry>& entries) {
  struct Item {
    uint64_t head;
    size_t index;
  };
  std::vector<Item> order(entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    const std::string_view key = entries[i].key;
    uint64_t head = 0;
    for (size_t k = 0; k < 8; ++k) head = head << 8 | (k < key.size() ? static_cast<unsigned char>(key[k]) : 0);
    order[i] = {head, i};
  }
  std::sort(order.begin(), order.end(), [&](const Item& a, const Item& b) {
    if (a.head != b.head) return a.head < b.head;
    const int compared = entries[a.index].key.compare(entries[b.index].key);
    return compared != 0 ? compared < 0 : a.index < b.index;
  });
  std::vector<PrefixTree::Entry> sorted;
  sorted.reserve(entries.size());
  for (const Item& item : order) sorted.push_back(entries[item.index]);
  entries = std::move(sorted);
}

}  // namespace

PrefixTree::PrefixTree(std::vector<Entry> entries) {
  SortByKey(entries);
  nodes_.emplace_back();
  labels_.push_back(0);
  // Depth first with the children of a node made at once, so that they are neighbours: each open node with the range
  // of entries below it.
  struct Open {
    uint32_t node;
    size_t begin, end, depth;
  };
  std::vector<Open> stack = {{0, 0, entries.size(), 0}};
  while (!stack.empty()) {
    auto [node, begin, end, depth] = stack.back();
    stack.pop_back();
    while (begin < end && entries[begin].key.size() == depth) nodes_[node].value = entries[begin++].value;
    nodes_[node].first_child = static_cast<uint32_t>(nodes_.size());
    while (begin < end) {
      const char label = entries[begin].key[depth];
      size_t next = begin + 1;
      while (next < end && entries[next].key[depth] == label) ++next;
      stack.push_back({static_cast<uint32_t>(nodes_.size()), begin, next, depth + 1});
      nodes_.emplace_back();
      labels_.push_back(static_cast<unsigned char>(label));
      ++nodes_[node].children;
      begin = next;
    }
  }
  nodes_[0].value = kNone;
}

uint32_t PrefixTree::Child(uint32_t node, unsigned char byte) const {
  const auto first = labels_.begin() + nodes_[node].first_child;
  const auto last = first + nodes_[node].children;
  const auto found = std::lower_bound(first, last, byte);
  return found != last && *found == byte ? static_cast<uint32_t>(found - labels_.begin()) : 0;
}

int32_t PrefixTree::Find(std::string_view key) const {
  int32_t result = kNone;
  ForEachPrefix(key, [&](size_t length, int32_t value) {
    if (length == key.size()) result = value;
  });
  return result;
}

Unigram::Unigram(std::vector<Piece> pieces, std::optional<int32_t> unk_id, bool byte_fallback, std::string source)
    : source_(std::move(source)), unk_id_(unk_id) {
  if (pieces.empty()) {
    base::Fail(base::ErrorCode::kInvalidInput, source_, " holds no pieces; get the file again");
  }
  if (unk_id_ && (*unk_id_ < 0 || static_cast<size_t>(*unk_id_) >= pieces.size())) {
    base::Fail(base::ErrorCode::kInvalidInput, source_, " has ", pieces.size(), " pieces, but the unknown token is ",
               *unk_id_, "; it must be one of them");
  }
  std::vector<PrefixTree::Entry> entries;
  entries.reserve(pieces.size());
  scores_.reserve(pieces.size());
  double lowest = std::numeric_limits<double>::infinity();
  for (const Piece& piece : pieces) {
    entries.push_back({piece.text, static_cast<int32_t>(scores_.size())});
    scores_.push_back(piece.score);
    lowest = std::min(lowest, piece.score);
  }
  unknown_score_ = lowest - kUnknownPenalty;
  tree_ = PrefixTree(std::move(entries));
  if (!byte_fallback) return;
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", byte);
    byte_ids_.push_back(tree_.Find(name));
  }
}

std::optional<int32_t> Unigram::Find(std::string_view piece) const {
  const int32_t id = tree_.Find(piece);
  return id == PrefixTree::kNone ? std::nullopt : std::optional(id);
}

void Unigram::AppendIds(std::string_view token, std::vector<int32_t>& ids) const {
  if (const auto id = Find(token)) {
    ids.push_back(*id);
    return;
  }
  if (!byte_ids_.empty()) {
    const auto has_piece = [&](char c) { return byte_ids_[static_cast<unsigned char>(c)] != PrefixTree::kNone; };
    if (std::all_of(token.begin(), token.end(), has_piece)) {
      for (char c : token) ids.push_back(byte_ids_[static_cast<unsigned char>(c)]);
      return;
    }
  }
  ids.push_back(*unk_id_);
}

void Unigram::Encode(std::string_view word, std::vector<int32_t>& ids) const {
  struct Best {  // the best path that ends at a byte
    double score = 0;
    int32_t begin = -1;  // of its last token
    int32_t id = 0;
  };
  std::vector<Best> best(word.size() + 1);
  auto offer = [&](size_t begin, size_t end, double score, int32_t id) {
    Best& target = best[end];
    if (target.begin < 0 || score > target.score) target = {score, static_cast<int32_t>(begin), id};
  };
  for (size_t begin = 0; begin < word.size();) {
    const size_t character = static_cast<size_t>(Utf8Length(word[begin]));
    const double till_here = best[begin].score;
    bool covered = false;
    tree_.ForEachPrefix(word.substr(begin), [&](size_t length, int32_t id) {
      offer(begin, begin + length, scores_[id] + till_here, id);
      covered |= length == character;
    });
    if (!covered) {
      if (!unk_id_) {
        base::Fail(base::ErrorCode::kInvalidInput, source_, " has no unknown token (model.unk_id), but the text has '",
                   word.substr(begin, character), "', which no piece covers");
      }
      offer(begin, begin + character, unknown_score_ + till_here, *unk_id_);
    }
    begin += character;
  }

  std::vector<std::pair<size_t, size_t>> tokens;  // begin and end, the last one first
  bool after_unknown = false;
  for (size_t end = word.size(); end > 0;) {
    const Best& node = best[end];
    const auto begin = static_cast<size_t>(node.begin);
    const bool unknown = unk_id_ && node.id == *unk_id_;
    if (unknown && after_unknown) {
      tokens.back().first = begin;
    } else {
      tokens.emplace_back(begin, end);
    }
    after_unknown = unknown;
    end = begin;
  }
  for (auto token = tokens.rbegin(); token != tokens.rend(); ++token) {
    AppendIds(word.substr(token->first, token->second - token->first), ids);
  }
}

}  // namespace pipeline
