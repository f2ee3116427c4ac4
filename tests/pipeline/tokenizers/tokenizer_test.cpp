#include "pipeline/tokenizers/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/pipeline/tokenizers/goldens.h"

namespace {

using text_goldens::Stored;

std::unique_ptr<pipeline::Tokenizer> Open(const nlohmann::json& entry) {
  return pipeline::OpenTokenizer(text_goldens::Folder() / "models" / entry["folder"].get<std::string>(),
                                 entry["class"].get<std::string>());
}

TEST(Tokenizer, GivesTheIdsOfTransformersForEveryText) {
  const auto texts = text_goldens::ReadTexts();
  const auto manifest = text_goldens::ReadJson("manifest.json");
  ASSERT_GE(texts.size(), 500u);
  ASSERT_GE(manifest.size(), 12u);
  for (const auto& entry : manifest) {
    const auto tokenizer = Open(entry);
    EXPECT_EQ(tokenizer->pad_id(), entry["pad_id"].get<int32_t>());
    const auto expected = text_goldens::ReadLines(entry["ids"]);
    ASSERT_EQ(expected.size(), texts.size());
    int different = 0;
    for (size_t i = 0; i < texts.size(); ++i) {
      const auto ids = tokenizer->Encode(texts[i]);
      for (int32_t id : ids) ASSERT_TRUE(id >= 0 && id < tokenizer->vocab_size());
      if (Stored(ids) == expected[i]) continue;
      if (++different <= 3) {
        ADD_FAILURE() << entry["folder"] << ", text " << i << ": '" << texts[i].substr(0, 200) << "'\n  got      "
                      << Stored(ids) << "\n  expected " << expected[i];
      }
    }
    EXPECT_EQ(different, 0) << entry["folder"];
  }
}

TEST(Tokenizer, CutsAndPadsAsDiffusersAsks) {
  const auto texts = text_goldens::ReadTexts();
  const auto manifest = text_goldens::ReadJson("manifest.json");
  const auto calls = text_goldens::ReadJson("padded.json");
  ASSERT_GE(calls.size(), 400u);
  for (const auto& entry : manifest) {
    const auto tokenizer = Open(entry);
    for (const auto& call : calls) {
      if (call[0] != entry["folder"]) continue;
      const int64_t max_length = call[2];
      const auto padded = tokenizer->EncodePadded(texts[call[1].get<size_t>()], max_length);
      ASSERT_EQ(static_cast<int64_t>(padded.ids.size()), max_length);
      ASSERT_LE(padded.length, max_length);
      const auto end = padded.ids.begin() + padded.length;
      EXPECT_EQ(Stored({padded.ids.begin(), end}), call[3].get<std::string>()) << call.dump();
      EXPECT_TRUE(std::all_of(end, padded.ids.end(), [&](int32_t id) { return id == tokenizer->pad_id(); }));
    }
  }
}

TEST(Tokenizer, HasTheVocabularyWithExtraIds) {
  const auto models = text_goldens::Folder() / "models";
  const auto by_default = pipeline::OpenTokenizer(models / "nfkc_spm");
  const auto first = by_default->Encode("<extra_id_0>");
  const auto last = by_default->Encode("<extra_id_99>");
  EXPECT_EQ(first, (std::vector<int32_t>{by_default->vocab_size() - 1, 1}));
  EXPECT_EQ(last, (std::vector<int32_t>{by_default->vocab_size() - 100, 1}));
  EXPECT_GT(by_default->Encode("<extra_id_100>").size(), 2u);
  const auto three_hundred = pipeline::OpenTokenizer(models / "casefold_json");
  EXPECT_EQ(three_hundred->Encode("<extra_id_299>"), (std::vector<int32_t>{three_hundred->vocab_size() - 300, 1}));
}

}  // namespace
