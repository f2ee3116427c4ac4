#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace app {

// SHA-256 (FIPS 180-4) in pieces, by libavutil.
class SHA256 {
 public:
  SHA256();
  void Update(const void* data, size_t bytes);
  void Update(std::string_view text) { Update(text.data(), text.size()); }
  std::string Hex();  // 64 lower-case hex digits; ends the computation

 private:
  struct Free {
    void operator()(void* state) const;
  };
  std::unique_ptr<void, Free> state_;
};

std::string SHA256Hex(std::string_view text);

}  // namespace app
