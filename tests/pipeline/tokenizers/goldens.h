#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

// The data that tests/golden/make_text_goldens.py writes.
namespace text_goldens {

inline std::filesystem::path Folder() {
  return std::filesystem::path(SPARGE_SOURCE_DIR) / "tests" / "golden" / "data" / "text";
}

inline std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("no file " + path.string());
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

inline nlohmann::json ReadJson(const std::string& name) { return nlohmann::json::parse(ReadFile(Folder() / name)); }

inline std::vector<std::string> ReadLines(const std::string& name) {
  std::istringstream in(ReadFile(Folder() / name));
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// The corpus. A text that repeats one unit is stored as [unit, times].
inline std::vector<std::string> ReadTexts() {
  std::vector<std::string> texts;
  for (const auto& entry : ReadJson("texts.json")) {
    const auto unit = entry.is_array() ? entry[0].get<std::string>() : entry.get<std::string>();
    std::string& text = texts.emplace_back();
    for (int i = entry.is_array() ? entry[1].get<int>() : 1; i > 0; --i) text += unit;
  }
  return texts;
}

// Ids as the goldens store them: the numbers, or of more than 600 their count and hash.
inline std::string Stored(const std::vector<int32_t>& ids) {
  std::ostringstream out;
  if (ids.size() <= 600) {
    for (size_t i = 0; i < ids.size(); ++i) out << (i > 0 ? " " : "") << ids[i];
    return out.str();
  }
  uint64_t hash = 0xCBF29CE484222325u;
  for (int32_t id : ids) {
    for (int shift = 0; shift < 32; shift += 8) {
      hash = (hash ^ ((static_cast<uint32_t>(id) >> shift) & 0xFF)) * 0x100000001B3u;
    }
  }
  out << "# " << ids.size() << " " << std::hex;
  out.width(16);
  out.fill('0');
  out << hash;
  return out.str();
}

}  // namespace text_goldens
