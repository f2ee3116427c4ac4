#include <algorithm>
#include <cmath>
#include <limits>

#include "app/compare/report.h"
#include "app/settings/text.h"
#include "attention/base/error.h"

namespace app {
namespace {

using base::StrCat;

constexpr const char* kColors[] = {"#ffb454", "#59c2ff", "#aad94c", "#d2a6ff",
                                   "#f07178", "#95e6cb", "#e6b673", "#6c7aff"};

constexpr char kStyle[] =
    "body{background:#16171a;color:#e6e6e6;font:15px/1.5 system-ui,sans-serif;margin:24px auto;max-width:1200px;"
    "padding:0 16px}h1{font-size:22px}h2{font-size:17px;margin:32px 0 8px}img,video{max-width:100%;display:block;"
    "margin:8px 0}table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{padding:4px 12px;text-align:"
    "right;border-bottom:1px solid #33363c}th:first-child,td:first-child,.text{text-align:left}th{color:#a5aab2;"
    "font-weight:normal}a{color:#59c2ff}p.note{color:#a5aab2;max-width:75ch}.letter{color:#ffbe5a}svg{max-width:100%;"
    "height:auto}svg text{fill:#a5aab2;font:12px system-ui,sans-serif}";

// Text of any kind as HTML text; bytes that are no UTF-8 become '?'.
std::string Escaped(const std::string& text) {
  const bool valid = IsValidUTF8(text);
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        const auto byte = static_cast<unsigned char>(c);
        out += byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !valid) ? '?' : c;
    }
  }
  return out;
}

// A file's name as a relative link.
std::string Link(const std::string& name) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '.' || c == '_' || c == '-') {
      out += c;
    } else {
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

std::string Base64(const std::string& bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k)
      bits = bits << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) out += i + k > bytes.size() ? '=' : kDigits[bits >> (18 - 6 * k) & 63];
  }
  return out;
}

std::string Cell(const std::string& text, const char* tag = "td", bool is_text = false) {
  return StrCat("<", tag, is_text ? " class=text>" : ">", text, "</", tag, ">");
}

// A step of 1, 2 or 5 times a power of ten that divides `span` into about four.
double NiceStep(double span) {
  const double raw = span / 4, power = std::pow(10, std::floor(std::log10(raw)));
  for (double factor : {1.0, 2.0, 5.0}) {
    if (raw <= factor * power) return factor * power;
  }
  return 10 * power;
}

// One metric of every other clip over time.
struct Chart {
  std::string title, unit;
  std::vector<std::vector<double>> curves;  // not finite: a gap
};

std::string ChartSVG(const Chart& chart, double fps) {
  constexpr double kWidth = 1100, kHeight = 220, kLeft = 64, kRight = 12, kTop = 12, kBottom = 30;
  double low = std::numeric_limits<double>::infinity(), high = -low;
  size_t count = 1;
  for (const auto& curve : chart.curves) {
    count = std::max(count, curve.size());
    for (double value : curve) {
      if (!std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  if (low > high) return "<p class=note>No value: the frames are identical, or there is only one.</p>";
  if (high - low < 1e-9) {
    const double margin = std::max(std::fabs(high) * 0.01, 1e-6);
    low -= margin;
    high += margin;
  }
  const double step = NiceStep(high - low);
  low = std::floor(low / step) * step;
  high = std::ceil(high / step) * step;
  const double last_s = static_cast<double>(count - 1) / fps;
  const auto x_of = [&](double t) {
    return kLeft + (count > 1 ? t / static_cast<double>(count - 1) : 0.5) * (kWidth - kLeft - kRight);
  };
  const auto y_of = [&](double value) { return kTop + (high - value) / (high - low) * (kHeight - kTop - kBottom); };
  // An element with its attributes: name, value, name, value, …
  const auto element = [](const char* name, std::initializer_list<std::string> attributes, const std::string& text) {
    std::string out = StrCat("<", name);
    for (auto it = attributes.begin(); it != attributes.end(); it += 2) out += StrCat(" ", *it, "=\"", *(it + 1), "\"");
    return text.empty() ? out + "/>" : StrCat(out, ">", text, "</", name, ">");
  };
  std::string svg =
      StrCat("<svg viewBox=\"0 0 ", kWidth, " ", kHeight, "\" role=\"img\" aria-label=\"", chart.title, "\">");
  const int digits = static_cast<int>(std::clamp(-std::floor(std::log10(step) + 1e-9), 0.0, 9.0));
  for (int i = 0; low + i * step <= high + step / 2; ++i) {
    const double value = low + i * step;
    const std::string y = Fixed(y_of(value), 1);
    svg += element("line",
                   {"x1", Fixed(kLeft, 0), "x2", Fixed(kWidth - kRight, 0), "y1", y, "y2", y, "stroke", "#33363c"}, "");
    svg += element("text", {"x", Fixed(kLeft - 6, 0), "y", Fixed(y_of(value) + 4, 1), "text-anchor", "end"},
                   Fixed(value, digits));
  }
  const int ticks = static_cast<int>(std::min<size_t>(count - 1, 8));
  for (int i = 0; i <= ticks; ++i) {
    const double share = ticks > 0 ? static_cast<double>(i) / ticks : 0;
    svg += element("text",
                   {"x", Fixed(x_of(share * static_cast<double>(count - 1)), 1), "y", Fixed(kHeight - 10, 0),
                    "text-anchor", i < ticks || ticks == 0 ? "middle" : "end"},
                   Fixed(share * last_s, 2) + " s");
  }
  for (size_t c = 0; c < chart.curves.size(); ++c) {
    const char* color = kColors[c % std::size(kColors)];
    std::vector<std::pair<std::string, std::string>> points;
    const auto end_line = [&] {
      std::string line;
      for (const auto& [x, y] : points) line += (line.empty() ? "" : " ") + x + "," + y;
      if (points.size() == 1)
        svg += element("circle", {"r", "2.5", "fill", color, "cx", points[0].first, "cy", points[0].second}, "");
      if (points.size() > 1)
        svg += element("polyline", {"fill", "none", "stroke-width", "1.5", "stroke", color, "points", line}, "");
      points.clear();
    };
    for (size_t t = 0; t < chart.curves[c].size(); ++t) {
      const double value = chart.curves[c][t];
      if (std::isfinite(value)) {
        points.emplace_back(Fixed(x_of(static_cast<double>(t)), 1), Fixed(y_of(value), 1));
      } else {
        end_line();
      }
    }
    end_line();
  }
  return svg + "</svg>";
}

std::string ChartsHTML(const CompareResult& result) {
  Chart psnr{"PSNR", "dB", {}}, ssim{"SSIM", "", {}}, flicker{"Flicker", "luma, 0…1", {}};
  for (const Comparison& comparison : result.others) {
    for (Chart* chart : {&psnr, &ssim, &flicker}) chart->curves.emplace_back();
    for (const FrameMetrics& frame : comparison.frames) {
      psnr.curves.back().push_back(PSNROf(frame.mse));
      ssim.curves.back().push_back(frame.ssim);
      flicker.curves.back().push_back(frame.flicker);
    }
  }
  std::string html = "<p>";
  for (size_t i = 0; i < result.others.size(); ++i) {
    html += StrCat("<span style=\"color:", kColors[i % std::size(kColors)], "\">━ ", LetterOf(i + 1), " ",
                   Escaped(result.labels[i + 1].title), "</span> &nbsp; ");
  }
  html += "</p>";
  for (const Chart* chart : {&psnr, &ssim, &flicker}) {
    html += "<h2>" + chart->title + (chart->unit.empty() ? "" : ", " + chart->unit) + "</h2>" +
            ChartSVG(*chart, result.alignment.fps) + "\n";
  }
  return html;
}

std::string SummaryTable(const CompareResult& result) {
  std::string html = "<table><tr>";
  for (const char* head : {"clip", "PSNR of the clip, dB", "mean", "minimum", "5th percentile", "SSIM", "minimum",
                           "5th percentile", "flicker", "95th percentile", "identical frames", "measured on"}) {
    html += Cell(head, "th");
  }
  html += "</tr>\n";
  for (size_t i = 0; i < result.others.size(); ++i) {
    const MetricsSummary& s = result.others[i].summary;
    html += "<tr>" + Cell("<span class=letter>" + LetterOf(i + 1) + "</span> " + Escaped(result.labels[i + 1].title)) +
            Cell(Fixed(s.psnr, 2)) + Cell(Fixed(s.psnr_mean, 2)) + Cell(Fixed(s.psnr_min, 2)) +
            Cell(Fixed(s.psnr_p5, 2)) + Cell(Fixed(s.ssim_mean, 4)) + Cell(Fixed(s.ssim_min, 4)) +
            Cell(Fixed(s.ssim_p5, 4)) + Cell(Fixed(s.flicker_mean, 5)) + Cell(Fixed(s.flicker_p95, 5)) +
            Cell(std::to_string(s.identical_frames)) +
            Cell(result.others[i].on_frames ? "frames before encoding" : "decoded files") + "</tr>\n";
  }
  return html + "</table>\n";
}

std::string SourcesTable(const CompareResult& result) {
  std::string html = "<table><tr>";
  for (const char* head : {"clip", "file", "kind", "size", "frames", "fps", "seconds", "skipped"})
    html += Cell(head, "th");
  html += "</tr>\n";
  for (size_t i = 0; i < result.sources.size(); ++i) {
    const SourceInfo& s = result.sources[i];
    html += "<tr>" + Cell("<span class=letter>" + LetterOf(i) + "</span> " + Escaped(result.labels[i].title)) +
            Cell(Escaped(s.path), "td", true) + Cell(Escaped(s.kind), "td", true) +
            Cell(StrCat(s.width_px, " × ", s.height_px)) + Cell(std::to_string(s.num_frames)) +
            Cell(s.fps > 0 ? ShortestNumber(std::round(s.fps * 1e3) / 1e3) : "") +
            Cell(s.provenance.seconds() >= 0 ? Fixed(s.provenance.seconds(), 1) : "") +
            Cell(s.provenance.sparsity() >= 0 ? Fixed(100 * s.provenance.sparsity(), 1) + " %" : "") + "</tr>\n";
  }
  return html + "</table>\n";
}

std::string SettingsTable(const CompareResult& result) {
  const std::vector<DifferingSetting> settings = DifferingSettings(result.sources);
  if (settings.empty()) return "";
  std::string html = "<h2>Settings that differ</h2><table><tr>" + Cell("setting", "th");
  for (size_t i = 0; i < result.sources.size(); ++i) html += Cell(LetterOf(i), "th");
  html += "</tr>\n";
  for (const DifferingSetting& setting : settings) {
    html += "<tr>" + Cell(Escaped(setting.key));
    for (const std::string& value : setting.values) html += Cell(Escaped(value));
    html += "</tr>\n";
  }
  return html + "</table>\n";
}

}  // namespace

std::string ReportHTML(const CompareResult& result, const std::string& sheet_png,
                       const std::vector<std::string>& names) {
  const Alignment& alignment = result.alignment;
  std::string html = StrCat(
      "<!doctype html>\n<html lang=en><meta charset=utf-8><title>Comparison with ", Escaped(result.sources[0].name),
      "</title>\n<style>", kStyle, "</style>\n<h1>Comparison with ", Escaped(result.sources[0].name), "</h1>\n<p>",
      alignment.num_frames, alignment.num_frames == 1 ? " frame" : " frames", " of ", alignment.width_px, " × ",
      alignment.height_px, " pixels at ", ShortestNumber(std::round(alignment.fps * 1e3) / 1e3), " fps</p>\n");
  html +=
      SourcesTable(result) + SettingsTable(result) + "<h2>Metrics</h2>\n" + SummaryTable(result) +
      "<p class=note>PSNR: 8-bit RGB; that of the clip is of the mean squared error, its mean is over frames that "
      "differ. SSIM: luma, 11 × 11 Gaussian window. Flicker: how much the change from frame to frame differs. A low "
      "PSNR against another attention mode means another trajectory, not a worse clip.</p>\n";
  html += "<h2>Frames</h2><img alt=\"contact sheet\" src=\"data:image/png;base64," + Base64(sheet_png) + "\">\n";
  html += ChartsHTML(result) + "<h2>Videos</h2>\n";
  for (const std::string& name : names) {
    if (!name.ends_with(".mp4")) continue;
    html += "<p><a href=\"" + Link(name) + "\">" + Escaped(name) +
            "</a></p><video controls loop muted preload=metadata src=\"" + Link(name) + "\"></video>\n";
  }
  return html + "</html>\n";
}

}  // namespace app
