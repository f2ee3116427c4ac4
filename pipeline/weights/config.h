#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace pipeline {

// A component's config.json, read key by key with the defaults of the class that wrote it. A key that is absent takes
// the default, as `register_to_config` does in diffusers; a key of the wrong type or out of range is an error that
// names the file.
class Config {
 public:
  // Throws Error{kInvalidInput} when the file is missing, too large, or no JSON object.
  static Config Read(const std::string& path);

  const std::string& path() const { return path_; }
  bool Has(const std::string& key) const;  // present and not null

  int64_t Int(const std::string& key, int64_t fallback, int64_t min, int64_t max);
  double Number(const std::string& key, double fallback);
  bool Bool(const std::string& key, bool fallback);
  std::string String(const std::string& key, const std::string& fallback);
  std::vector<int64_t> Ints(const std::string& key, std::vector<int64_t> fallback, int64_t min, int64_t max);
  std::vector<double> Numbers(const std::string& key, std::vector<double> fallback);
  std::vector<bool> Bools(const std::string& key, std::vector<bool> fallback);

  // Throws Error{kUnsupported} unless the key is absent, null, or equal to what is supported.
  template <class T>
  void Require(const std::string& key, const T& supported, const std::string& why) {
    RequireJson(key, nlohmann::json(supported), why);
  }
  // Marks a key as known and without effect on inference.
  void Ignore(std::initializer_list<const char*> keys);

  // Keys that nothing above asked for (names that begin with '_' excepted), for a notice.
  std::vector<std::string> UnknownKeys() const;

  const nlohmann::json& json() const { return json_; }
  // Throws Error{kInvalidInput}: `path: key 'key' …`.
  [[noreturn]] void Fail(const std::string& key, const std::string& what) const;

 private:
  const nlohmann::json* Find(const std::string& key);
  void RequireJson(const std::string& key, const nlohmann::json& supported, const std::string& why);

  std::string path_;
  nlohmann::json json_;
  std::set<std::string> known_;
};

// Reads and parses a JSON file of at most `max_bytes`. Throws Error{kInvalidInput} naming the file.
nlohmann::json ReadJsonFile(const std::string& path, int64_t max_bytes = int64_t{64} << 20);

}  // namespace pipeline
