#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

#include <memory>
#include <string>

// Owners of libav objects, and its messages.
namespace pipeline::av {

struct Deleter {
  void operator()(AVCodecContext* p) const { avcodec_free_context(&p); }
  void operator()(AVFrame* p) const { av_frame_free(&p); }
  void operator()(AVPacket* p) const { av_packet_free(&p); }
  void operator()(SwsContext* p) const { sws_freeContext(p); }
};

using CodecContext = std::unique_ptr<AVCodecContext, Deleter>;
using Frame = std::unique_ptr<AVFrame, Deleter>;
using Packet = std::unique_ptr<AVPacket, Deleter>;
using Scaler = std::unique_ptr<SwsContext, Deleter>;

CodecContext NewCodecContext(const AVCodec* codec);
Frame NewFrame();
Packet NewPacket();

// An option list that is freed.
class Options {
 public:
  ~Options() { av_dict_free(&dict_); }
  Options() = default;
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;
  void Set(const std::string& key, const std::string& value) { av_dict_set(&dict_, key.c_str(), value.c_str(), 0); }
  AVDictionary** get() { return &dict_; }
  // The first option that nobody took; empty if none.
  std::string Unused() const;

 private:
  AVDictionary* dict_ = nullptr;
};

// Keeps libav* from printing, once for the process; its last error line of a thread goes into that thread's messages.
// libav's log callback has no user pointer: a thread-local string is the only way to it.
void SilenceLog();

// "reason", or "reason (what the library logged since ClearLog)".
std::string Explain(int error);
void ClearLog();

}  // namespace pipeline::av
