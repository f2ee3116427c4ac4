#include "pipeline/tokenizers/unigram.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "attention/base/error.h"

namespace {

using pipeline::PrefixTree;
using pipeline::Unigram;

std::vector<int32_t> Encode(const Unigram& model, const std::string& word) {
  std::vector<int32_t> ids;
  model.Encode(word, ids);
  return ids;
}

TEST(PrefixTree, FindsEveryPrefixTheShortestFirst) {
  const PrefixTree tree({{"abc", 0}, {"a", 1}, {"ab", 2}, {"b", 3}, {"\xFF\x01", 4}, {"", 5}, {"a", 6}});
  std::vector<std::pair<size_t, int32_t>> found;
  tree.ForEachPrefix("abcd", [&](size_t length, int32_t value) { found.emplace_back(length, value); });
  EXPECT_EQ(found, (std::vector<std::pair<size_t, int32_t>>{{1, 6}, {2, 2}, {3, 0}}));
  EXPECT_EQ(tree.Find("\xFF\x01"), 4);
  EXPECT_EQ(tree.Find("abcd"), PrefixTree::kNone);
  EXPECT_EQ(tree.Find(""), PrefixTree::kNone);
  EXPECT_EQ(PrefixTree().Find("a"), PrefixTree::kNone);
}

TEST(Unigram, TakesTheBestSegmentation) {
  const Unigram model(
      {{"<unk>", 0}, {"a", 0}, {"b", 0}, {"c", 0}, {"d", 0}, {"cd", 1}, {"ab", 2}, {"abc", 5}, {"abcd", 10}}, 0, false,
      "test");
  EXPECT_EQ(Encode(model, "abcd"), (std::vector<int32_t>{8}));
  EXPECT_EQ(Encode(model, "abcdacdxx"), (std::vector<int32_t>{8, 1, 5, 0}));  // one unknown for "xx"
  EXPECT_EQ(Encode(model, "xabcé"), (std::vector<int32_t>{0, 7, 0}));
  EXPECT_EQ(Encode(model, ""), (std::vector<int32_t>{}));
}

TEST(Unigram, TheFirstOfEquallyGoodPathsWins) {
  // "aaa" as a|aa and aa|a have the same score; the path whose last token starts first is found first.
  const Unigram model({{"<unk>", 0}, {"a", -1}, {"aa", -1}}, 0, false, "test");
  EXPECT_EQ(Encode(model, "aaa"), (std::vector<int32_t>{1, 2}));
}

TEST(Unigram, FallsBackToBytesWhenAllArePieces) {
  std::vector<Unigram::Piece> pieces = {{"<unk>", 0}, {"a", -1}};
  for (const char* name : {"<0xC3>", "<0xA9>", "<0xE7>"}) pieces.push_back({name, 0});
  const Unigram model(pieces, 0, true, "test");
  EXPECT_EQ(Encode(model, "aé"), (std::vector<int32_t>{1, 2, 3}));
  EXPECT_EQ(Encode(model, "aéñ"), (std::vector<int32_t>{1, 0}));  // a byte of ñ has no piece: the run is unknown
}

TEST(Unigram, RefusesWhatCannotWork) {
  EXPECT_THROW(Unigram({}, 0, false, "test"), base::Error);
  EXPECT_THROW(Unigram({{"a", 0}}, 1, false, "test"), base::Error);
  EXPECT_THROW(Unigram({{"a", 0}}, -1, false, "test"), base::Error);
  const Unigram model({{"a", 0}}, std::nullopt, false, "test");
  EXPECT_EQ(Encode(model, "aa"), (std::vector<int32_t>{0, 0}));
  EXPECT_THROW(Encode(model, "ab"), base::Error);
}

TEST(Unigram, EncodesLongWordsInLinearTime) {
  std::vector<Unigram::Piece> pieces = {{"<unk>", 0}};
  for (int n = 1; n <= 16; ++n) pieces.push_back({std::string(n, 'a'), -10.0});
  const Unigram model(pieces, 0, false, "test");
  EXPECT_EQ(Encode(model, std::string(1600000, 'a')).size(), 100000u);
}

}  // namespace
