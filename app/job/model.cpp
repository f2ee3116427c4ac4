#include "app/job/model.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "app/settings/sha256.h"
#include "app/settings/text.h"
#include "attention/base/error.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;

bool IsModelFolder(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path / "model_index.json", error);
}

// SPARGE_MODELS, then the assets folder of the source tree or installation that the program lies in.
std::vector<fs::path> SearchPath() {
  std::vector<fs::path> folders;
  if (const char* path = std::getenv("SPARGE_MODELS")) {
    for (const std::string& folder : Split(path, ':')) {
      if (!folder.empty()) folders.emplace_back(folder);
    }
  }
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  fs::path folder = program.parent_path();
  for (int i = 0; !error && i < 4 && folder.has_relative_path(); ++i, folder = folder.parent_path()) {
    for (const fs::path& assets : {folder / "assets", folder / "share" / "sparge" / "assets"}) {
      if (fs::is_directory(assets, error)) folders.push_back(assets);
    }
    error.clear();
  }
  return folders;
}

std::string Absolute(const fs::path& path) {
  std::string text = fs::absolute(path).lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

}  // namespace

std::vector<std::string> ModelNames() {
  std::set<std::string> names;
  for (const fs::path& folder : SearchPath()) {
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
      if (IsModelFolder(it->path())) names.insert(it->path().filename().string());
    }
  }
  return {names.begin(), names.end()};
}

std::string FindModel(const std::string& model, const std::string& folder) {
  std::error_code error;
  const fs::path path = folder.empty() ? fs::path(model) : fs::path(folder) / model;
  const std::string extension = LowerASCII(path.extension().string());
  if (fs::is_directory(path, error)) return Absolute(path);
  if (extension == ".safetensors" || extension == ".gguf") {
    base::Fail(ErrorCode::kUnsupported, "model: ", Quoted(model), " is a single file: loading those is not there yet; ",
               "there is: a folder in diffusers layout, with model_index.json");
  }
  base::Check(!fs::exists(path, error), ErrorCode::kInvalidInput, "model: ", Quoted(model),
              " is a file; expected a folder in diffusers layout, with model_index.json");
  const bool is_name = !model.empty() && model.find('/') == std::string::npos && model != "." && model != "..";
  if (is_name) {
    for (const fs::path& place : SearchPath()) {
      if (IsModelFolder(place / model)) return Absolute(place / model);
    }
  }
  const std::vector<std::string> names = ModelNames();
  base::Fail(ErrorCode::kInvalidInput, "model: no folder ", Quoted(model),
             is_name ? ", and no model of that name under SPARGE_MODELS" : "", DidYouMean(model, names),
             names.empty() ? "" : "; known names: " + Join(names, ", "));
}

namespace {

constexpr size_t kSampleBytes = 64 << 10;
constexpr uint64_t kSamples = 64;

void ReadAt(std::ifstream& in, const std::string& path, uint64_t offset, std::string& buffer) {
  in.seekg(static_cast<std::streamoff>(offset));
  in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
  base::Check(in.good(), ErrorCode::kIo, path, ": cannot be read to its end");
}

void HashFile(SHA256& sha, const std::string& path, bool whole) {
  std::error_code error;
  const uint64_t size = fs::file_size(path, error);
  std::ifstream in(path, std::ios::binary);
  base::Check(!error && in.good(), ErrorCode::kIo, path, ": cannot be read");
  sha.Update(" " + std::to_string(size) + "\n");
  if (!whole && path.ends_with(".safetensors") && size >= 8) {
    std::string length(8, '\0');
    ReadAt(in, path, 0, length);
    uint64_t header_bytes = 0;
    std::memcpy(&header_bytes, length.data(), 8);  // little-endian, as the format is
    std::string header(std::min<uint64_t>(header_bytes, std::min<uint64_t>(size - 8, 100 << 20)), '\0');
    if (!header.empty()) ReadAt(in, path, 8, header);
    sha.Update(header);
  }
  std::string sample(kSampleBytes, '\0');
  if (whole || size <= kSamples * kSampleBytes) {
    for (uint64_t at = 0; at < size; at += sample.size()) {
      sample.resize(std::min<uint64_t>(kSampleBytes, size - at));
      ReadAt(in, path, at, sample);
      sha.Update(sample);
    }
  } else {
    for (uint64_t i = 0; i < kSamples; ++i) {
      const auto offset =
          static_cast<uint64_t>(static_cast<unsigned __int128>(size - kSampleBytes) * i / (kSamples - 1));
      ReadAt(in, path, offset, sample);
      sha.Update(sample);
    }
  }
}

}  // namespace

std::string ModelHash(const pipeline::ModelInfo& model) {
  SHA256 sha;
  for (const std::string& path : model.config_files) {
    sha.Update("config " + fs::path(path).lexically_relative(model.path).string());
    HashFile(sha, path, true);
  }
  for (const pipeline::ComponentInfo& component : model.components) {
    for (const std::string& path : component.weight_files) {
      sha.Update("weights " + component.name);
      HashFile(sha, path, false);
    }
  }
  return sha.Hex();
}

}  // namespace app
