#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "app/report/page.h"
#include "app/report/pictures.h"
#include "app/report/statistics.h"
#include "app/settings/text.h"
#include "attention/base/error.h"

namespace app {
namespace {

using base::StrCat;

class ClipWriter {
 public:
  ClipWriter(const BatchData& data, const PageOptions& options, const Sink& out, pipeline::Progress& progress)
      : data_(data), options_(options), out_(out), progress_(progress) {}

  void Write() {
    std::vector<std::string> names;
    std::map<std::string, std::vector<const ReportJob*>> jobs;
    for (const ReportJob& job : data_.jobs) {
      if (job.outputs.empty() && job.state == ReportJob::State::kDone) continue;
      std::vector<const ReportJob*>& list = jobs[job.name];
      if (list.empty()) names.push_back(job.name);
      list.push_back(&job);
    }
    // One clip a job, as a folder of sidecars has them: one grid for all.
    if (names.size() > 1 && names.size() == data_.jobs.size()) {
      std::vector<const ReportJob*> all;
      for (const std::string& name : names) all.push_back(jobs[name][0]);
      names = {""};
      jobs = {{"", all}};
    }
    out_(
        "<section id=clips><h2>Clips</h2><p class=tools><button type=button data-play=clips>▶ play all</button> "
        "<label>size <input type=range class=size min=96 max=480 step=8 value=192 aria-label=\"size of "
        "clips\"></label> "
        "<span class=note>click a clip to play it; under it seconds, speed-up, share of attention skipped by step "
        "(across) and layer (down)</span></p>\n");
    for (const std::string& name : names) WriteGrid(name, jobs[name]);
    if (left_out_ > 0) {
      out_(StrCat("<p class=note>", CountText(static_cast<int64_t>(options_.most_pictures)), " clips are shown; ",
                  CountText(left_out_), " more are in the table of jobs.</p>\n"));
    }
    if (blanks_ > options_.most_blanks) {
      out_(StrCat("<p class=note>", CountText(static_cast<int64_t>(blanks_ - options_.most_blanks)),
                  " more jobs have no clip yet.</p>\n"));
    }
    out_("</section>\n");
  }

 private:
  void WriteGrid(const std::string& name, const std::vector<const ReportJob*>& jobs) {
    if (pictures_ >= options_.most_pictures || blanks_ > options_.most_blanks) {
      for (const ReportJob* job : jobs) {
        if (job->state == ReportJob::State::kDone) {
          ++left_out_;
        } else {
          ++blanks_;
        }
      }
      return;
    }
    const ClipGrid grid = LayOut(jobs, data_.varying);
    if (!name.empty()) out_(StrCat("<h3>", EscapedShort(name, 120), "</h3>\n"));
    if (!grid.columns.empty()) WriteTable(grid);
    if (grid.flow.empty()) return;
    out_("<div class=flow>");
    for (const auto& [caption, job] : grid.flow) WriteTile(*job, caption);
    out_("</div>\n");
  }

  void WriteTable(const ClipGrid& grid) {
    out_("<div class=scroll><table class=grid><thead><tr><td></td>");
    for (const std::string& column : grid.columns) out_(StrCat("<th scope=col>", EscapedShort(column, 160), "</th>"));
    out_("</tr></thead><tbody>\n");
    for (size_t r = 0; r < grid.rows.size(); ++r) {
      out_("<tr><th scope=row>");
      for (const std::string& part : grid.rows[r]) out_(StrCat("<span>", EscapedShort(part, 200), "</span>"));
      out_(StrCat("<button type=button data-play=row>▶ row</button></th>"));
      for (const ReportJob* job : grid.cells[r]) {
        out_("<td>");
        if (job != nullptr) WriteTile(*job, "");
        out_("</td>");
      }
      out_("</tr>\n");
    }
    out_("</tbody></table></div>\n");
  }

  void WriteTile(const ReportJob& job, const std::string& caption) {
    progress_.ThrowIfCancelled();
    const std::string link = JobLink(data_, job);
    if (job.state != ReportJob::State::kDone) {
      if (++blanks_ > options_.most_blanks) return;
      const bool failed = job.state == ReportJob::State::kFailed;
      out_(StrCat("<figure><div class=\"none ", failed ? "failed" : "left", "\">", failed ? "failed" : "left", "</div>",
                  Caption(job, caption, link), "</figure>"));
      return;
    }
    if (pictures_ >= options_.most_pictures) {
      ++left_out_;
      return;
    }
    ++pictures_;
    progress_.Update(pipeline::Stage::kWrite, static_cast<int64_t>(pictures_) - 1,
                     static_cast<int64_t>(std::min(options_.most_pictures, data_.jobs.size())));
    std::string path;
    const std::optional<ClipLook> look = LookAtClip(job, path);
    out_("<figure>");
    if (!look) {
      out_("<div class=none>no picture</div>");
    } else {
      WriteClip(*look, path);
    }
    out_(Caption(job, caption, link) + "</figure>");
  }

  void WriteClip(const ClipLook& look, const std::string& path) {
    const std::string poster = DataURI("image/jpeg", look.poster);
    const std::string shape = StrCat(" width=", look.width_px, " height=", look.height_px,
                                     look.width_px <= 160 ? " class=\"media small\"" : " class=media");
    const bool embed = !look.type.empty() && look.bytes <= options_.most_clip_bytes &&
                       embedded_ + look.bytes <= options_.most_embedded_bytes;
    const std::string link = LinkTo(path, data_.folder);
    if (!look.is_video || look.type.empty()) {
      out_(StrCat("<a href=\"", link, "\"><img", shape, " alt=\"", EscapedShort(path, 200), "\" src=\"", poster,
                  "\"></a>"));
      return;
    }
    std::string bytes;
    if (embed) {
      std::ifstream in(path, std::ios::binary);
      bytes.assign(std::istreambuf_iterator<char>(in), {});
      embedded_ += static_cast<int64_t>(bytes.size());
    }
    const std::string source = embed ? DataURI(look.type, bytes) : link;
    if (look.type == "image/gif") {
      out_(StrCat("<img", shape, " alt=\"", EscapedShort(path, 200), "\" src=\"", source, "\">"));
      return;
    }
    out_(StrCat("<video", shape, " muted loop playsinline tabindex=0 preload=none poster=\"", poster, "\" src=\"",
                source, "\"></video>"));
    if (!embed) out_(StrCat("<a class=file href=\"", link, "\">file</a>"));
  }

  std::string Caption(const ReportJob& job, const std::string& caption, const std::string& link) {
    std::vector<std::string> facts;
    if (job.state == ReportJob::State::kDone) {
      if (const auto s = job.Seconds()) facts.push_back(SecondsText(s));
      if (job.speedup) facts.push_back("<b>" + FixedText(job.speedup, 2) + " ×</b>");
      if (job.sparsity && *job.sparsity > 0) facts.push_back(PercentText(job.sparsity) + " skipped");
      if (job.identical) facts.push_back("identical");
      if (job.psnr_db) facts.push_back(FixedText(job.psnr_db, 1) + " dB");
      if (job.ssim && !job.identical) facts.push_back("SSIM " + FixedText(job.ssim, 3));
      if (!job.comparison.empty()) {
        facts.push_back(StrCat("<a href=\"", LinkTo(job.comparison + "/report.html", data_.folder), "\">compare</a>"));
      }
    } else if (!job.note.empty()) {
      facts.push_back(EscapedShort(job.note, 80));
    }
    std::string map;
    if (!job.skipped.empty() && job.sparsity.value_or(0) > 0) {
      map =
          StrCat("<img class=map alt=\"skipped by step and layer\" title=\"skipped by step (across) and layer (down): ",
                 PercentText(job.sparsity), " in all\" src=\"", DataURI("image/png", SkipMapPNG(job.skipped)), "\">");
    }
    return StrCat(
        map, "<figcaption>",
        caption.empty() || caption == job.Title() ? "" : "<span class=what>" + EscapedShort(caption, 200) + "</span>",
        "<span class=job>", link, "</span><span>", Join(facts, " · "), "</span></figcaption>");
  }

  const BatchData& data_;
  const PageOptions& options_;
  const Sink& out_;
  pipeline::Progress& progress_;
  size_t pictures_ = 0, blanks_ = 0;
  int64_t left_out_ = 0, embedded_ = 0;
};

}  // namespace

void WriteClips(const BatchData& data, const PageOptions& options, const Sink& out, pipeline::Progress& progress) {
  ClipWriter(data, options, out, progress).Write();
}

}  // namespace app
