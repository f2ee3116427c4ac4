#pragma once

#include <cstdint>
#include <sstream>
#include <string>

// Masks of lanes in messages.
namespace cuda_emulation {

inline std::string Lanes(uint32_t mask) {
  std::ostringstream out;
  for (uint32_t lane = 0; lane < 32; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    uint32_t last = lane;
    while (last + 1 < 32 && (mask >> (last + 1) & 1) != 0) ++last;
    out << (out.tellp() > 0 ? ", " : "") << lane;
    if (last > lane) out << "–" << last;
    lane = last;
  }
  return out.str();
}

inline std::string Hex(uint32_t x) {
  std::ostringstream out;
  out << "0x" << std::hex << x;
  return out.str();
}

}  // namespace cuda_emulation
