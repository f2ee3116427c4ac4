#include "pipeline/weights/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "attention/base/atomic_file.h"
#include "attention/base/error.h"

namespace pipeline {
namespace {

using base::Check;
using base::ErrorCode;
using base::Fail;

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian");

// The live mappings, for MappedPathAt. A fixed table of atomics: a signal handler may read it at any moment.
struct MappingSlot {
  std::atomic<const std::byte*> begin{nullptr};
  std::atomic<const std::byte*> end{nullptr};
  std::atomic<const char*> path{nullptr};
};
constexpr size_t kMappingSlots = 1024;
std::array<MappingSlot, kMappingSlots> g_mappings;

void RegisterMapping(const std::byte* data, size_t size, const char* path) {
  for (MappingSlot& slot : g_mappings) {
    const std::byte* empty = nullptr;
    if (!slot.begin.compare_exchange_strong(empty, data)) continue;
    slot.path.store(path);
    slot.end.store(data + size);
    return;
  }
}

void UnregisterMapping(const std::byte* data) {
  for (MappingSlot& slot : g_mappings) {
    if (slot.begin.load() != data) continue;
    slot.end.store(nullptr);
    slot.path.store(nullptr);
    slot.begin.store(nullptr);
    return;
  }
}

// The library that defines the format refuses longer headers (100 MB).
constexpr uint64_t kMaxHeaderBytes = 100'000'000;

nlohmann::json ParseHeader(std::string_view text, const std::string& path) {
  std::vector<std::vector<std::string>> keys;  // of the objects that are open, to find duplicates
  std::string duplicate;
  auto watch = [&](int depth, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
    using Event = nlohmann::json::parse_event_t;
    Check(depth <= 8, ErrorCode::kInvalidInput, path, ": the safetensors header is nested too deeply");
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) {
      std::vector<std::string>& names = keys.back();
      std::sort(names.begin(), names.end());
      auto same = std::adjacent_find(names.begin(), names.end());
      if (same != names.end()) duplicate = *same;
      keys.pop_back();
    }
    if (event == Event::key) keys.back().push_back(parsed.get<std::string>());
    return true;
  };
  nlohmann::json header;
  try {
    header = nlohmann::json::parse(text.begin(), text.end(), watch);
  } catch (const nlohmann::json::exception& e) {
    Fail(ErrorCode::kInvalidInput, path, ": the safetensors header is not valid JSON (", e.what(),
         "); the file is damaged or is not a safetensors file");
  }
  Check(duplicate.empty(), ErrorCode::kInvalidInput, path, ": the safetensors header has '", duplicate, "' twice");
  Check(header.is_object(), ErrorCode::kInvalidInput, path, ": the safetensors header is not a JSON object");
  return header;
}

TensorEntry ReadEntry(const nlohmann::json& json, const std::string& where, const std::byte* data,
                      uint64_t data_bytes) {
  Check(json.is_object() && json.contains("dtype") && json.contains("shape") && json.contains("data_offsets"),
        ErrorCode::kInvalidInput, where, ": expected an object with dtype, shape and data_offsets");
  const nlohmann::json &dtype = json["dtype"], &shape = json["shape"], &offsets = json["data_offsets"];
  TensorEntry entry;
  const auto known = dtype.is_string() ? DTypeOfName(dtype.get_ref<const std::string&>()) : std::nullopt;
  Check(known.has_value(), ErrorCode::kInvalidInput, where, ": dtype ", dtype.dump(),
        " is unknown; known are BOOL, U8…U64, I8…I64, F8_E4M3, F8_E5M2, F16, BF16, F32, F64");
  entry.dtype = *known;

  Check(shape.is_array() && shape.size() <= 16, ErrorCode::kInvalidInput, where,
        ": shape is not an array of at most 16 sizes");
  uint64_t numel = 1;
  bool fits = true;
  for (const nlohmann::json& size : shape) {
    Check(size.is_number_unsigned() && size.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX),
          ErrorCode::kInvalidInput, where, ": shape ", shape.dump(), " has a size that is no natural number");
    entry.shape.push_back(static_cast<int64_t>(size.get<uint64_t>()));
    fits = fits && !__builtin_mul_overflow(numel, size.get<uint64_t>(), &numel);
  }
  uint64_t bytes = 0;
  fits = fits && !__builtin_mul_overflow(numel, static_cast<uint64_t>(DTypeBytes(entry.dtype)), &bytes) &&
         bytes <= static_cast<uint64_t>(INT64_MAX);
  Check(fits, ErrorCode::kInvalidInput, where, ": shape ", shape.dump(), " overflows");

  Check(offsets.is_array() && offsets.size() == 2 && offsets[0].is_number_unsigned() && offsets[1].is_number_unsigned(),
        ErrorCode::kInvalidInput, where, ": data_offsets is not a pair of natural numbers");
  const uint64_t begin = offsets[0].get<uint64_t>(), end = offsets[1].get<uint64_t>();
  Check(begin <= end && end <= data_bytes, ErrorCode::kInvalidInput, where, ": data_offsets [", begin, ", ", end,
        ") lie outside the file's ", data_bytes, " bytes of data; the file is truncated or damaged: fetch it again");
  Check(end - begin == bytes, ErrorCode::kInvalidInput, where, ": data_offsets span ", end - begin, " bytes, but ",
        DTypeName(entry.dtype), " ", shape.dump(), " takes ", bytes);
  entry.data = data + begin;
  entry.bytes = bytes;
  return entry;
}

void CheckCoverage(const std::map<std::string, TensorEntry>& tensors, const std::byte* data, uint64_t data_bytes,
                   const std::string& path) {
  std::vector<std::pair<const TensorEntry*, const std::string*>> order;
  for (const auto& [name, entry] : tensors) order.emplace_back(&entry, &name);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first->data, a.first->bytes) < std::pair(b.first->data, b.first->bytes);
  });
  const std::byte* end = data;
  for (const auto& [entry, name] : order) {
    Check(entry->data >= end, ErrorCode::kInvalidInput, path, ": tensor '", *name, "' overlaps another at byte ",
          entry->data - data, " of the data");
    Check(entry->data == end, ErrorCode::kInvalidInput, path, ": ", entry->data - end, " bytes before tensor '", *name,
          "' belong to no tensor");
    end = entry->data + entry->bytes;
  }
  Check(end == data + data_bytes, ErrorCode::kInvalidInput, path, ": the last ", data + data_bytes - end,
        " bytes belong to no tensor; the file is damaged");
}

float HalfToFloat(uint16_t half) {
  const int exponent = (half >> 10) & 31, mantissa = half & 1023;
  const float sign = (half & 0x8000) ? -1.f : 1.f;
  if (exponent == 31) return mantissa ? std::nanf("") : sign * INFINITY;
  return exponent == 0 ? sign * std::ldexp(static_cast<float>(mantissa), -24)
                       : sign * std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
}

// OCP 8-bit formats: E4M3 has no infinity and one NaN a sign; E5M2 is the upper byte of a half.
float F8E4M3ToFloat(uint8_t bits) {
  const int exponent = (bits >> 3) & 15, mantissa = bits & 7;
  const float sign = (bits & 0x80) ? -1.f : 1.f;
  if (exponent == 15 && mantissa == 7) return std::nanf("");
  return exponent == 0 ? sign * std::ldexp(static_cast<float>(mantissa), -9)
                       : sign * std::ldexp(static_cast<float>(mantissa + 8), exponent - 10);
}

template <class T>
T Load(const std::byte* data, int64_t index) {
  T value;
  std::memcpy(&value, data + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

}  // namespace

MappedFile::MappedFile(std::string path, const std::byte* data, size_t size)
    : path_(std::move(path)), data_(data), size_(size) {
  if (data_) RegisterMapping(data_, size_, path_.c_str());
}

MappedFile::~MappedFile() {
  if (!data_) return;
  UnregisterMapping(data_);
  munmap(const_cast<std::byte*>(data_), size_);
}

std::shared_ptr<const MappedFile> MappedFile::Open(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  Check(fd >= 0, ErrorCode::kInvalidInput, path, ": ", fd < 0 ? std::strerror(errno) : "");
  struct stat info {};
  const bool regular = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  if (!regular) close(fd);
  Check(regular, ErrorCode::kInvalidInput, path, ": is no regular file");
  const size_t size = static_cast<size_t>(info.st_size);
  void* data = size ? mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0) : nullptr;
  const int error = errno;
  close(fd);
  Check(data != MAP_FAILED, ErrorCode::kIo, path, ": cannot be mapped (", std::strerror(error), ")");
  return std::shared_ptr<const MappedFile>(new MappedFile(path, static_cast<const std::byte*>(data), size));
}

const char* MappedPathAt(const void* address) {
  const std::byte* at = static_cast<const std::byte*>(address);
  for (const MappingSlot& slot : g_mappings) {
    const std::byte *begin = slot.begin.load(), *end = slot.end.load();
    if (begin && end && at >= begin && at < end) return slot.path.load();
  }
  return nullptr;
}

std::shared_ptr<const SafetensorsFile> SafetensorsFile::Open(const std::string& path) {
  auto file = std::make_shared<SafetensorsFile>();
  file->file_ = MappedFile::Open(path);
  const std::byte* bytes = file->file_->data();
  const uint64_t size = file->file_->size();
  Check(size >= 8, ErrorCode::kInvalidInput, path, ": has ", size, " bytes, too few for a safetensors file");
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes, 8);
  Check(header_bytes <= kMaxHeaderBytes && header_bytes <= size - 8, ErrorCode::kInvalidInput, path,
        ": its first 8 bytes announce a header of ", header_bytes, " bytes, but the file has ", size,
        "; it is truncated or is not a safetensors file");
  file->header_ = std::string_view(reinterpret_cast<const char*>(bytes) + 8, header_bytes);
  const std::byte* data = bytes + 8 + header_bytes;
  const uint64_t data_bytes = size - 8 - header_bytes;

  const nlohmann::json header = ParseHeader(file->header_, path);
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      Check(value.is_object(), ErrorCode::kInvalidInput, path, ": __metadata__ is no object");
      for (const auto& [key, text] : value.items()) {
        Check(text.is_string(), ErrorCode::kInvalidInput, path, ": __metadata__ '", key, "' is no string");
        file->metadata_[key] = text.get<std::string>();
      }
    } else {
      file->tensors_[name] = ReadEntry(value, base::StrCat(path, ": tensor '", name, "'"), data, data_bytes);
    }
  }
  CheckCoverage(file->tensors_, data, data_bytes, path);
  return file;
}

HostTensor SafetensorsFile::ReadFloat(const std::string& name) const {
  auto found = tensors_.find(name);
  Check(found != tensors_.end(), ErrorCode::kInvalidInput, path(), ": has no tensor '", name, "'");
  const TensorEntry& entry = found->second;
  HostTensor out;
  out.shape = entry.shape;
  const int64_t n = entry.numel();
  out.data.resize(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    float& value = out.data[static_cast<size_t>(i)];
    switch (entry.dtype) {
      case DType::kF32:
        value = Load<float>(entry.data, i);
        break;
      case DType::kF64:
        value = static_cast<float>(Load<double>(entry.data, i));
        break;
      case DType::kBF16:
        value = std::bit_cast<float>(static_cast<uint32_t>(Load<uint16_t>(entry.data, i)) << 16);
        break;
      case DType::kF16:
        value = HalfToFloat(Load<uint16_t>(entry.data, i));
        break;
      case DType::kF8E4M3:
        value = F8E4M3ToFloat(Load<uint8_t>(entry.data, i));
        break;
      case DType::kF8E5M2:
        value = HalfToFloat(static_cast<uint16_t>(Load<uint8_t>(entry.data, i) << 8));
        break;
      default:
        Fail(ErrorCode::kInvalidInput, path(), ": tensor '", name, "' is ", DTypeName(entry.dtype),
             ", expected a floating dtype");
    }
  }
  return out;
}

namespace {

// The bytes of a file, piece by piece.
void Serialise(std::vector<TensorData> tensors, const std::map<std::string, std::string>& metadata,
               const std::function<void(const void*, size_t)>& write) {
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const TensorData& a, const TensorData& b) { return DTypeBytes(a.dtype) > DTypeBytes(b.dtype); });
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::vector<size_t> bytes;
  uint64_t offset = 0;
  for (const TensorData& tensor : tensors) {
    int64_t numel = 1;
    for (int64_t size : tensor.shape) numel *= size;
    bytes.push_back(static_cast<size_t>(numel * DTypeBytes(tensor.dtype)));
    header[tensor.name] = {
        {"dtype", DTypeName(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + bytes.back()}}};
    offset += bytes.back();
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the data are aligned
  const uint64_t header_bytes = text.size();

  write(&header_bytes, 8);
  write(text.data(), text.size());
  for (size_t i = 0; i < tensors.size(); ++i) write(tensors[i].data, bytes[i]);
}

}  // namespace

void WriteTensors(const std::string& path, std::vector<TensorData> tensors,
                  const std::map<std::string, std::string>& metadata) {
  base::AtomicFile file(path);
  Serialise(std::move(tensors), metadata, [&](const void* data, size_t bytes) { file.Write(data, bytes); });
  file.Commit();
}

void WriteTensorsUnsynced(const std::string& path, std::vector<TensorData> tensors,
                          const std::map<std::string, std::string>& metadata) {
  const std::string aside = path + ".part";
  std::ofstream file(aside, std::ios::binary | std::ios::trunc);
  Serialise(std::move(tensors), metadata, [&](const void* data, size_t bytes) {
    file.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
  });
  file.close();
  const bool renamed = file.good() && std::rename(aside.c_str(), path.c_str()) == 0;
  const int why = errno;
  if (!renamed) std::remove(aside.c_str());
  Check(renamed, ErrorCode::kIo, "cannot write ", path, ": ", std::strerror(why));
}

void WriteSafetensors(const std::string& path, const std::vector<std::pair<std::string, const HostTensor*>>& tensors,
                      const std::map<std::string, std::string>& metadata) {
  std::vector<TensorData> data;
  for (const auto& [name, tensor] : tensors) data.push_back({name, DType::kF32, tensor->shape, tensor->data.data()});
  WriteTensors(path, std::move(data), metadata);
}

}  // namespace pipeline
