#include "app/jobs/render_options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>

#include "app/jobs/clip_job.h"
#include "app/settings/flags.h"
#include "app/settings/help.h"
#include "app/settings/text.h"
#include "pipeline/media/media.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;

constexpr CommandFlag kFlags[] = {
    {"--set", "KEY=VALUE", "a setting of every entry, over everything that the file says; may be given more than once"},
    {"--dry-run", "", "print what would be rendered: what varies, outputs, done or not, estimated memory"},
    {"--plan", "FILE.json", "write every entry with all its settings to FILE.json, which `sparge render` takes too"},
    {"--explain", "", "print every setting of every entry and where it comes from"},
    {"--only", "GLOB", "only entries whose name or name/variant matches; may be given more than once"},
    {"--skip", "GLOB", "no entries whose name or name/variant matches; may be given more than once"},
    {"--shard", "I/N", "of what is left, every N-th entry from the I-th; a comparison stays together"},
    {"--retry", "N", "try what fails N more times"},
    {"--force", "", "render what is done already once more, and replace its outputs"},
    {"--fail-fast", "", "stop after the first job that fails"},
    {"--max-jobs", "N", "render at most N jobs; work that is left is exit status 3"},
    {"--time-budget", "TIME", "start no job after that long (8h, 90m, 1h30m); work that is left is exit status 3"},
    {"--job-timeout", "TIME", "a job that takes longer has failed (1h, 20m)"},
    {"--manifest", "DIR", "folder of the manifests, in place of JOBS.manifest.d beside the file"},
    {"--progress", "STYLE", "how to show progress", "auto bar plain json off"},
    {"--slurm", "", "submit an array job to Slurm that renders a saved plan in shards"},
    {"--array", "N", "with --slurm: tasks of the array"},
    {"--partition", "P", "with --slurm: the partition"},
    {"--sbatch", "ARGS", "with --slurm: further arguments of sbatch"},
    {"--status", "", "print what the manifests of all processes say of each entry"},
};

class Options {
 public:
  explicit Options(const ParsedFlags& parsed, ErrorList& errors) : parsed_(parsed), errors_(errors) {}

  RenderOptions Read() {
    Source();
    for (const auto& [name, value] : parsed_.given)
      errors_.Try([&, &name = name, &value = value] { Take(name, value); });
    Combinations();
    return std::move(options_);
  }

 private:
  void Source() {
    const auto& positionals = parsed_.positionals;
    if (positionals.size() == 1) {
      options_.source = positionals[0];
    } else if (positionals.empty()) {
      errors_.Add("render takes a JOBS.yaml, a PLAN.json or a clip");
    } else {
      errors_.Add("render takes one JOBS.yaml, PLAN.json or clip, got " + std::to_string(positionals.size()));
    }
  }

  static int64_t Whole(const std::string& name, const std::string& text, int64_t min, int64_t max) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool good = error == std::errc() && end == text.data() + text.size() && value >= min && value <= max;
    base::Check(good, ErrorCode::kInvalidInput, name, " ", Quoted(text), ": expected a whole number from ", min, " to ",
                max);
    return value;
  }

  void Take(const std::string& name, const std::string& value) {
    RenderOptions& o = options_;
    constexpr int64_t kMany = 1000000;
    if (name == "--set") {
      const size_t equals = value.find('=');
      base::Check(equals != std::string::npos && equals > 0, ErrorCode::kInvalidInput, "--set ", Quoted(value),
                  ": expected KEY=VALUE");
      o.sets.emplace_back(value.substr(0, equals), value.substr(equals + 1));
    }
    if (name == "--dry-run") o.dry_run = true;
    if (name == "--plan") o.plan_file = value;
    if (name == "--explain") o.explain = true;
    if (name == "--only") o.selection.only.push_back(value);
    if (name == "--skip") o.selection.skip.push_back(value);
    if (name == "--shard") Shard(value);
    if (name == "--retry") o.retry = Whole(name, value, 0, 1000);
    if (name == "--force") o.force = true;
    if (name == "--fail-fast") o.fail_fast = true;
    if (name == "--max-jobs") o.max_jobs = Whole(name, value, 0, kMany);
    if (name == "--time-budget") o.time_budget_s = ParseDuration(name, value);
    if (name == "--job-timeout") o.job_timeout_s = ParseDuration(name, value);
    if (name == "--manifest") o.manifest = value;
    if (name == "--progress") o.progress = value;
    if (name == "--slurm") o.slurm = true;
    if (name == "--array") o.array = Whole(name, value, 1, kMaxPlanEntries);
    if (name == "--partition") o.partition = value;
    if (name == "--sbatch") o.sbatch = value;
    if (name == "--status") o.status = true;
  }

  void Shard(const std::string& text) {
    const size_t slash = text.find('/');
    const std::string wrong = "--shard " + Quoted(text) + ": expected I/N, as in 2/4";
    base::Check(slash != std::string::npos, ErrorCode::kInvalidInput, wrong);
    try {
      options_.selection.shards = Whole("", text.substr(slash + 1), 1, 1000000);
      options_.selection.shard = Whole("", text.substr(0, slash), 1, options_.selection.shards);
    } catch (const base::Error&) {
      base::Fail(ErrorCode::kInvalidInput, wrong, "; I from 1 to N");
    }
  }

  void Combinations() {
    const RenderOptions& o = options_;
    std::vector<std::string> instead;
    if (o.dry_run) instead.emplace_back("--dry-run");
    if (!o.plan_file.empty()) instead.emplace_back("--plan");
    if (o.explain) instead.emplace_back("--explain");
    if (o.slurm) instead.emplace_back("--slurm");
    if (o.status) instead.emplace_back("--status");
    const bool shows = std::all_of(instead.begin(), instead.end(), [](const std::string& flag) {
      return flag == "--dry-run" || flag == "--plan" || flag == "--explain";
    });
    if (instead.size() > 1 && !shows) errors_.Add(List(instead) + " exclude each other");
    for (const char* flag : {"--array", "--partition", "--sbatch"}) {
      if (!o.slurm && parsed_.flags.count(flag) > 0) errors_.Add(std::string(flag) + " has no effect without --slurm");
    }
    if (o.slurm && o.selection.shards > 1) errors_.Add("--slurm makes the shards itself; say how many with --array");
  }

  const ParsedFlags& parsed_;
  ErrorList& errors_;
  RenderOptions options_;
};

}  // namespace

double ParseDuration(const std::string& flag, const std::string& text) {
  const std::string wrong = flag + " " + Quoted(text) + ": expected a time such as 8h, 90m, 1h30m or 45s";
  constexpr std::pair<char, double> kUnits[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
  double seconds = 0, last_unit = INFINITY;
  const char *at = text.data(), *const end = text.data() + text.size();
  while (at < end) {
    double number = 0;
    const auto read = std::from_chars(at, end, number, std::chars_format::fixed);
    const char* const next = read.ptr;
    base::Check(read.ec == std::errc() && *at >= '0' && *at <= '9', ErrorCode::kInvalidInput, wrong);
    const bool bare = at == text.data() && next == end;  // seconds
    const auto* unit = std::find_if(std::begin(kUnits), std::end(kUnits), [&](const auto& one) {
      return one.first == (bare ? 's' : next < end ? *next : ' ');
    });
    base::Check(unit != std::end(kUnits) && unit->second < last_unit, ErrorCode::kInvalidInput, wrong);
    seconds += number * unit->second;
    last_unit = unit->second;
    at = bare ? next : next + 1;
  }
  base::Check(seconds > 0 && seconds < 1e9, ErrorCode::kInvalidInput, wrong);
  return seconds;
}

RenderOptions ParseRenderOptions(const std::vector<std::string>& args, bool& help) {
  ErrorList errors;
  const ParsedFlags parsed = ParseFlags(args, kFlags, false, errors);
  help = parsed.help;
  if (help) return {};
  RenderOptions options = Options(parsed, errors).Read();
  errors.ThrowIfAny();
  return options;
}

std::string RenderHelp() {
  return CommandHelp("sparge render JOBS.yaml | PLAN.json | CLIP [--set KEY=VALUE]… [flags]",
                     "Renders every job of a file: what is done already is left alone, what fails is recorded and the "
                     "rest goes on.\nFrom a saved plan it renders exactly that; from a clip, the job that the clip "
                     "records. Files of jobs are described in\nconfigs/JOBS.md, and there are examples in "
                     "configs/examples/.",
                     kFlags, false);
}

std::string ManifestFolder(const Plan& plan, const RenderOptions& options) {
  if (!options.manifest.empty()) {
    std::string folder = fs::absolute(options.manifest).lexically_normal().string();
    while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
    return folder;
  }
  const fs::path source(plan.source);
  const std::string stem = !plan.from_yaml && IsClip(plan.source) ? pipeline::OutputStem(plan.source)
                                                                  : (source.parent_path() / source.stem()).string();
  return stem + ".manifest.d";
}

}  // namespace app
