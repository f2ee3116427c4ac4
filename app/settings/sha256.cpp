#include "app/settings/sha256.h"

extern "C" {
#include <libavutil/mem.h>
#include <libavutil/sha.h>
}

#include <algorithm>
#include <cstdint>
#include <new>

namespace app {

void SHA256::Free::operator()(void* state) const { av_free(state); }

SHA256::SHA256() : state_(av_sha_alloc()) {
  if (!state_) throw std::bad_alloc();
  av_sha_init(static_cast<AVSHA*>(state_.get()), 256);
}

void SHA256::Update(const void* data, size_t bytes) {
  constexpr size_t kPiece = size_t{1} << 30;
  const auto* at = static_cast<const uint8_t*>(data);
  while (bytes > 0) {
    const size_t piece = std::min(bytes, kPiece);
    av_sha_update(static_cast<AVSHA*>(state_.get()), at, piece);
    at += piece;
    bytes -= piece;
  }
}

std::string SHA256::Hex() {
  uint8_t digest[32];
  av_sha_final(static_cast<AVSHA*>(state_.get()), digest);
  std::string hex;
  for (uint8_t byte : digest) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

std::string SHA256Hex(std::string_view text) {
  SHA256 sha;
  sha.Update(text);
  return sha.Hex();
}

}  // namespace app
