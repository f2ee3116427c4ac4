#include "pipeline/tokenizers/sentencepiece_model.h"

#include <cmath>
#include <cstring>
#include <string_view>

#include "attention/base/error.h"
#include "pipeline/tokenizers/json_file.h"
#include "pipeline/tokenizers/unicode.h"

namespace pipeline {
namespace {

// Numbers of fields in sentencepiece_model.proto.
constexpr uint32_t kModelPieces = 1, kModelTrainer = 2, kModelNormalizer = 3;
constexpr uint32_t kPieceText = 1, kPieceScore = 2, kPieceType = 3;
constexpr uint32_t kTrainerModelType = 3;
constexpr uint32_t kNormalizerCharsmap = 2;
constexpr uint64_t kUnigram = 1;

enum WireType { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

// Walks over the fields of one protocol buffer message.
class Message {
 public:
  Message(std::string_view bytes, const std::string& source) : bytes_(bytes), source_(source) {}

  // Reads the next field; false at the end.
  bool Next() {
    if (at_ == bytes_.size()) return false;
    const uint64_t tag = Varint();
    type_ = static_cast<uint32_t>(tag & 7);
    if (tag >> 3 == 0 || tag >> 32 != 0) FailDamaged();
    field_ = static_cast<uint32_t>(tag >> 3);
    switch (type_) {
      case kVarint:
        number_ = Varint();
        break;
      case kFixed64:
        payload_ = Take(8);
        break;
      case kLengthDelimited:
        payload_ = Take(Varint());
        break;
      case kFixed32:
        payload_ = Take(4);
        break;
      default:
        FailDamaged();
    }
    return true;
  }

  bool Is(uint32_t field, WireType type) const {
    if (field_ == field && type_ != static_cast<uint32_t>(type)) FailDamaged();
    return field_ == field;
  }
  uint64_t number() const { return number_; }
  std::string_view payload() const { return payload_; }
  float Float() const {
    float value = 0;
    std::memcpy(&value, payload_.data(), sizeof value);  // little-endian, as every machine this runs on
    return value;
  }

 private:
  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      if (at_ == bytes_.size()) FailDamaged();
      const auto byte = static_cast<unsigned char>(bytes_[at_++]);
      value |= shift < 64 ? static_cast<uint64_t>(byte & 0x7F) << shift : 0;
      if (byte < 0x80) return value;
    }
    FailDamaged();
  }

  std::string_view Take(uint64_t length) {
    if (length > bytes_.size() - at_) FailDamaged();
    const std::string_view taken = bytes_.substr(at_, length);
    at_ += length;
    return taken;
  }

  [[noreturn]] void FailDamaged() const {
    base::Fail(base::ErrorCode::kInvalidInput, source_,
               " is truncated or not a SentencePiece model; get the file again");
  }

  std::string_view bytes_;
  const std::string& source_;
  size_t at_ = 0;
  uint32_t field_ = 0;
  uint32_t type_ = 0;
  uint64_t number_ = 0;
  std::string_view payload_;
};

SentencePieceModel::Piece ReadPiece(std::string_view bytes, const std::string& source, size_t id) {
  SentencePieceModel::Piece piece;
  Message message(bytes, source);
  while (message.Next()) {
    if (message.Is(kPieceText, kLengthDelimited)) {
      piece.text = message.payload();
    } else if (message.Is(kPieceScore, kFixed32)) {
      piece.score = message.Float();
    } else if (message.Is(kPieceType, kVarint)) {
      if (message.number() < 1 || message.number() > 6) {
        base::Fail(base::ErrorCode::kInvalidInput, source, ": piece ", id, " has type ", message.number(),
                   ", expected 1 to 6");
      }
      piece.kind = static_cast<SentencePieceModel::Kind>(message.number());
    }
  }
  if (FindInvalidUtf8(piece.text) != std::string_view::npos) {
    base::Fail(base::ErrorCode::kInvalidInput, source, ": the text of piece ", id, " is not UTF-8");
  }
  if (!std::isfinite(piece.score)) {
    base::Fail(base::ErrorCode::kInvalidInput, source, ": the score of piece ", id, " is ", piece.score,
               ", expected a finite number");
  }
  return piece;
}

}  // namespace

SentencePieceModel ReadSentencePieceModel(const std::filesystem::path& path) {
  const std::string bytes = ReadTokenizerFile(path);
  const std::string source = path.string();
  SentencePieceModel model;
  uint64_t model_type = kUnigram;
  Message file(bytes, source);
  while (file.Next()) {
    if (file.Is(kModelPieces, kLengthDelimited)) {
      model.pieces.push_back(ReadPiece(file.payload(), source, model.pieces.size()));
    } else if (file.Is(kModelTrainer, kLengthDelimited)) {
      Message trainer(file.payload(), source);
      while (trainer.Next()) {
        if (trainer.Is(kTrainerModelType, kVarint)) model_type = trainer.number();
      }
    } else if (file.Is(kModelNormalizer, kLengthDelimited)) {
      Message normalizer(file.payload(), source);
      while (normalizer.Next()) {
        if (normalizer.Is(kNormalizerCharsmap, kLengthDelimited)) model.charsmap = normalizer.payload();
      }
    }
  }
  if (model_type != kUnigram) {
    base::Fail(base::ErrorCode::kUnsupported, source, ": trainer_spec.model_type ", model_type,
               " is not supported: only Unigram models (1) are");
  }
  if (model.pieces.empty()) base::Fail(base::ErrorCode::kInvalidInput, source, " holds no pieces; get the file again");
  return model;
}

}  // namespace pipeline
