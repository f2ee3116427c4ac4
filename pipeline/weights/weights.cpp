#include "pipeline/weights/weights.h"

#include <ATen/Functions.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <set>

#include "attention/base/error.h"
#include "pipeline/weights/shard_index.h"

namespace pipeline {
namespace {

namespace fs = std::filesystem;
using base::Check;
using base::ErrorCode;
using base::Fail;
using base::StrCat;

at::ScalarType ToScalarType(DType dtype) {
  switch (dtype) {
    case DType::kBool:
      return at::kBool;
    case DType::kU8:
      return at::kByte;
    case DType::kI8:
      return at::kChar;
    case DType::kI16:
      return at::kShort;
    case DType::kU16:
      return at::kUInt16;
    case DType::kI32:
      return at::kInt;
    case DType::kU32:
      return at::kUInt32;
    case DType::kI64:
      return at::kLong;
    case DType::kU64:
      return at::kUInt64;
    case DType::kF8E4M3:
      return at::kFloat8_e4m3fn;
    case DType::kF8E5M2:
      return at::kFloat8_e5m2;
    case DType::kF16:
      return at::kHalf;
    case DType::kBF16:
      return at::kBFloat16;
    case DType::kF32:
      return at::kFloat;
    case DType::kF64:
      return at::kDouble;
  }
  Fail(ErrorCode::kInternal, "safetensors dtype ", static_cast<int>(dtype));
}

bool IsFloating(DType dtype) { return at::isFloatingType(ToScalarType(dtype)); }

std::string ShapeText(const std::vector<int64_t>& shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out += (i ? ", " : "") + std::to_string(shape[i]);
  return out + "]";
}

// A list for an error message: all of a short one, the head of a long one.
std::string Listed(const std::vector<std::string>& items) {
  constexpr size_t kShown = 12;
  std::string out;
  for (size_t i = 0; i < std::min(items.size(), kShown); ++i) out += (i ? ", " : "") + items[i];
  if (items.size() > kShown) out += StrCat(", and ", items.size() - kShown, " more");
  return out;
}

// What lies in a folder without safetensors weights, for the remedy.
std::string OtherFormats(const std::string& folder) {
  std::string found;
  std::error_code ec;
  for (const auto& item : fs::directory_iterator(folder, ec)) {
    const std::string name = item.path().filename().string(), extension = item.path().extension().string();
    if (extension == ".bin" || extension == ".pt" || extension == ".pth" || extension == ".ckpt" ||
        extension == ".gguf" || extension == ".safetensors")
      found += (found.empty() ? "" : ", ") + name;
  }
  return found.empty()
             ? ""
             : StrCat("; there is ", found, " (save the model with safe_serialization and without a variant)");
}

}  // namespace

WeightFiles WeightFiles::Open(const std::string& folder, const std::string& stem) {
  WeightFiles out;
  const std::string single = folder + "/" + stem + ".safetensors", index_path = single + ".index.json";
  ShardIndex index;
  if (fs::exists(single)) {
    out.files_.push_back(SafetensorsFile::Open(single));
  } else {
    Check(fs::is_directory(folder), ErrorCode::kInvalidInput, folder, ": is no folder; the model folder is incomplete");
    Check(fs::exists(index_path), ErrorCode::kInvalidInput, folder, ": has no ", stem, ".safetensors and no ", stem,
          ".safetensors.index.json", OtherFormats(folder));
    index = ReadShardIndex(index_path);
    std::vector<std::string> absent;
    std::set<std::string> shards;
    for (const auto& [tensor, shard] : index) shards.insert(shard);
    for (const std::string& name : shards)
      if (!fs::exists(folder + "/" + name)) absent.push_back(name);
    Check(absent.empty(), ErrorCode::kInvalidInput, index_path, ": names shards that are not there: ", Listed(absent),
          "; fetch them again");
    for (const std::string& name : shards) out.files_.push_back(SafetensorsFile::Open(folder + "/" + name));
  }
  for (const auto& file : out.files_) {
    for (const auto& [name, entry] : file->tensors()) {
      const auto [at, added] = out.tensors_.try_emplace(name, Located{&entry, file.get()});
      Check(added, ErrorCode::kInvalidInput, "tensor '", name,
            "' is in two files: ", added ? "" : at->second.file->path(), " and ", file->path());
    }
  }
  for (const auto& [name, shard] : index) {
    auto found = out.tensors_.find(name);
    Check(found != out.tensors_.end() && found->second.file->path() == folder + "/" + shard, ErrorCode::kInvalidInput,
          index_path, ": tensor '", name, "' is not in ", shard, " as the index says; the shards are not of one model");
  }
  return out;
}

at::Tensor WeightFiles::View(const std::string& name) const {
  const Located& located = tensors_.at(name);
  const TensorEntry& entry = *located.entry;
  const at::TensorOptions options = at::TensorOptions().dtype(ToScalarType(entry.dtype));
  if (entry.numel() == 0) return at::empty(entry.shape, options);
  void* data = const_cast<std::byte*>(entry.data);
  const std::shared_ptr<const MappedFile> keep = located.file->mapping();
  if (reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(DTypeBytes(entry.dtype)) == 0)
    return at::from_blob(
        data, entry.shape, [keep](void*) {}, options);
  at::Tensor copy = at::empty(entry.shape, options);
  std::memcpy(copy.data_ptr(), data, entry.bytes);
  return copy;
}

at::Tensor WeightLoader::Get(const std::string& name, std::vector<int64_t> shape) {
  return GetAny({name}, std::move(shape));
}

at::Tensor WeightLoader::GetAny(const std::vector<std::string>& names, std::vector<int64_t> shape) {
  specs_.push_back({names[0], shape});
  for (size_t i = 1; i < names.size(); ++i) aliases_[names[i]] = names[0];
  if (!files_ && !make_) return {};
  if (on_tensor_) on_tensor_();
  const at::ScalarType dtype = keep_float32_ && keep_float32_(names[0]) ? at::kFloat : dtype_;
  if (make_) return make_(names[0], shape).to(device_, dtype);
  for (const std::string& name : names) {
    auto found = files_->tensors().find(name);
    if (found == files_->tensors().end()) continue;
    Check(found->second.entry->shape == shape, ErrorCode::kInvalidInput, found->second.file->path(), ": tensor '", name,
          "' has shape ", ShapeText(found->second.entry->shape), ", expected ", ShapeText(shape));
    return files_->View(name).to(device_, dtype);
  }
  Fail(ErrorCode::kInvalidInput, files_->files().front()->path(), ": has no tensor '", names[0], "'");
}

void CheckWeights(const WeightFiles& files, const WeightLoader& declared, const std::string& folder,
                  bool (*ignored)(const std::string& name)) {
  std::map<std::string, const TensorSpec*> expected;
  for (const TensorSpec& spec : declared.specs()) expected[spec.name] = &spec;
  std::set<std::string> present;
  std::vector<std::string> missing, unexpected, wrong;
  for (const auto& [name, located] : files.tensors()) {
    auto alias = declared.aliases().find(name);
    auto spec = expected.find(alias == declared.aliases().end() ? name : alias->second);
    const std::string where = StrCat("'", name, "' in ", fs::path(located.file->path()).filename().string());
    if (spec == expected.end()) {
      if (!ignored || !ignored(name)) unexpected.push_back(where);
      continue;
    }
    present.insert(spec->first);
    if (located.entry->shape != spec->second->shape)
      wrong.push_back(
          StrCat(where, " is ", ShapeText(located.entry->shape), ", expected ", ShapeText(spec->second->shape)));
    else if (!IsFloating(located.entry->dtype))
      wrong.push_back(StrCat(where, " is ", DTypeName(located.entry->dtype), ", expected a floating dtype"));
  }
  for (const TensorSpec& spec : declared.specs())
    if (!present.count(spec.name)) missing.push_back(StrCat("'", spec.name, "' ", ShapeText(spec.shape)));
  if (missing.empty() && unexpected.empty() && wrong.empty()) return;
  std::string message = StrCat(folder, ": the weights do not fit config.json");
  if (!missing.empty()) message += StrCat("; missing: ", Listed(missing));
  if (!unexpected.empty()) message += StrCat("; unexpected: ", Listed(unexpected));
  if (!wrong.empty()) message += StrCat("; mis-shaped: ", Listed(wrong));
  Fail(ErrorCode::kInvalidInput, message);
}

std::string FindNonFinite(const WeightFiles& files) {
  for (const auto& [name, located] : files.tensors()) {
    if (!IsFloating(located.entry->dtype)) continue;
    if (!at::isfinite(files.View(name).to(at::kFloat)).all().item<bool>())
      return StrCat("tensor '", name, "' in ", located.file->path());
  }
  return "";
}

}  // namespace pipeline
