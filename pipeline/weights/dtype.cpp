#include <array>

#include "attention/base/error.h"
#include "pipeline/weights/safetensors.h"

namespace pipeline {
namespace {

struct DTypeRow {
  DType dtype;
  const char* name;
  int64_t bytes;
};
constexpr std::array<DTypeRow, 15> kDTypes = {{{DType::kBool, "BOOL", 1},
                                               {DType::kU8, "U8", 1},
                                               {DType::kI8, "I8", 1},
                                               {DType::kI16, "I16", 2},
                                               {DType::kU16, "U16", 2},
                                               {DType::kI32, "I32", 4},
                                               {DType::kU32, "U32", 4},
                                               {DType::kI64, "I64", 8},
                                               {DType::kU64, "U64", 8},
                                               {DType::kF8E4M3, "F8_E4M3", 1},
                                               {DType::kF8E5M2, "F8_E5M2", 1},
                                               {DType::kF16, "F16", 2},
                                               {DType::kBF16, "BF16", 2},
                                               {DType::kF32, "F32", 4},
                                               {DType::kF64, "F64", 8}}};

const DTypeRow& Row(DType dtype) {
  for (const DTypeRow& row : kDTypes)
    if (row.dtype == dtype) return row;
  base::Fail(base::ErrorCode::kInternal, "safetensors dtype ", static_cast<int>(dtype));
}

}  // namespace

const char* DTypeName(DType dtype) { return Row(dtype).name; }
int64_t DTypeBytes(DType dtype) { return Row(dtype).bytes; }

std::optional<DType> DTypeOfName(std::string_view name) {
  for (const DTypeRow& row : kDTypes)
    if (name == row.name) return row.dtype;
  return std::nullopt;
}

int64_t TensorEntry::numel() const { return static_cast<int64_t>(bytes) / DTypeBytes(dtype); }

}  // namespace pipeline
