// The SentencePiece library as a second witness: on texts on which it and the tokenizers library agree by design (no
// added tokens, no unknown characters, no clusters that the normalisers treat differently) our ids are its ids.

#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include <string>
#include <vector>

#include "pipeline/tokenizers/sentencepiece_model.h"
#include "pipeline/tokenizers/tokenizer.h"
#include "tests/pipeline/tokenizers/goldens.h"

namespace {

TEST(SentencePiecePeer, ReadsTheSamePieces) {
  for (const char* name : {"nfkc_spm", "bytes_spm", "rules_spm", "umt5_spm"}) {
    const auto path = text_goldens::Folder() / "models" / name / "spiece.model";
    sentencepiece::SentencePieceProcessor library;
    ASSERT_TRUE(library.Load(path.string()).ok());
    const auto model = pipeline::ReadSentencePieceModel(path);
    ASSERT_EQ(static_cast<int>(model.pieces.size()), library.GetPieceSize());
    for (int id = 0; id < library.GetPieceSize(); ++id) {
      const auto& piece = model.pieces[id];
      EXPECT_EQ(piece.text, library.IdToPiece(id));
      EXPECT_EQ(piece.score, library.GetScore(id));
      using Kind = pipeline::SentencePieceModel::Kind;
      EXPECT_EQ(piece.kind == Kind::kControl, library.IsControl(id));
      EXPECT_EQ(piece.kind == Kind::kUnknown, library.IsUnknown(id));
      EXPECT_EQ(piece.kind == Kind::kByte, library.IsByte(id));
      EXPECT_EQ(piece.kind == Kind::kUnused, library.IsUnused(id));
    }
  }
}

TEST(SentencePiecePeer, EncodesSentencesAlike) {
  const auto texts = text_goldens::ReadTexts();
  for (const char* name : {"nfkc_spm", "rules_spm"}) {
    const auto folder = text_goldens::Folder() / "models" / name;
    sentencepiece::SentencePieceProcessor library;
    ASSERT_TRUE(library.Load((folder / "spiece.model").string()).ok());
    const auto ours = pipeline::OpenTokenizer(folder);
    for (size_t i = 0; i < 20; ++i) {  // the training sentences, but for the last one with its markup
      std::vector<int> expected;
      ASSERT_TRUE(library.Encode(texts[i], &expected).ok());
      std::vector<int32_t> ids = ours->Encode(texts[i]);
      ids.pop_back();  // </s>
      EXPECT_EQ(ids, std::vector<int32_t>(expected.begin(), expected.end())) << texts[i];
    }
  }
}

}  // namespace
