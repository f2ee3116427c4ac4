#include "tests/quality/contact_sheet.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "attention/base/error.h"

namespace quality {
namespace fs = std::filesystem;
namespace {

constexpr int kLabelPx = 17;
constexpr double kFontScale = 0.4;
const cv::Scalar kPaper(24, 24, 24), kInk(235, 235, 235);

cv::Mat Row(const SheetRow& row, int every, int frame_px) {
  std::vector<cv::Mat> frames;
  for (size_t f = 0; f < row.clip.size(); f += every) {
    cv::Mat small;
    const double scale = frame_px / double(row.clip[f].rows);
    cv::resize(row.clip[f], small, {}, scale, scale, scale < 1 ? cv::INTER_AREA : cv::INTER_CUBIC);
    frames.push_back(small);
  }
  cv::Mat strip;
  cv::hconcat(frames, strip);
  cv::Mat label(kLabelPx, strip.cols, CV_8UC3, kPaper);
  cv::putText(label, row.label, {4, 12}, cv::FONT_HERSHEY_SIMPLEX, kFontScale, kInk, 1, cv::LINE_AA);
  cv::vconcat(label, strip, strip);
  return strip;
}

}  // namespace

cv::Mat ContactSheet(const std::vector<SheetRow>& rows, int every, int frame_px, int columns) {
  base::Check(!rows.empty() && every > 0 && frame_px > 0 && columns > 0, base::ErrorCode::kInvalidInput,
              "a contact sheet needs clips, and sizes above 0");
  std::vector<cv::Mat> strips;
  cv::Size cell;
  for (const SheetRow& row : rows) {
    strips.push_back(Row(row, every, frame_px));
    cell = {std::max(cell.width, strips.back().cols), std::max(cell.height, strips.back().rows)};
  }
  const int down = (static_cast<int>(rows.size()) + columns - 1) / columns;
  cv::Mat sheet(cell.height * down, cell.width * columns, CV_8UC3, kPaper);
  for (int i = 0; i < static_cast<int>(strips.size()); ++i) {
    strips[i].copyTo(sheet(cv::Rect({cell.width * (i / down), cell.height * (i % down)}, strips[i].size())));
  }
  return sheet;
}

void WritePng(const std::string& path, const cv::Mat& picture) {
  std::vector<uint8_t> bytes;
  cv::imencode(".png", picture, bytes, {cv::IMWRITE_PNG_COMPRESSION, 9});
  const std::string aside = path + ".part";
  std::ofstream file(aside, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  file.close();
  std::error_code error;
  if (file) fs::rename(aside, path, error);
  base::Check(file && !error, base::ErrorCode::kIo, path, ": cannot be written");
}

}  // namespace quality
