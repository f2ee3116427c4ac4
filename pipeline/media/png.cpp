#include "pipeline/media/png.h"

#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "attention/base/atomic_file.h"
#include "attention/base/error.h"
#include "pipeline/media/pixels.h"

namespace pipeline {
namespace {

using base::ErrorCode;

const std::string kSignature("\x89PNG\r\n\x1a\n", 8);
const std::string kKeyword = "sparge";
constexpr size_t kMaxComment = size_t{64} << 20;  // more is no job of ours
constexpr uint32_t kMaxChunk = 0x7FFFFFFFu;       // the format's own limit

void AppendBigEndian(uint32_t value, std::string& out) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift & 0xFF));
}

uint32_t BigEndian(const char* p) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(p[i]);
  return value;
}

uint32_t Crc(const std::string& type, const std::string& data) {
  const uLong start = crc32(0, reinterpret_cast<const Bytef*>(type.data()), static_cast<uInt>(type.size()));
  return static_cast<uint32_t>(
      crc32(start, reinterpret_cast<const Bytef*>(data.data()), static_cast<uInt>(data.size())));
}

void AppendChunk(const std::string& type, const std::string& data, std::string& out) {
  AppendBigEndian(static_cast<uint32_t>(data.size()), out);
  out += type;
  out += data;
  AppendBigEndian(Crc(type, data), out);
}

uint8_t Paeth(int left, int up, int corner) {
  const int guess = left + up - corner;
  const int by_left = std::abs(guess - left), by_up = std::abs(guess - up), by_corner = std::abs(guess - corner);
  if (by_left <= by_up && by_left <= by_corner) return static_cast<uint8_t>(left);
  return static_cast<uint8_t>(by_up <= by_corner ? up : corner);
}

// The residuals of a row under a filter (PNG §9.2); both rows have kPixel zeros before their first byte.
constexpr size_t kPixel = 3;

void Filter(int type, const uint8_t* row, const uint8_t* above, size_t bytes, uint8_t* out) {
  const uint8_t *left = row - kPixel, *corner = above - kPixel;
  switch (type) {
    case 0:
      std::copy(row, row + bytes, out);
      break;
    case 1:
      for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<uint8_t>(row[i] - left[i]);
      break;
    case 2:
      for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<uint8_t>(row[i] - above[i]);
      break;
    case 3:
      for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<uint8_t>(row[i] - (left[i] + above[i]) / 2);
      break;
    default:
      for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<uint8_t>(row[i] - Paeth(left[i], above[i], corner[i]));
  }
}

int64_t SumOfAbsolutes(const std::vector<uint8_t>& residuals) {
  int64_t sum = 0;
  for (uint8_t r : residuals) sum += std::abs(static_cast<int8_t>(r));
  return sum;
}

[[noreturn]] void FailRead(const std::string& path, const std::string& why) {
  base::Fail(ErrorCode::kInvalidInput, "cannot read '", path, "': ", why, "; it must be a whole PNG file");
}

// Inflates at most kMaxComment bytes.
std::string Inflate(const std::string& path, std::string_view data) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) throw std::bad_alloc();
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  std::string text;
  char buffer[1 << 14];
  int result = Z_OK;
  while (result == Z_OK && text.size() <= kMaxComment) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer);
    stream.avail_out = sizeof buffer;
    result = inflate(&stream, Z_NO_FLUSH);
    text.append(buffer, sizeof buffer - stream.avail_out);
  }
  inflateEnd(&stream);
  if (result != Z_STREAM_END) FailRead(path, "its compressed text chunk is damaged or too large");
  return text;
}

// The text of an iTXt chunk (PNG §11.3.3.4): keyword, 0, compression flag, method, language, 0, keyword, 0, text.
std::string TextOf(const std::string& path, const std::string& chunk) {
  const size_t flags = kKeyword.size() + 1;
  if (chunk.size() < flags + 2) FailRead(path, "its text chunk is cut short");
  const size_t language_end = chunk.find('\0', flags + 2);
  const size_t keyword_end = language_end == std::string::npos ? language_end : chunk.find('\0', language_end + 1);
  if (keyword_end == std::string::npos) FailRead(path, "its text chunk is cut short");
  const std::string_view text = std::string_view(chunk).substr(keyword_end + 1);
  return chunk[flags] == 0 ? std::string(text) : Inflate(path, text);
}

void WritePngFile(const FramesView& frames, int64_t index, const std::string& comment, base::AtomicFile& file) {
  std::vector<uint8_t> bytes(frames.height_px * frames.width_px * 3);
  RoundTo8Bit(frames.frame(index), static_cast<int64_t>(bytes.size()), index, bytes.data());
  file.Write(EncodePng(bytes.data(), frames.height_px, frames.width_px, comment));
}

}  // namespace

std::string EncodePng(const uint8_t* rgb, int64_t height_px, int64_t width_px, const std::string& comment) {
  std::string header, out = kSignature;
  AppendBigEndian(static_cast<uint32_t>(width_px), header);
  AppendBigEndian(static_cast<uint32_t>(height_px), header);
  header += std::string("\x08\x02\0\0\0", 5);  // 8 bits, RGB, deflate, adaptive filters, not interlaced
  AppendChunk("IHDR", header, out);
  AppendChunk("sRGB", std::string(1, 0), out);
  if (!comment.empty()) AppendChunk("iTXt", kKeyword + std::string(5, 0) + comment, out);

  // Each row behind the filter with the smallest sum of absolute residuals.
  const size_t row_bytes = static_cast<size_t>(width_px) * kPixel;
  std::vector<uint8_t> row(kPixel + row_bytes, 0), above(kPixel + row_bytes, 0), residuals(row_bytes), best(row_bytes);
  std::string filtered;
  filtered.reserve((row_bytes + 1) * height_px);
  for (int64_t y = 0; y < height_px; ++y) {
    row.swap(above);
    std::copy(rgb + y * row_bytes, rgb + (y + 1) * row_bytes, row.begin() + kPixel);
    if (y == 0) std::fill(above.begin(), above.end(), 0);
    int best_type = -1;
    int64_t best_sum = 0;
    for (int type = 0; type < 5; ++type) {
      Filter(type, row.data() + kPixel, above.data() + kPixel, row_bytes, residuals.data());
      const int64_t sum = SumOfAbsolutes(residuals);
      if (best_type >= 0 && sum >= best_sum) continue;
      best_sum = sum;
      best_type = type;
      best.swap(residuals);
    }
    filtered.push_back(static_cast<char>(best_type));
    filtered.append(best.begin(), best.end());
  }
  uLongf size = compressBound(filtered.size());
  std::string packed(size, 0);
  const int result = compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
                               reinterpret_cast<const Bytef*>(filtered.data()), filtered.size(), 6);
  if (result != Z_OK) throw std::bad_alloc();
  packed.resize(size);
  constexpr size_t kIdatBytes = size_t{1} << 20;
  for (size_t at = 0; at < packed.size(); at += kIdatBytes) AppendChunk("IDAT", packed.substr(at, kIdatBytes), out);
  AppendChunk("IEND", "", out);
  return out;
}

std::string ReadPngComment(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string head(8, 0), chunk, comment;
  if (!in.read(head.data(), 8) || head != kSignature) FailRead(path, "it does not begin as a PNG file does");
  bool found = false;
  for (;;) {
    if (!in.read(head.data(), 8)) FailRead(path, "it is cut short");
    const uint32_t size = BigEndian(head.data());
    const std::string type = head.substr(4, 4);
    if (size > kMaxChunk) FailRead(path, base::StrCat("a chunk claims ", size, " bytes"));
    if (type == "IEND") return comment;
    if (type != "iTXt" || found) {
      in.seekg(static_cast<std::streamoff>(size) + 4, std::ios::cur);
      continue;
    }
    if (size > kMaxComment) FailRead(path, base::StrCat("a text chunk claims ", size, " bytes"));
    chunk.clear();
    for (char buffer[1 << 14]; chunk.size() < size;) {  // piece by piece: the size is a claim
      const size_t piece = std::min<size_t>(sizeof buffer, size - chunk.size());
      if (!in.read(buffer, static_cast<std::streamsize>(piece))) FailRead(path, "it is cut short");
      chunk.append(buffer, piece);
    }
    if (!in.read(head.data(), 4)) FailRead(path, "it is cut short");
    if (BigEndian(head.data()) != Crc(type, chunk)) FailRead(path, "a text chunk is damaged (checksum)");
    if (chunk.compare(0, kKeyword.size() + 1, kKeyword + '\0') != 0) continue;
    comment = TextOf(path, chunk);
    found = true;
  }
}

void WritePng(const std::string& path, const FramesView& frames, const std::string& comment, Progress& progress) {
  progress.Update(Stage::kWrite, 0, frames.num_frames);
  progress.ThrowIfCancelled();
  if (KindOfOutput(path) == OutputKind::kPngImage) {
    base::AtomicFile file(path);
    WritePngFile(frames, 0, comment, file);
    progress.ThrowIfCancelled();
    file.Commit();
  } else {
    base::AtomicFileSet files;
    for (int64_t i = 0; i < frames.num_frames; ++i) {
      progress.ThrowIfCancelled();
      base::AtomicFile& file = files.Add(FramePath(path, i));
      WritePngFile(frames, i, comment, file);
      file.Seal();
      if (i + 1 < frames.num_frames) progress.Update(Stage::kWrite, i + 1, frames.num_frames);
    }
    progress.ThrowIfCancelled();
    files.Commit();
    for (int64_t i = frames.num_frames; unlink(FramePath(path, i).c_str()) == 0; ++i) {
    }
  }
  progress.Update(Stage::kWrite, frames.num_frames, frames.num_frames);
}

}  // namespace pipeline
