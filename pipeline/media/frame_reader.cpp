#include <algorithm>
#include <vector>

#include "attention/base/error.h"
#include "pipeline/media/demuxer.h"
#include "pipeline/media/media.h"

namespace pipeline {
namespace {

// Turns decoded frames into RGB floats by the frames' own tags.
class RgbConverter {
 public:
  void Convert(const std::string& path, const AVFrame& frame, int64_t index, float* rgb) {
    const auto source = static_cast<AVPixelFormat>(frame.format);
    const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(source);
    const bool deep = format != nullptr && format->comp[0].depth > 8;
    Prepare(path, frame, format, deep);
    const int width = frame.width, height = frame.height;
    const int row_bytes = (width * 3 * (deep ? 2 : 1) + 63) / 64 * 64;
    buffer_.resize(int64_t{row_bytes} * height + 64);
    uint8_t* planes[4] = {buffer_.data()};
    const int strides[4] = {row_bytes};
    if (sws_scale(scaler_.get(), frame.data, frame.linesize, 0, height, planes, strides) != height) {
      FailRead(path, base::StrCat("frame ", index, " cannot be turned into RGB"));
    }
    for (int y = 0; y < height; ++y) {
      const uint8_t* row = buffer_.data() + int64_t{row_bytes} * y;
      for (int i = 0; i < width * 3; ++i) {
        *rgb++ = deep ? static_cast<float>(reinterpret_cast<const uint16_t*>(row)[i]) / 65535.0f
                      : static_cast<float>(row[i]) / 255.0f;
      }
    }
  }

 private:
  // What a scaler is made for.
  struct Key {
    int width = 0, height = 0, format = -1, space = -1, range = -1;
    bool operator==(const Key&) const = default;
  };

  void Prepare(const std::string& path, const AVFrame& frame, const AVPixFmtDescriptor* format, bool deep) {
    const Key key = {frame.width, frame.height, frame.format, frame.colorspace, frame.color_range};
    if (scaler_ != nullptr && key == key_) return;
    const AVPixelFormat target = deep ? AV_PIX_FMT_RGB48 : AV_PIX_FMT_RGB24;
    const int flags = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP | SWS_BITEXACT;
    scaler_.reset(sws_getContext(key.width, key.height, static_cast<AVPixelFormat>(key.format), key.width, key.height,
                                 target, flags, nullptr, nullptr, nullptr));
    if (scaler_ == nullptr) {
      FailRead(path,
               base::StrCat("its pixel format ", format == nullptr ? "?" : format->name, " cannot be turned into RGB"));
    }
    const int* table = sws_getCoefficients(frame.colorspace);
    // Fails for RGB sources, which need no matrix.
    sws_setColorspaceDetails(scaler_.get(), table, frame.color_range == AVCOL_RANGE_JPEG, table, 1, 0, 1 << 16,
                             1 << 16);
    key_ = key;
  }

  av::Scaler scaler_;
  Key key_;
  std::vector<uint8_t> buffer_;
};

// Decodes one file.
class FileDecoder {
 public:
  explicit FileDecoder(const std::string& path)
      : demuxer_(path), decoder_(OpenDecoder(demuxer_)), info_(demuxer_.Describe()) {
    demuxer_.DescribeRate(info_);
  }

  const MediaInfo& info() const { return info_; }
  const AVFrame& frame() const { return *frame_; }

  bool Next() {
    for (;;) {
      const int result = avcodec_receive_frame(decoder_.get(), frame_.get());
      if (result >= 0) {
        last_ = frame_->best_effort_timestamp;
        if (count_++ == 0) first_ = last_;
        return true;
      }
      if (result != AVERROR(EAGAIN) && result != AVERROR_EOF) Damaged(result);
      if (at_end_) break;
      at_end_ = !demuxer_.Next(packet_.get());
      const int sent = avcodec_send_packet(decoder_.get(), at_end_ ? nullptr : packet_.get());
      if (sent < 0) Damaged(sent);
    }
    if (!completed_) demuxer_.Complete(count_, first_, last_, info_);
    completed_ = true;
    return false;
  }

  // Of the frame, since the first, s; where the file does not say, by its rate.
  double time_s() const {
    if (last_ != AV_NOPTS_VALUE && first_ != AV_NOPTS_VALUE) {
      return static_cast<double>(last_ - first_) * av_q2d(demuxer_.stream().time_base);
    }
    return info_.fps > 0 ? static_cast<double>(count_ - 1) / info_.fps : 0;
  }

 private:
  [[noreturn]] void Damaged(int result) const {
    FailRead(demuxer_.path(), base::StrCat("frame ", count_, " is damaged: ", av::Explain(result)));
  }

  Demuxer demuxer_;
  av::CodecContext decoder_;
  MediaInfo info_;
  av::Packet packet_ = av::NewPacket();
  av::Frame frame_ = av::NewFrame();
  int64_t count_ = 0, first_ = AV_NOPTS_VALUE, last_ = AV_NOPTS_VALUE;
  bool at_end_ = false, completed_ = false;
};

}  // namespace

class FrameReader::Impl {
 public:
  explicit Impl(const std::string& path) : path_(path), is_sequence_(IsFrameSequence(path)) {
    if (is_sequence_) file_index_ = FirstFrame(path);
    file_ = std::make_unique<FileDecoder>(is_sequence_ ? FramePath(path, file_index_) : path);
    info_ = file_->info();
    info_.path = path;
  }

  const MediaInfo& info() const { return info_; }

  bool Next() {
    while (!file_->Next()) {
      if (is_sequence_) {
        AppendInfo(path_, file_->info(), total_);
      } else {
        total_ = file_->info();
      }
      if (!is_sequence_ || !HasFrame(path_, ++file_index_)) {
        info_ = total_;
        return false;
      }
      file_ = std::make_unique<FileDecoder>(FramePath(path_, file_index_));
    }
    Check(file_->frame());
    ++count_;
    return true;
  }

  double time_s() const { return is_sequence_ ? 0 : file_->time_s(); }

  void Convert(float* rgb) { converter_.Convert(path_, file_->frame(), count_ - 1, rgb); }

 private:
  void Check(const AVFrame& frame) {
    if (frame.decode_error_flags != 0 || (frame.flags & AV_FRAME_FLAG_CORRUPT)) {
      FailRead(path_, base::StrCat("frame ", count_, " is damaged"));
    }
    if (count_ == 0) {
      info_.width_px = frame.width;
      info_.height_px = frame.height;
    }
    if (frame.width != info_.width_px || frame.height != info_.height_px) {
      FailRead(path_, base::StrCat("frame ", count_, " has ", frame.width, "x", frame.height,
                                   " pixels, those before it ", info_.width_px, "x", info_.height_px));
    }
  }

  std::string path_;
  bool is_sequence_;
  std::unique_ptr<FileDecoder> file_;
  MediaInfo info_, total_;
  RgbConverter converter_;
  int64_t file_index_ = 0, count_ = 0;
};

FrameReader::FrameReader(const std::string& path) : impl_(std::make_unique<Impl>(path)) {}
FrameReader::~FrameReader() = default;
FrameReader::FrameReader(FrameReader&&) noexcept = default;
FrameReader& FrameReader::operator=(FrameReader&&) noexcept = default;
const MediaInfo& FrameReader::info() const { return impl_->info(); }
bool FrameReader::Next() { return impl_->Next(); }
double FrameReader::time_s() const { return impl_->time_s(); }
void FrameReader::Convert(float* rgb) { impl_->Convert(rgb); }

}  // namespace pipeline
