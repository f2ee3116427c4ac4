#include "pipeline/weights/shard_index.h"

#include "attention/base/error.h"
#include "pipeline/weights/config.h"

namespace pipeline {

using base::Check;
using base::ErrorCode;

ShardIndex ReadShardIndex(const std::string& path) {
  const nlohmann::json index = ReadJsonFile(path);
  Check(index.is_object() && index.contains("weight_map") && index["weight_map"].is_object(), ErrorCode::kInvalidInput,
        path, ": has no weight_map object");
  ShardIndex shards;
  for (const auto& [tensor, file] : index["weight_map"].items()) {
    Check(file.is_string(), ErrorCode::kInvalidInput, path, ": weight_map '", tensor, "' is no file name");
    const std::string name = file.get<std::string>();
    const bool plain = !name.empty() && name.find('/') == std::string::npos && name != "." && name != ".." &&
                       name.find('\0') == std::string::npos;
    Check(plain, ErrorCode::kInvalidInput, path, ": weight_map '", tensor, "' points to ", file.dump(),
          ", expected a file beside the index");
    shards[tensor] = name;
  }
  return shards;
}

}  // namespace pipeline
