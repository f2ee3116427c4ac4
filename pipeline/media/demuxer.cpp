#include "pipeline/media/demuxer.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "attention/base/error.h"
#include "pipeline/media/encode_plan.h"
#include "pipeline/media/gif_comment.h"
#include "pipeline/media/png.h"

namespace pipeline {
namespace {

using base::ErrorCode;

// Formats that are one file of pictures. Playlists, scripts and devices, which would open other files, are not among
// them.
constexpr char kFormats[] =
    "mov,mp4,matroska,webm,gif,png_pipe,avi,mpegts,mpeg,mpegvideo,flv,ogg,ivf,yuv4mpegpipe,nut,asf,apng,h264,hevc,obu,"
    "m4v,mxf,dv,rm,wtv,gxf,rawvideo_pipe,jpeg_pipe,webp_pipe,bmp_pipe,tiff_pipe,ppm_pipe,pgm_pipe,exr_pipe";
constexpr int64_t kMaxPixels = int64_t{1} << 28;  // of one frame: 16384 x 16384

int64_t FileBytes(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    FailRead(path, errno == ENOENT ? "there is no such file; check the path" : std::strerror(errno));
  }
  if (S_ISDIR(info.st_mode)) {
    FailRead(path, "it is a folder; name a file, or end the path in '/' to read its PNG frames");
  }
  if (!S_ISREG(info.st_mode)) FailRead(path, "it is a device, pipe or socket, not a file");
  if (info.st_size == 0) FailRead(path, "it is empty");
  return info.st_size;
}

std::string NameOr(const char* name) { return name == nullptr ? "unknown" : name; }

// Formats of one image a file.
bool IsImageFormat(const std::string& format) { return format.ends_with("_pipe"); }

bool FileExists(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0;
}

}  // namespace

void FailRead(const std::string& path, const std::string& why) {
  base::Fail(ErrorCode::kInvalidInput, "cannot read '", path, "': ", why);
}

Demuxer::Demuxer(const std::string& path) : path_(path) {
  bytes_ = FileBytes(path);
  av::SilenceLog();
  av::ClearLog();
  av::Options options;
  options.Set("format_whitelist", kFormats);
  options.Set("protocol_whitelist", "file");
  AVFormatContext* context = nullptr;
  int result = avformat_open_input(&context, ("file:" + path).c_str(), nullptr, options.get());
  if (result < 0) {
    FailRead(path, "it is no whole video or image (MP4, MOV, Matroska, WebM, AVI, MPEG, GIF, PNG, JPEG, …): " +
                       av::Explain(result));
  }
  context_.reset(context);
  result = avformat_find_stream_info(context, nullptr);
  if (result < 0) FailRead(path, "its streams are damaged: " + av::Explain(result));
  const int index = av_find_best_stream(context, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
  if (index < 0) FailRead(path, "it holds no pictures");
  stream_ = context->streams[index];
  for (unsigned i = 0; i < context->nb_streams; ++i) {
    if (context->streams[i] != stream_) context->streams[i]->discard = AVDISCARD_ALL;
  }
  const AVCodecParameters& p = *stream_->codecpar;
  if (p.width <= 0 || p.height <= 0 || int64_t{p.width} * p.height > kMaxPixels) {
    FailRead(path, base::StrCat("its pictures are said to be ", p.width, "x", p.height, " pixels"));
  }
}

bool Demuxer::Next(AVPacket* packet) {
  for (;;) {
    av_packet_unref(packet);
    const int result = av_read_frame(context_.get(), packet);
    if (result == AVERROR_EOF) {
      if (context_->pb != nullptr && context_->pb->error < 0) FailRead(path_, av::Explain(context_->pb->error));
      return false;
    }
    if (result < 0) FailRead(path_, "it is damaged or cut short: " + av::Explain(result));
    if (packet->stream_index != stream_->index) continue;
    if (packet->flags & AV_PKT_FLAG_CORRUPT) FailRead(path_, "it is damaged or cut short");
    if (packet->size == 0) continue;
    num_discarded_ += (packet->flags & AV_PKT_FLAG_DISCARD) != 0;
    if (packet->pts != AV_NOPTS_VALUE) {
      end_s_ = std::max(end_s_, static_cast<double>(packet->pts + packet->duration) * av_q2d(stream_->time_base));
    }
    return true;
  }
}

MediaInfo Demuxer::Describe() const {
  MediaInfo info;
  const AVCodecParameters& p = *stream_->codecpar;
  const std::string format = context_->iformat->name;
  info.path = path_;
  info.is_video = !IsImageFormat(format);
  info.container = format.substr(0, format.find_first_of(",_"));
  if (info.container == "mov") {
    const AVDictionaryEntry* brand = av_dict_get(context_->metadata, "major_brand", nullptr, 0);
    if (brand != nullptr && brand->value != std::string("qt  ")) info.container = "mp4";
  }
  info.codec = avcodec_get_name(p.codec_id);
  info.pixel_format = NameOr(av_get_pix_fmt_name(static_cast<AVPixelFormat>(p.format)));
  info.color_space = NameOr(av_color_space_name(p.color_space));
  info.color_primaries = NameOr(av_color_primaries_name(p.color_primaries));
  info.color_transfer = NameOr(av_color_transfer_name(p.color_trc));
  info.color_range = NameOr(av_color_range_name(p.color_range));
  info.width_px = p.width;
  info.height_px = p.height;
  info.bytes = bytes_;
  if (format == "gif") {
    info.comment = ReadGifComment(path_);
  } else if (format == "png_pipe") {
    info.comment = ReadPngComment(path_);
  } else if (const AVDictionaryEntry* entry = av_dict_get(context_->metadata, "comment", nullptr, 0)) {
    info.comment = entry->value;
  }
  return info;
}

void Demuxer::DescribeRate(MediaInfo& info) const {
  const AVRational mean = stream_->avg_frame_rate;
  const AVRational rate = mean.num > 0 && mean.den > 0 ? mean : stream_->r_frame_rate;
  if (info.is_video) info.fps = rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 0;
}

void Demuxer::Complete(int64_t num_frames, int64_t first, int64_t last, MediaInfo& info) const {
  info.num_frames = num_frames;
  if (num_frames == 0) FailRead(path_, "it holds no frame");
  if (!info.is_video) return;
  DescribeRate(info);
  if (info.codec == "gif") {
    // Delays are whole hundredths: the mean over the clip is the rate, the header knows none.
    if (num_frames > 1 && last > first) info.fps = (num_frames - 1) / ((last - first) * av_q2d(stream_->time_base));
    CheckGifEnd();
  }
  // An edit list leaves packets out: of the index, or (marked for discard) of what is shown.
  const int64_t announced = std::min<int64_t>(stream_->nb_frames, avformat_index_get_entries_count(stream_));
  if (num_frames + num_discarded_ < announced) {
    FailRead(path_, base::StrCat("it is cut short: it announces ", announced, " frames and holds ", num_frames));
  }
  // Matroska counts no frames, but says how long it is; with other streams that may be theirs.
  const double announced_s = static_cast<double>(context_->duration) / AV_TIME_BASE;
  if (info.container == "matroska" && context_->nb_streams == 1 && info.fps > 0 && end_s_ > 0 &&
      end_s_ + 1.5 / info.fps < announced_s) {
    FailRead(path_, base::StrCat("it is cut short: it announces ", announced_s, " s and holds ", end_s_));
  }
}

// libavformat takes a GIF that stops anywhere for a whole one.
void Demuxer::CheckGifEnd() const {
  constexpr char kTrailer = 0x3B;
  FILE* file = fopen(path_.c_str(), "rb");
  const bool whole = file != nullptr && fseek(file, -1, SEEK_END) == 0 && fgetc(file) == kTrailer;
  if (file != nullptr) fclose(file);
  if (!whole) FailRead(path_, "it is cut short: its end mark is missing");
}

av::CodecContext OpenDecoder(const Demuxer& demuxer) {
  const AVCodecParameters& p = *demuxer.stream().codecpar;
  const AVCodec* decoder = avcodec_find_decoder(p.codec_id);
  base::Check(decoder != nullptr, ErrorCode::kUnsupported, "cannot read '", demuxer.path(),
              "': the FFmpeg libraries on "
              "this machine have no decoder for ",
              avcodec_get_name(p.codec_id));
  av::CodecContext context = av::NewCodecContext(decoder);
  if (avcodec_parameters_to_context(context.get(), &p) < 0) {
    FailRead(demuxer.path(), "its stream parameters are damaged");
  }
  context->max_pixels = kMaxPixels;
  context->thread_count = 0;
  const int result = avcodec_open2(context.get(), decoder, nullptr);
  if (result < 0) FailRead(demuxer.path(), "its stream cannot be decoded: " + av::Explain(result));
  return context;
}

bool IsFrameSequence(const std::string& path) {
  if (path.empty()) FailRead(path, "the path is empty");
  if (path.back() == '/') {
    if (!HasFrame(path, 0) && !HasFrame(path, 1)) {
      FailRead(path,
               "the folder holds no frame 0000.png; name frames of other names by their pattern (DIR/f_%04d.png)");
    }
    return true;
  }
  return !FileExists(path) && ExtensionOf(path) == ".png" && path.find('%') != std::string::npos;
}

int64_t FirstFrame(const std::string& path) { return HasFrame(path, 0) || !HasFrame(path, 1) ? 0 : 1; }

bool HasFrame(const std::string& path, int64_t index) { return FileExists(FramePath(path, index)); }

void AppendInfo(const std::string& path, const MediaInfo& frame, MediaInfo& all) {
  if (all.num_frames == 0) {
    all = frame;
    all.path = path;
    return;
  }
  if (frame.width_px != all.width_px || frame.height_px != all.height_px) {
    FailRead(frame.path, base::StrCat("it has ", frame.width_px, "x", frame.height_px, " pixels, the frames before it ",
                                      all.width_px, "x", all.height_px));
  }
  all.num_frames += frame.num_frames;
  all.bytes += frame.bytes;
}

}  // namespace pipeline
