#include "app/seen/job_record.h"

#include <filesystem>
#include <fstream>
#include <iterator>

namespace app {
namespace {

using nlohmann::json;

constexpr size_t kMaxRecord = size_t{64} << 20;  // more is no job of ours

}  // namespace

json ParseRecord(const std::string& text) {
  json record = text.size() > kMaxRecord ? json() : json::parse(text, nullptr, false);
  return record.is_object() && record.contains("job") && record["job"].is_object() ? record : json();
}

json ReadSidecar(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::is_regular_file(path, error) || fs::file_size(path, error) > kMaxRecord) return nullptr;
  std::ifstream in(path, std::ios::binary);
  return ParseRecord({std::istreambuf_iterator<char>(in), {}});
}

}  // namespace app
