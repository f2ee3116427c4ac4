#include "app/batch/assess.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "app/job/files.h"
#include "app/settings/sha256.h"
#include "attention/base/error.h"
#include "pipeline/media/media.h"
#include "pipeline/weights/safetensors.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string HashIn(const std::string& text) {
  const json record = json::parse(text, nullptr, false);
  const json hash = record.is_object() ? record.value("hash", json()) : json();
  return hash.is_string() ? hash.get<std::string>() : "";
}

std::string HashInFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return HashIn({std::istreambuf_iterator<char>(in), {}});
}

// The hash that a file itself carries, if it is whole; none if it is not.
std::optional<std::string> HashIfWhole(const std::string& output, int64_t num_frames) {
  try {
    if (pipeline::KindOfOutput(output) == pipeline::OutputKind::kTensors) {
      const auto file = pipeline::SafetensorsFile::Open(output);  // checks that all bytes are there
      if (file->tensors().count("latents") + file->tensors().count("frames") < 2) return std::nullopt;
      return RecordedHash(output);
    }
    pipeline::FrameReader frames(output);
    int64_t count = 0;
    while (frames.Next()) ++count;
    if (count != num_frames) return std::nullopt;
    return HashIn(frames.info().comment);
  } catch (const base::Error&) {
    return std::nullopt;
  }
}

bool Exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

}  // namespace

bool CarriesHash(const std::string& output, const std::string& sidecar, const std::string& hash, int64_t num_frames) {
  const std::optional<std::string> own = HashIfWhole(output, num_frames);
  if (!own) return false;
  return own->empty() ? HashInFile(sidecar) == hash : *own == hash;
}

EntryFiles LookAtFiles(const PlanEntry& entry, const ManifestReader& manifests) {
  EntryFiles files;
  const int64_t frames = entry.At("frames").value.get<int64_t>();
  const std::string stem = pipeline::OutputStem(entry.files.outputs.at(0));
  size_t recorded = 0;
  for (const std::string& output : entry.files.outputs) {
    const std::string existing = pipeline::ExistingOutput(output, frames);
    const std::optional<Digest> digest = existing.empty() ? std::nullopt : DigestOf(output, frames);
    const bool known = digest && manifests.Recorded(entry.hash, *digest);
    recorded += known;
    if (existing.empty()) {
      files.missing.push_back(output);
    } else if (known || (digest && CarriesHash(output, stem + ".json", entry.hash, frames))) {
      files.good.push_back(*digest);
    } else {
      files.foreign.push_back(existing);
      ++files.foreign_outputs;
    }
  }
  files.recorded = recorded == entry.files.outputs.size();
  if (files.recorded) return files;
  if (!entry.files.sidecar.empty() && Exists(entry.files.sidecar) && HashInFile(entry.files.sidecar) != entry.hash) {
    files.foreign.push_back(entry.files.sidecar);
  }
  if (!entry.files.kept_latents.empty() && Exists(entry.files.kept_latents) &&
      RecordedHash(entry.files.kept_latents) != entry.hash) {
    files.foreign.push_back(entry.files.kept_latents);
  }
  return files;
}

std::string ClaimKey(const PlanEntry& entry) {
  std::string text = entry.hash;
  for (const std::string& output : entry.files.outputs) text += "\n" + output;
  return entry.hash.substr(0, 16) + "-" + SHA256Hex(text).substr(0, 16);
}

}  // namespace app
