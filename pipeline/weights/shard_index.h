#pragma once

#include <map>
#include <string>

namespace pipeline {

// `weight_map` of a STEM.safetensors.index.json: tensor → file beside the index.
using ShardIndex = std::map<std::string, std::string>;

// Throws Error{kInvalidInput} naming the file and the tensor: no such file, no weight_map, no plain file name.
ShardIndex ReadShardIndex(const std::string& path);

}  // namespace pipeline
