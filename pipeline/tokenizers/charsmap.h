#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pipeline {

// The normalisation rules that a SentencePiece model carries ("precompiled_charsmap"): little-endian u32 size of a
// double-array trie in bytes, the trie's u32 units, then the replacements, each ended by a zero byte. A trie value is
// an offset into the replacements.
class Charsmap {
 public:
  // `source` names the file and key in errors. Throws Error{kInvalidInput} when the sizes do not fit.
  Charsmap(std::string_view bytes, std::string source);

  // As the `Precompiled` normaliser of the tokenizers library: a grapheme cluster of fewer than 6 bytes that starts
  // with a rule becomes that rule's replacement as a whole (the shortest rule counts); otherwise each of its
  // characters is looked up alone. `text` is valid UTF-8.
  // Throws Error{kInvalidInput} when the trie leads outside of itself.
  std::string Apply(std::string_view text) const;

 private:
  // Appends the replacement of the shortest rule that starts `chunk`; false when there is none.
  bool Replace(std::string_view chunk, std::string& out) const;
  uint32_t Unit(uint32_t at) const;
  [[noreturn]] void FailDamaged() const;

  std::string source_;
  std::vector<uint32_t> units_;
  std::string replacements_;
};

}  // namespace pipeline
