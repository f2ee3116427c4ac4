// In place of safetensors.cpp and shard_index.cpp where there is no nlohmann_json: for programs that make their weights
// and open no file (scripts/gpu_check.sh).
#include "attention/base/error.h"
#include "pipeline/weights/safetensors.h"
#include "pipeline/weights/shard_index.h"

namespace pipeline {
namespace {

[[noreturn]] void Refuse(const std::string& path) {
  base::Fail(base::ErrorCode::kUnsupported, path, ": this program was built without nlohmann_json and reads no files");
}

}  // namespace

std::shared_ptr<const SafetensorsFile> SafetensorsFile::Open(const std::string& path) { Refuse(path); }
ShardIndex ReadShardIndex(const std::string& path) { Refuse(path); }

}  // namespace pipeline
