#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pipeline {

// A set of byte strings, each with a value, that finds all members which start a text.
class PrefixTree {
 public:
  struct Entry {
    std::string_view key;
    int32_t value;
  };
  static constexpr int32_t kNone = -1;

  PrefixTree() = default;
  // Of equal keys the last one's value counts. Empty keys are never found. The keys are not kept.
  explicit PrefixTree(std::vector<Entry> entries);

  // Calls visit(length, value) for each member that is a prefix of `text`, the shortest first.
  template <class Visit>
  void ForEachPrefix(std::string_view text, Visit visit) const;

  // The value of exactly this key, or kNone.
  int32_t Find(std::string_view key) const;

 private:
  struct Node {
    uint32_t first_child = 0;
    uint16_t children = 0;
    int32_t value = kNone;
  };
  // The child of `node` for this byte; 0 (the root) when there is none.
  uint32_t Child(uint32_t node, unsigned char byte) const;

  std::vector<Node> nodes_;            // the root first; children of a node are neighbours, by label
  std::vector<unsigned char> labels_;  // of the edge that leads to each node
};

// The Unigram model of SentencePiece as the tokenizers library runs it: the segmentation of a word with the highest
// sum of scores (in double precision; the first found wins a tie); characters that no piece covers cost
// (lowest score − 10) each, and neighbours of them become one unknown token.
class Unigram {
 public:
  struct Piece {
    std::string text;
    double score = 0;
  };

  // `source` names the file in errors. Throws Error{kInvalidInput} when there is no piece or unk_id is not one.
  Unigram(std::vector<Piece> pieces, std::optional<int32_t> unk_id, bool byte_fallback, std::string source);

  // Appends the ids of `word` (valid UTF-8, any length). With byte fallback an unknown run becomes the ids of its
  // bytes "<0x00>"…"<0xFF>" when all of them are pieces.
  // Throws Error{kInvalidInput} when an unknown character meets a model without an unknown token.
  void Encode(std::string_view word, std::vector<int32_t>& ids) const;

  int32_t size() const { return static_cast<int32_t>(scores_.size()); }
  std::optional<int32_t> Find(std::string_view piece) const;

 private:
  void AppendIds(std::string_view token, std::vector<int32_t>& ids) const;

  std::string source_;
  PrefixTree tree_;
  std::vector<double> scores_;
  double unknown_score_ = 0;
  std::optional<int32_t> unk_id_;
  std::vector<int32_t> byte_ids_;  // 256, or empty without byte fallback; PrefixTree::kNone where a byte has no piece
};

template <class Visit>
void PrefixTree::ForEachPrefix(std::string_view text, Visit visit) const {
  if (nodes_.empty()) return;
  uint32_t node = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    node = Child(node, static_cast<unsigned char>(text[i]));
    if (node == 0) return;
    if (nodes_[node].value != kNone) visit(i + 1, nodes_[node].value);
  }
}

}  // namespace pipeline
