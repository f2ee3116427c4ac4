#include "pipeline/media/av.h"

#include <cstdarg>
#include <mutex>
#include <new>

namespace pipeline::av {
namespace {

thread_local std::string t_last_error;

void KeepLine(void*, int level, const char* format, va_list arguments) {
  if ((level & 0xff) > AV_LOG_ERROR) return;  // the upper bits are a colour
  char line[400];
  vsnprintf(line, sizeof line, format, arguments);
  std::string text = line;
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '.')) text.pop_back();
  if (!text.empty()) t_last_error = text;
}

template <class T>
T* NotNull(T* p) {
  if (p == nullptr) throw std::bad_alloc();
  return p;
}

}  // namespace

CodecContext NewCodecContext(const AVCodec* codec) { return CodecContext(NotNull(avcodec_alloc_context3(codec))); }
Frame NewFrame() { return Frame(NotNull(av_frame_alloc())); }
Packet NewPacket() { return Packet(NotNull(av_packet_alloc())); }

std::string Options::Unused() const {
  const AVDictionaryEntry* entry = av_dict_get(dict_, "", nullptr, AV_DICT_IGNORE_SUFFIX);
  return entry == nullptr ? "" : entry->key;
}

void SilenceLog() {
  static std::once_flag once;
  std::call_once(once, [] { av_log_set_callback(KeepLine); });
}

void ClearLog() { t_last_error.clear(); }

std::string Explain(int error) {
  char reason[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(error, reason, sizeof reason);
  return t_last_error.empty() ? reason : std::string(reason) + " (" + t_last_error + ")";
}

}  // namespace pipeline::av
