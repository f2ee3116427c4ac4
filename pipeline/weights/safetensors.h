#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/host_tensor.h"

// The safetensors format (github.com/huggingface/safetensors, README "Format"): 8 bytes little-endian header length, a
// JSON header {name: {dtype, shape, data_offsets}}, then the data. Knows nothing of libtorch.
namespace pipeline {

enum class DType { kBool, kU8, kI8, kI16, kU16, kI32, kU32, kI64, kU64, kF8E4M3, kF8E5M2, kF16, kBF16, kF32, kF64 };

const char* DTypeName(DType dtype);  // as in the file: "F32", "BF16", "F8_E4M3", …
std::optional<DType> DTypeOfName(std::string_view name);
int64_t DTypeBytes(DType dtype);

// A read-only mapping of a whole file, kept alive by whoever holds it.
class MappedFile {
 public:
  // Throws Error{kInvalidInput} when the path is missing, unreadable or no regular file.
  static std::shared_ptr<const MappedFile> Open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  MappedFile(std::string path, const std::byte* data, size_t size);
  std::string path_;
  const std::byte* data_;
  size_t size_;
};

// The path of the live mapping that holds `address`, or null. Async-signal-safe: a SIGBUS handler asks it which weight
// file shrank under its mapping.
const char* MappedPathAt(const void* address);

struct TensorEntry {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  const std::byte* data = nullptr;  // into the mapping; not necessarily aligned to the element
  size_t bytes = 0;
  int64_t numel() const;
};

// An open file: every header field is checked (length, JSON, dtype, shape, offsets in range, no overlap, no gap, no
// duplicate).
class SafetensorsFile {
 public:
  // Throws Error{kInvalidInput} naming the file, the tensor and what was wrong.
  static std::shared_ptr<const SafetensorsFile> Open(const std::string& path);

  const std::string& path() const { return file_->path(); }
  const std::map<std::string, TensorEntry>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  std::string_view header() const { return header_; }  // the JSON text
  const std::shared_ptr<const MappedFile>& mapping() const { return file_; }

  // A float32 copy of a tensor of any floating dtype. Throws Error{kInvalidInput} when it is absent or not floating.
  HostTensor ReadFloat(const std::string& name) const;

 private:
  std::shared_ptr<const MappedFile> file_;
  std::string_view header_;
  std::map<std::string, TensorEntry> tensors_;
  std::map<std::string, std::string> metadata_;
};

// A dense row-major tensor in memory, to be written.
struct TensorData {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  const void* data = nullptr;
};

// Writes tensors to `path`, which appears whole or not at all (base::AtomicFile): those with the widest elements first,
// so that all are aligned, else in the order given. Throws Error{kIo} with the path when the disk is full or the folder
// cannot be written.
void WriteTensors(const std::string& path, std::vector<TensorData> tensors,
                  const std::map<std::string, std::string>& metadata);

// The same for what nobody keeps: not synced.
void WriteTensorsUnsynced(const std::string& path, std::vector<TensorData> tensors,
                          const std::map<std::string, std::string>& metadata);

// WriteTensors for float32 tensors.
void WriteSafetensors(const std::string& path, const std::vector<std::pair<std::string, const HostTensor*>>& tensors,
                      const std::map<std::string, std::string>& metadata);

}  // namespace pipeline
