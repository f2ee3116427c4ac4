#include "attention/base/error.h"
#include "pipeline/media/av.h"
#include "pipeline/media/demuxer.h"
#include "pipeline/media/media.h"

namespace pipeline {
namespace {

MediaInfo Probe(const std::string& path) {
  Demuxer demuxer(path);
  MediaInfo info = demuxer.Describe();
  const av::Packet packet = av::NewPacket();
  int64_t num_frames = 0, first = 0, last = 0;
  while (demuxer.Next(packet.get())) {
    if (packet->flags & AV_PKT_FLAG_DISCARD) continue;
    last = packet->pts;
    if (num_frames++ == 0) first = last;
  }
  demuxer.Complete(num_frames, first, last, info);
  return info;
}

}  // namespace

MediaInfo ProbeMedia(const std::string& path) {
  if (!IsFrameSequence(path)) return Probe(path);
  MediaInfo all;
  const int64_t first = FirstFrame(path);
  for (int64_t i = first; i == first || HasFrame(path, i); ++i) AppendInfo(path, Probe(FramePath(path, i)), all);
  return all;
}

Clip ReadMedia(const std::string& path, Progress& progress, int64_t max_bytes) {
  FrameReader reader(path);
  Clip clip;
  int64_t count = 0, height = 0, width = 0;
  for (;;) {
    progress.ThrowIfCancelled();
    if (!reader.Next()) break;
    height = reader.info().height_px;
    width = reader.info().width_px;
    const int64_t values = height * width * 3;
    base::Check((count + 1) * values * static_cast<int64_t>(sizeof(float)) <= max_bytes, base::ErrorCode::kOutOfMemory,
                "cannot read '", path, "': its frames need more than ", max_bytes >> 20,
                " MiB; use a shorter or smaller clip");
    clip.frames.data.resize(static_cast<size_t>((count + 1) * values));
    reader.Convert(clip.frames.data.data() + count * values);
    ++count;
  }
  clip.info = reader.info();
  clip.frames.shape = {count, height, width, 3};
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
