#include <sys/stat.h>

#include <cerrno>
#include <cmath>
#include <cstring>

#include "attention/base/error.h"
#include "pipeline/media/av.h"
#include "pipeline/media/encode_plan.h"
#include "pipeline/media/gif_comment.h"
#include "pipeline/media/media.h"
#include "pipeline/media/png.h"

namespace pipeline {
namespace {

using base::ErrorCode;

// Formats that are one file of pictures. Playlists and scripts, which would open other files, are not among them.
constexpr char kFormats[] = "mov,mp4,matroska,webm,gif,png_pipe,avi";
constexpr int64_t kMaxPixels = int64_t{1} << 28;  // of one frame: 16384 x 16384

[[noreturn]] void FailRead(const std::string& path, const std::string& why) {
  base::Fail(ErrorCode::kInvalidInput, "cannot read '", path, "': ", why);
}

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

// One opened file with its first video stream.
class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path) {
    bytes_ = FileBytes(path);
    av::SilenceLog();
    av::ClearLog();
    av::Options options;
    options.Set("format_whitelist", kFormats);
    options.Set("protocol_whitelist", "file");
    AVFormatContext* context = nullptr;
    int result = avformat_open_input(&context, ("file:" + path).c_str(), nullptr, options.get());
    if (result < 0) {
      FailRead(path, "it is no whole MP4, MOV, Matroska, WebM, AVI, GIF or PNG file: " + av::Explain(result));
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

  const std::string& path() const { return path_; }
  const AVStream& stream() const { return *stream_; }

  // The next packet of the stream; false at the end.
  bool Next(AVPacket* packet) {
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
      if (packet->size > 0) return true;
    }
  }

  // All but num_frames and what follows from it.
  MediaInfo Describe() const {
    MediaInfo info;
    const AVCodecParameters& p = *stream_->codecpar;
    const std::string format = context_->iformat->name;
    info.path = path_;
    info.is_video = format != "png_pipe";
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
    } else if (!info.is_video) {
      info.comment = ReadPngComment(path_);
    } else if (const AVDictionaryEntry* entry = av_dict_get(context_->metadata, "comment", nullptr, 0)) {
      info.comment = entry->value;
    }
    return info;
  }

  // Fills in what is known once every packet has been read, and compares it with what the file announces.
  // `first` and `last`: presentation times of the first and the last frame, in the stream's time base.
  void Complete(int64_t num_frames, int64_t first, int64_t last, MediaInfo& info) const {
    info.num_frames = num_frames;
    if (num_frames == 0) FailRead(path_, "it holds no frame");
    if (!info.is_video) return;
    AVRational rate = stream_->avg_frame_rate.num > 0 && stream_->avg_frame_rate.den > 0 ? stream_->avg_frame_rate
                                                                                         : stream_->r_frame_rate;
    info.fps = rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 0;
    if (info.codec == "gif") {
      // Delays are whole hundredths: the mean over the clip is the rate, the header knows none.
      if (num_frames > 1 && last > first) info.fps = (num_frames - 1) / ((last - first) * av_q2d(stream_->time_base));
      CheckGifEnd();
    }
    int64_t announced = stream_->nb_frames;
    if (announced == 0 && context_->duration > 0 && info.container == "matroska") {
      announced = std::llround(static_cast<double>(context_->duration) / AV_TIME_BASE * info.fps) - 1;
    }
    if (num_frames < announced) {
      FailRead(path_, base::StrCat("it is cut short: it announces ", announced, " frames and holds ", num_frames));
    }
  }

 private:
  struct Deleter {
    void operator()(AVFormatContext* context) const { avformat_close_input(&context); }
  };

  // libavformat takes a GIF that stops anywhere for a whole one.
  void CheckGifEnd() const {
    constexpr char kTrailer = 0x3B;
    FILE* file = fopen(path_.c_str(), "rb");
    const bool whole = file != nullptr && fseek(file, -1, SEEK_END) == 0 && fgetc(file) == kTrailer;
    if (file != nullptr) fclose(file);
    if (!whole) FailRead(path_, "it is cut short: its end mark is missing");
  }

  std::string path_;
  int64_t bytes_ = 0;
  std::unique_ptr<AVFormatContext, Deleter> context_;
  AVStream* stream_ = nullptr;
};

// Collects decoded frames as floats.
class FrameCollector {
 public:
  FrameCollector(const std::string& path, int64_t max_bytes) : path_(path), max_bytes_(max_bytes) {}

  void Add(const AVFrame& frame) {
    if (frame.decode_error_flags != 0 || (frame.flags & AV_FRAME_FLAG_CORRUPT)) {
      FailRead(path_, base::StrCat("frame ", count_, " is damaged"));
    }
    if (count_ == 0) {
      width_ = frame.width;
      height_ = frame.height;
    }
    if (frame.width != width_ || frame.height != height_) {
      FailRead(path_, base::StrCat("frame ", count_, " has ", frame.width, "x", frame.height,
                                   " pixels, those before it ", width_, "x", height_));
    }
    const int64_t values = int64_t{width_} * height_ * 3;
    const int64_t wanted = (count_ + 1) * values * static_cast<int64_t>(sizeof(float));
    base::Check(wanted <= max_bytes_, ErrorCode::kOutOfMemory, "cannot read '", path_, "': its frames need more than ",
                max_bytes_ >> 20, " MiB; use a shorter or smaller clip");
    Convert(frame, values);
    ++count_;
  }

  int64_t count() const { return count_; }
  HostTensor Take() { return {{count_, height_, width_, 3}, std::move(values_)}; }

 private:
  void Convert(const AVFrame& frame, int64_t values) {
    const auto source = static_cast<AVPixelFormat>(frame.format);
    const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(source);
    const bool deep = format != nullptr && format->comp[0].depth > 8;
    const AVPixelFormat target = deep ? AV_PIX_FMT_RGB48 : AV_PIX_FMT_RGB24;
    const int flags = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP | SWS_BITEXACT;
    av::Scaler scaler(
        sws_getContext(width_, height_, source, width_, height_, target, flags, nullptr, nullptr, nullptr));
    if (scaler == nullptr) {
      FailRead(path_,
               base::StrCat("its pixel format ", format == nullptr ? "?" : format->name, " cannot be turned into RGB"));
    }
    const int* table = sws_getCoefficients(frame.colorspace);
    // Fails for RGB sources, which need no matrix.
    sws_setColorspaceDetails(scaler.get(), table, frame.color_range == AVCOL_RANGE_JPEG, table, 1, 0, 1 << 16, 1 << 16);
    row_bytes_ = (width_ * 3 * (deep ? 2 : 1) + 63) / 64 * 64;
    buffer_.resize(int64_t{row_bytes_} * height_ + 64);
    uint8_t* planes[4] = {buffer_.data()};
    const int strides[4] = {row_bytes_};
    if (sws_scale(scaler.get(), frame.data, frame.linesize, 0, height_, planes, strides) != height_) {
      FailRead(path_, base::StrCat("frame ", count_, " cannot be turned into RGB"));
    }
    const size_t start = values_.size();
    values_.resize(start + values);
    float* out = values_.data() + start;
    for (int y = 0; y < height_; ++y) {
      const uint8_t* row = buffer_.data() + int64_t{row_bytes_} * y;
      for (int i = 0; i < width_ * 3; ++i) {
        *out++ = deep ? static_cast<float>(reinterpret_cast<const uint16_t*>(row)[i]) / 65535.0f
                      : static_cast<float>(row[i]) / 255.0f;
      }
    }
  }

  std::string path_;
  int64_t max_bytes_;
  int width_ = 0, height_ = 0, row_bytes_ = 0;
  int64_t count_ = 0;
  std::vector<uint8_t> buffer_;
  std::vector<float> values_;
};

av::CodecContext OpenDecoder(const Reader& reader) {
  const AVCodecParameters& p = *reader.stream().codecpar;
  const AVCodec* decoder = avcodec_find_decoder(p.codec_id);
  base::Check(decoder != nullptr, ErrorCode::kUnsupported, "cannot read '", reader.path(),
              "': the FFmpeg libraries on "
              "this machine have no decoder for ",
              avcodec_get_name(p.codec_id));
  av::CodecContext context = av::NewCodecContext(decoder);
  if (avcodec_parameters_to_context(context.get(), &p) < 0) {
    FailRead(reader.path(), "its stream parameters are damaged");
  }
  context->max_pixels = kMaxPixels;
  context->thread_count = 0;
  const int result = avcodec_open2(context.get(), decoder, nullptr);
  if (result < 0) FailRead(reader.path(), "its stream cannot be decoded: " + av::Explain(result));
  return context;
}

// Decodes a whole file into the collector.
MediaInfo Decode(const std::string& path, FrameCollector& collector, const Progress& progress) {
  Reader reader(path);
  MediaInfo info = reader.Describe();
  av::CodecContext decoder = OpenDecoder(reader);
  const av::Packet packet = av::NewPacket();
  const av::Frame frame = av::NewFrame();
  int64_t num_frames = 0, first = 0, last = 0;
  for (bool more = true; more;) {
    progress.ThrowIfCancelled();
    more = reader.Next(packet.get());
    int result = avcodec_send_packet(decoder.get(), more ? packet.get() : nullptr);
    if (result < 0) FailRead(path, base::StrCat("frame ", num_frames, " is damaged: ", av::Explain(result)));
    while ((result = avcodec_receive_frame(decoder.get(), frame.get())) >= 0) {
      collector.Add(*frame);
      last = frame->best_effort_timestamp;
      if (num_frames++ == 0) first = last;
    }
    if (result != AVERROR(EAGAIN) && result != AVERROR_EOF) {
      FailRead(path, base::StrCat("frame ", num_frames, " is damaged: ", av::Explain(result)));
    }
  }
  reader.Complete(num_frames, first, last, info);
  return info;
}

MediaInfo Probe(const std::string& path) {
  Reader reader(path);
  MediaInfo info = reader.Describe();
  const av::Packet packet = av::NewPacket();
  int64_t num_frames = 0, first = 0, last = 0;
  while (reader.Next(packet.get())) {
    if (packet->flags & AV_PKT_FLAG_DISCARD) continue;
    last = packet->pts;
    if (num_frames++ == 0) first = last;
  }
  reader.Complete(num_frames, first, last, info);
  return info;
}

// Whether the path means several files; if so, the first must be there.
bool IsFrameSequence(const std::string& path) {
  if (path.empty()) FailRead(path, "the path is empty");
  if (path.back() == '/') {
    struct stat info;
    if (stat(FramePath(path, 0).c_str(), &info) != 0) FailRead(path, "the folder holds no frame 0000.png");
    return true;
  }
  struct stat info;
  return stat(path.c_str(), &info) != 0 && ExtensionOf(path) == ".png" && path.find('%') != std::string::npos;
}

bool FileExists(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0;
}

// Adds what one more frame file says to what the first said.
void Append(const std::string& path, const MediaInfo& frame, MediaInfo& all) {
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

}  // namespace

MediaInfo ProbeMedia(const std::string& path) {
  if (!IsFrameSequence(path)) return Probe(path);
  MediaInfo all;
  for (int64_t i = 0; i == 0 || FileExists(FramePath(path, i)); ++i) Append(path, Probe(FramePath(path, i)), all);
  return all;
}

Clip ReadMedia(const std::string& path, Progress& progress, int64_t max_bytes) {
  FrameCollector collector(path, max_bytes);
  Clip clip;
  if (!IsFrameSequence(path)) {
    clip.info = Decode(path, collector, progress);
  } else {
    for (int64_t i = 0; i == 0 || FileExists(FramePath(path, i)); ++i) {
      Append(path, Decode(FramePath(path, i), collector, progress), clip.info);
    }
  }
  clip.frames = collector.Take();
  return clip;
}

std::string MediaLibraries() {
  const auto version = [](unsigned v) {
    return base::StrCat(AV_VERSION_MAJOR(v), ".", AV_VERSION_MINOR(v), ".", AV_VERSION_MICRO(v));
  };
  return base::StrCat("FFmpeg ", av_version_info(), " (libavcodec ", version(avcodec_version()), ", libavformat ",
                      version(avformat_version()), ", libswscale ", version(swscale_version()), ")");
}

}  // namespace pipeline
