#include "app/report/html.h"

#include <cmath>
#include <cstdio>
#include <filesystem>

#include "app/console/observer.h"
#include "app/settings/text.h"
#include "attention/base/error.h"

namespace app {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Bytes of the UTF-8 character that `text` begins with; 0: it begins with none.
size_t CharacterBytes(std::string_view text) {
  const auto byte = static_cast<unsigned char>(text[0]);
  const size_t bytes = byte < 0x80 ? 1 : byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
  return bytes <= text.size() && IsValidUTF8(text.substr(0, bytes)) ? bytes : 0;
}

// U+061C, U+200E, U+200F, U+202A…U+202E, U+2066…U+2069: they would turn what stands beside them.
bool TurnsDirection(std::string_view c) {
  if (c == "\xD8\x9C" || c == "\xE2\x80\x8E" || c == "\xE2\x80\x8F") return true;
  if (c.size() != 3 || c[0] != '\xE2') return false;
  const auto last = static_cast<unsigned char>(c[2]);
  return (c[1] == '\x80' && last >= 0xAA && last <= 0xAE) || (c[1] == '\x81' && last >= 0xA6 && last <= 0xA9);
}

}  // namespace

std::string Escaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t bytes = CharacterBytes(text.substr(i));
    const std::string_view c = text.substr(i, std::max<size_t>(bytes, 1));
    i += c.size();
    if (bytes == 0) {
      out += kReplacement;
    } else if (c == "&") {
      out += "&amp;";
    } else if (c == "<") {
      out += "&lt;";
    } else if (c == ">") {
      out += "&gt;";
    } else if (c == "\"") {
      out += "&quot;";
    } else if (c == "'") {
      out += "&#39;";
    } else if (c == "\n" || c == "\t" || c == "\r") {
      out += ' ';
    } else if (static_cast<unsigned char>(c[0]) < 0x20 || c == "\x7F") {
      out += kReplacement;
    } else if (!TurnsDirection(c)) {
      out += c;
    }
  }
  return out;
}

std::string EscapedShort(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return Escaped(text);
  return Escaped(CutUTF8(text, max_bytes)) + "…";
}

std::string LinkTo(const std::string& path, const std::string& folder) {
  namespace fs = std::filesystem;
  const std::string beside = fs::path(folder).parent_path().string();
  const bool near = !beside.empty() && beside != "/" && path.starts_with(beside + "/");
  const std::string target = near ? fs::path(path).lexically_relative(folder).string() : path;
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out = near ? "" : "file://";
  for (const char c : target) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                       c == '_' || c == '-' || c == '/';
    out += plain ? std::string(1, c) : std::string{'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return out;
}

std::string Base64(std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) {
      bits = bits << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (size_t k = 0; k < 4; ++k) out += i + k > bytes.size() ? '=' : kDigits[bits >> (18 - 6 * k) & 63];
  }
  return out;
}

std::string DataURI(std::string_view type, std::string_view bytes) {
  return base::StrCat("data:", type, ";base64,", Base64(bytes));
}

std::string SecondsText(std::optional<double> seconds) {
  if (!seconds) return "–";
  if (*seconds >= 3600) return Duration(*seconds) + " h";
  if (*seconds >= 100) return Duration(*seconds) + " min";
  return FixedText(seconds, *seconds < 10 ? 2 : 1) + " s";
}

std::string PercentText(std::optional<double> share) { return share ? FixedText(100 * *share, 1) + " %" : "–"; }

std::string FixedText(std::optional<double> value, int digits) {
  if (!value || !std::isfinite(*value)) return "–";
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, *value);
  return text;
}

std::string CountText(int64_t count) {
  const std::string digits = std::to_string(count);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    const size_t left = digits.size() - i;
    if (i > 0 && left % 3 == 0 && digits[i - 1] != '-') text += ',';
    text += digits[i];
  }
  return text;
}

}  // namespace app
