#include "pipeline/media/video_writer.h"

#include <cerrno>
#include <optional>

#include "attention/base/atomic_file.h"
#include "attention/base/error.h"
#include "pipeline/media/av.h"
#include "pipeline/media/encode_plan.h"
#include "pipeline/media/gif_comment.h"
#include "pipeline/media/gif_palette.h"
#include "pipeline/media/pixels.h"

namespace pipeline {
namespace {

using base::ErrorCode;

struct MuxerDeleter {
  bool started = false;  // between header and trailer: only the trailer frees what a muxer holds (GIF: a packet)
  void operator()(AVFormatContext* context) const {
    if (started) av_write_trailer(context);
    avio_closep(&context->pb);
    avformat_free_context(context);
  }
};

// A libavformat muxer that writes to an aside.
class Muxer {
 public:
  Muxer(const EncodePlan& plan, const AVCodecContext& encoder, const std::string& comment, base::AtomicFile& file)
      : file_(file) {
    // "file:" keeps libavformat from taking a part of the name for a protocol. The name must be right: the second pass
    // of faststart opens it again.
    const std::string url = "file:" + file.aside_path();
    AVFormatContext* context = nullptr;
    Check(avformat_alloc_output_context2(&context, nullptr, plan.container->muxer, url.c_str()));
    context_.reset(context);
    context_->flags |= AVFMT_FLAG_BITEXACT;
    stream_ = avformat_new_stream(context_.get(), nullptr);
    if (stream_ == nullptr) throw std::bad_alloc();
    Check(avcodec_parameters_from_context(stream_->codecpar, &encoder));
    stream_->codecpar->codec_tag = 0;
    const std::string muxer = plan.container->muxer;
    const bool iso = muxer == "mp4" || muxer == "mov";
    if (iso && plan.codec->name == std::string("h265")) {
      stream_->codecpar->codec_tag = MKTAG('h', 'v', 'c', '1');  // what QuickTime plays
    }
    stream_->time_base = av_inv_q(plan.fps);
    stream_->avg_frame_rate = stream_->r_frame_rate = plan.fps;
    av::Options options;
    // .mov's own comment atom has a 16-bit length; the `mdta` keys of QuickTime have 32.
    if (iso) options.Set("movflags", muxer == "mov" ? "faststart+use_metadata_tags" : "faststart");
    if (!comment.empty() && muxer != "gif") {
      Check(av_dict_set(&context_->metadata, "comment", comment.c_str(), 0));
    }
    Check(avio_open2(&context_->pb, url.c_str(), AVIO_FLAG_WRITE, nullptr, nullptr));
    Check(avformat_write_header(context_.get(), options.get()));
    context_.get_deleter().started = true;
    base::Check(options.Unused().empty(), ErrorCode::kInternal, "the muxer ", muxer, " does not know ",
                options.Unused());
  }

  void Write(AVPacket* packet, AVRational time_base) {
    packet->stream_index = stream_->index;
    // libx265 reorders by two frames (b-pyramid, every preset) and leaves decode times undefined in shorter clips.
    if (stream_->codecpar->codec_id == AV_CODEC_ID_HEVC) packet->dts = num_packets_ - 2;
    ++num_packets_;
    packet->duration = 1;  // constant frame rate; encoders with delay do not say
    av_packet_rescale_ts(packet, time_base, stream_->time_base);
    Check(av_interleaved_write_frame(context_.get(), packet));
    Check(context_->pb->error);
  }

  void Finish() {
    context_.get_deleter().started = false;
    Check(av_write_trailer(context_.get()));
    avio_flush(context_->pb);
    Check(context_->pb->error);
    Check(avio_closep(&context_->pb));
  }

 private:
  void Check(int result) {
    if (result >= 0) return;
    // libav's I/O errors are negated errno values; its own are four-character tags far below.
    const int number = AVUNERROR(result);
    if (number < 4096 && number != EINVAL && number != ENOMEM) file_.FailWrite(number);
    base::Fail(ErrorCode::kIo, "cannot write '", file_.path(), "': ", av::Explain(result));
  }

  base::AtomicFile& file_;
  std::unique_ptr<AVFormatContext, MuxerDeleter> context_;
  AVStream* stream_ = nullptr;
  int64_t num_packets_ = 0;
};

// Turns RGB floats into encoder frames.
class FrameMaker {
 public:
  FrameMaker(const EncodePlan& plan, int64_t height_px, int64_t width_px)
      : plan_(plan), height_px_(height_px), width_px_(width_px), filler_(height_px, width_px) {}

  // GIF only: finds the palette of all frames.
  void FindPalette(const FramesView& view, const Progress& progress) {
    palette_.emplace();
    for (int64_t i = 0; i < view.num_frames; ++i) {
      progress.ThrowIfCancelled();
      palette_->Add(Bytes(view.frame(i), i), height_px_ * width_px_);
    }
    palette_->Build();
  }
  bool has_palette() const { return palette_.has_value(); }

  // Frame `index`, tagged as the encoder's context is: some encoders write the frame's tags.
  av::Frame Make(const float* rgb, int64_t index, const AVCodecContext& encoder) {
    av::Frame frame = av::NewFrame();
    frame->format = plan_.pixel_format;
    frame->width = plan_.width_px;
    frame->height = plan_.height_px;
    if (av_frame_get_buffer(frame.get(), 0) < 0) throw std::bad_alloc();
    frame->pts = index;
    frame->sample_aspect_ratio = encoder.sample_aspect_ratio;
    frame->color_primaries = encoder.color_primaries;
    frame->color_trc = encoder.color_trc;
    frame->colorspace = encoder.colorspace;
    frame->color_range = encoder.color_range;
    frame->chroma_location = encoder.chroma_sample_location;
    if (palette_) {
      palette_->Map(Bytes(rgb, index), height_px_, width_px_, frame->data[0], frame->linesize[0]);
      std::copy(palette_->argb().begin(), palette_->argb().end(), reinterpret_cast<uint32_t*>(frame->data[1]));
    } else {
      filler_.Fill(rgb, index, frame.get());
    }
    return frame;
  }

 private:
  const uint8_t* Bytes(const float* rgb, int64_t index) {
    bytes_.resize(static_cast<size_t>(height_px_ * width_px_ * 3));
    RoundTo8Bit(rgb, static_cast<int64_t>(bytes_.size()), index, bytes_.data());
    return bytes_.data();
  }

  const EncodePlan& plan_;
  int64_t height_px_, width_px_;
  FrameFiller filler_;
  std::optional<GifPalette> palette_;
  std::vector<uint8_t> bytes_;
};

}  // namespace

class VideoWriter::Impl {
 public:
  // `all`: every frame that will come, for the palette of a GIF; null where there is none to look at.
  Impl(base::AtomicFile& file, const VideoOptions& options, int64_t height_px, int64_t width_px, const FramesView* all,
       const Progress& progress)
      : file_(file),
        progress_(progress),
        comment_(options.comment),
        plan_(PlanVideo(file.path(), options, height_px, width_px)),
        maker_(plan_, height_px, width_px) {
    const bool gif = plan_.pixel_format == AV_PIX_FMT_PAL8;
    base::Check(!gif || all != nullptr, ErrorCode::kInternal, "a GIF cannot be written frame by frame");
    if (gif) maker_.FindPalette(*all, progress);
    encoder_ = OpenEncoder(plan_, file.path());
    muxer_.emplace(plan_, *encoder_, options.comment, file);
  }

  void Add(const float* rgb) {
    const av::Frame frame = maker_.Make(rgb, count_++, *encoder_);
    Encode(frame.get());
  }

  void Finish() {
    Encode(nullptr);
    muxer_->Finish();
    muxer_.reset();
    encoder_.reset();
    if (maker_.has_palette() && !comment_.empty()) InsertGifComment(comment_, file_);
  }

 private:
  // Sends one frame (null: the end) and writes what comes out.
  void Encode(const AVFrame* frame) {
    const auto check = [&](int result) {
      base::Check(result != AVERROR(ENOMEM), ErrorCode::kOutOfMemory, "cannot encode '", file_.path(),
                  "': out of memory");
      base::Check(result >= 0, ErrorCode::kInternal, "cannot encode '", file_.path(), "': ", av::Explain(result));
    };
    check(avcodec_send_frame(encoder_.get(), frame));
    const av::Packet packet = av::NewPacket();
    for (;;) {
      progress_.ThrowIfCancelled();
      const int result = avcodec_receive_packet(encoder_.get(), packet.get());
      if (result == AVERROR(EAGAIN) || result == AVERROR_EOF) return;
      check(result);
      muxer_->Write(packet.get(), encoder_->time_base);
      av_packet_unref(packet.get());
    }
  }

  base::AtomicFile& file_;
  const Progress& progress_;
  std::string comment_;
  EncodePlan plan_;
  FrameMaker maker_;
  av::CodecContext encoder_;
  std::optional<Muxer> muxer_;
  int64_t count_ = 0;
};

VideoWriter::VideoWriter(base::AtomicFile& file, const VideoOptions& options, int64_t height_px, int64_t width_px,
                         const Progress& progress)
    : VideoWriter(file, options, height_px, width_px, nullptr, progress) {}

VideoWriter::VideoWriter(base::AtomicFile& file, const VideoOptions& options, int64_t height_px, int64_t width_px,
                         const FramesView* all, const Progress& progress)
    : impl_(std::make_unique<Impl>(file, options, height_px, width_px, all, progress)) {}

VideoWriter::~VideoWriter() = default;
void VideoWriter::Add(const float* rgb) { impl_->Add(rgb); }
void VideoWriter::Finish() { impl_->Finish(); }

void WriteVideo(const std::string& path, const FramesView& frames, const VideoOptions& options, Progress& progress) {
  PlanVideo(path, options, frames.height_px, frames.width_px);  // what is wrong with it, before a file is made
  progress.Update(Stage::kWrite, 0, frames.num_frames);
  progress.ThrowIfCancelled();
  base::AtomicFile file(path);
  {
    VideoWriter writer(file, options, frames.height_px, frames.width_px, &frames, progress);
    for (int64_t i = 0; i < frames.num_frames; ++i) {
      progress.ThrowIfCancelled();
      writer.Add(frames.frame(i));
      if (i + 1 < frames.num_frames) progress.Update(Stage::kWrite, i + 1, frames.num_frames);
    }
    writer.Finish();
  }
  progress.ThrowIfCancelled();
  file.Commit();
  progress.Update(Stage::kWrite, frames.num_frames, frames.num_frames);
}

}  // namespace pipeline
