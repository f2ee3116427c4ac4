#include "pipeline/media/gif_comment.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "attention/base/error.h"

namespace pipeline {
namespace {

constexpr size_t kHeaderBytes = 13;  // signature, version, logical screen descriptor
constexpr char kExtension = 0x21;
constexpr unsigned char kComment = 0xFE;
constexpr size_t kMaxComment = size_t{64} << 20;  // more is no job of ours

// Where the blocks begin: behind the header and the global palette.
size_t StartOfBlocks(const std::string& header) {
  const unsigned flags = static_cast<unsigned char>(header[10]);
  return kHeaderBytes + (flags & 0x80 ? size_t{3} << ((flags & 7) + 1) : 0);
}

std::string ReadAll(base::AtomicFile& file) {
  std::string bytes;
  char buffer[1 << 16];
  for (off_t offset = 0;;) {
    const ssize_t n = pread(file.fd(), buffer, sizeof buffer, offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) file.FailWrite(errno);
    if (n == 0) return bytes;
    bytes.append(buffer, static_cast<size_t>(n));
    offset += n;
  }
}

// The sub-blocks at the stream's position up to the empty one; their bytes go to `out` if it is given.
bool ReadSubBlocks(std::istream& in, std::string* out) {
  char block[255];
  for (int size = in.get(); size > 0; size = in.get()) {
    if (!in.read(block, size)) return false;
    if (out != nullptr) out->append(block, static_cast<size_t>(size));
    if (out != nullptr && out->size() > kMaxComment) return false;
  }
  return static_cast<bool>(in);
}

}  // namespace

void InsertGifComment(const std::string& comment, base::AtomicFile& file) {
  const std::string bytes = ReadAll(file);
  base::Check(bytes.size() > kHeaderBytes && bytes.size() >= StartOfBlocks(bytes), base::ErrorCode::kInternal,
              "the GIF muxer wrote ", bytes.size(), " bytes to '", file.path(), "', no whole header");
  std::string extension = {kExtension, static_cast<char>(kComment)};
  for (size_t at = 0; at < comment.size(); at += 255) {
    const size_t size = std::min<size_t>(255, comment.size() - at);
    extension.push_back(static_cast<char>(size));
    extension.append(comment, at, size);
  }
  extension.push_back(0);
  if (lseek(file.fd(), static_cast<off_t>(StartOfBlocks(bytes)), SEEK_SET) < 0) file.FailWrite(errno);
  file.Write(extension);
  file.Write(std::string_view(bytes).substr(StartOfBlocks(bytes)));
}

std::string ReadGifComment(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string header(kHeaderBytes, 0), comment;
  if (!in.read(header.data(), kHeaderBytes) || header.compare(0, 3, "GIF") != 0) return "";
  in.seekg(static_cast<std::streamoff>(StartOfBlocks(header)));
  while (in.get() == kExtension) {
    const bool is_comment = in.get() == kComment;
    if (!ReadSubBlocks(in, is_comment ? &comment : nullptr)) return "";
  }
  return comment;
}

}  // namespace pipeline
