#pragma once

#include <string>
#include <vector>

#include "app/compare/compare.h"
#include "ui/compare/view.h"

// What is said about compared clips.
namespace app {

// The clip's texts and numbers; its frame and what is in memory are left alone.
void DescribeClip(const CompareResult& compared, size_t index, ui::CompareClip& clip);

// What was done so that clips of other sizes, rates and lengths fit the reference.
std::vector<std::string> RemarksOf(const CompareResult& compared);

// The numbers of what is measured so far, with their definitions (docs/interfaces.md, "Metrics").
std::vector<ui::Figure> FiguresOf(const std::vector<FrameMetrics>& frames, bool on_frames, bool in_region);

// "41.0 s → 24.0 s (1.7×)" and the like, of the others against the reference; only what the sidecars hold.
std::vector<ui::Figure> SpeedsOf(const CompareResult& compared);

// Whether sources[other] is the reference again with another dense kernel.
bool IsNoiseFloor(const CompareResult& compared, size_t other);

// What was skipped, step by layer: of two sources and their difference, as far as there are records.
std::vector<ui::CompareHeat> HeatsOf(const CompareResult& compared, size_t left, size_t right, std::string& note);

// The frame of the least PSNR; of several, or where all are identical, that of the least SSIM; −1 of none.
int64_t WorstFrame(const std::vector<FrameMetrics>& frames);

}  // namespace app
