#include <chrono>
#include <cstdio>
#include <filesystem>

#include "app/commands/bench.h"
#include "app/commands/numbers.h"
#include "app/console/errors.h"
#include "app/console/signals.h"
#include "app/job/files.h"
#include "app/job/job.h"
#include "app/job/model.h"
#include "app/job/run.h"
#include "app/settings/flags.h"
#include "app/settings/help.h"
#include "app/settings/text.h"
#include "attention/base/atomic_file.h"
#include "pipeline/media/media.h"
#include "pipeline/pipeline.h"
#include "pipeline/version.h"

namespace app {
namespace {

using base::ErrorCode;
namespace fs = std::filesystem;

constexpr CommandFlag kFlags[] = {
    {"--repeat", "N", "how often to render; the table shows medians (3)"},
    {"--csv", "FILE", "the table as CSV too"},
};

// A folder for the clip that is written to be timed, gone at the end.
class ScratchFolder {
 public:
  ScratchFolder() : path_((fs::temp_directory_path() / "sparge-bench-XXXXXX").string()) {
    base::Check(mkdtemp(path_.data()) != nullptr, ErrorCode::kIo, "cannot make a folder under ",
                fs::temp_directory_path().string());
  }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Row {
  std::string stage;
  std::vector<double> seconds;
};

Job PrepareBenchJob(const ParsedFlags& flags, const std::string& folder) {
  ErrorList errors;
  const auto model_flag = flags.settings.find("model");
  base::Check(model_flag != flags.settings.end() && model_flag->second.value.is_string(), ErrorCode::kInvalidInput,
              "no model: give a folder or a name with --model");
  const pipeline::ModelInfo model = pipeline::Inspect(FindModel(model_flag->second.value.get<std::string>()));
  const ModelNotes notes = ReadModelNotes(model.path, errors);
  JobSource source;
  source.layers = {{{"prompt", {"a red sphere bouncing on a gray floor", "bench"}}}, flags.settings};
  source.layers.push_back({{"out", {nlohmann::json::array({folder + "/bench.mp4"}), "bench"}},
                           {"overwrite", {true, "bench"}},
                           {"keep_latents", {false, "bench"}},
                           {"sidecar", {false, "bench"}}});
  Job job = PrepareJob(source, model, notes);
  errors.ThrowIfAny();
  return job;
}

std::vector<Row> Measure(const Job& job, int repeat, pipeline::Progress& progress, std::string& where) {
  std::vector<Row> rows = {{"load", {}},   {"encode prompt", {}}, {"step", {}}, {"denoise", {}},
                           {"decode", {}}, {"total", {}},         {"write", {}}};
  for (int i = 0; i < repeat; ++i) {
    const auto pipeline = pipeline::Pipeline::Open(job.model.path, RuntimeOptionsOf(job.settings));
    const pipeline::Denoised denoised = pipeline->Denoise(RequestOf(job), progress);
    const pipeline::HostTensor frames = pipeline->Decode(denoised.latents, progress);
    const auto start = std::chrono::steady_clock::now();
    pipeline::WriteMedia(job.files.outputs[0], pipeline::ViewOf(frames), VideoOptionsOf(job), progress);
    const double write = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const pipeline::StageSeconds& s = pipeline->seconds();
    const double values[] = {s.load, s.encode_prompt, 0, s.denoise, s.decode, s.encode_prompt + s.denoise + s.decode,
                             write};
    for (size_t row = 0; row < rows.size(); ++row) {
      if (rows[row].stage == "step") {
        rows[row].seconds.insert(rows[row].seconds.end(), s.steps.begin(), s.steps.end());
      } else {
        rows[row].seconds.push_back(values[row]);
      }
    }
    where = pipeline->device_name() + ", " + pipeline->dtype_name();
  }
  return rows;
}

void WriteCSV(const std::string& path, const std::vector<Row>& rows, double peak_mb) {
  base::AtomicFile file(path);
  file.Write("stage,median_s,min_s,runs\n");
  for (const Row& row : rows) {
    file.Write(
        base::StrCat(row.stage, ",", Median(row.seconds), ",", Least(row.seconds), ",", row.seconds.size(), "\n"));
  }
  file.Write(base::StrCat("peak_memory_mb,", peak_mb, ",", peak_mb, ",1\n"));
  file.Commit();
}

}  // namespace

int RunBenchPipeline(const std::vector<std::string>& args) {
  ErrorList errors;
  const ParsedFlags flags = ParseFlags(args, kFlags, true, errors);
  if (flags.help) {
    std::fputs(CommandHelp("sparge bench pipeline --model MODEL [--setting value …] [--repeat N] [--csv FILE]",
                           "Times load, prompt encoding, steps, decoding and video encoding of one render; the same "
                           "table for diffusers:\ntests/bench/peer_diffusers.py.",
                           kFlags, true)
                   .c_str(),
               stdout);
    return kExitDone;
  }
  for (const std::string& argument : flags.positionals) errors.Add("unexpected argument " + Quoted(argument));
  errors.ThrowIfAny();
  const int repeat = static_cast<int>(IntFlag(flags, "--repeat", 3, 1, 1000));
  const auto csv = flags.flags.find("--csv");
  if (csv != flags.flags.end()) base::CheckOutputPath(csv->second);

  const ScratchFolder scratch;
  const Job job = PrepareBenchJob(flags, scratch.path());
  pipeline::NoProgress progress;
  const CancelOnSignal cancel(progress);
  std::string where;
  const std::vector<Row> rows = Measure(job, repeat, progress, where);
  const double peak_mb = static_cast<double>(PeakMemoryBytes()) / (1 << 20);
  const EffectiveSettings& s = job.settings;
  std::printf("sparge, %s, %d threads, %lld x %lld x %lld, %lld steps\n", where.c_str(),
              pipeline::DetectRuntime().threads, static_cast<long long>(s.Int("width")),
              static_cast<long long>(s.Int("height")), static_cast<long long>(s.Int("frames")),
              static_cast<long long>(s.Int("steps")));
  std::printf("%-16s%10s%10s%6s\n", "stage", "median s", "min s", "runs");
  for (const Row& row : rows) {
    std::printf("%-16s%10.3f%10.3f%6zu\n", row.stage.c_str(), Median(row.seconds), Least(row.seconds),
                row.seconds.size());
  }
  std::printf("peak memory %.0f MB\n", peak_mb);
  if (csv != flags.flags.end()) WriteCSV(csv->second, rows, peak_mb);
  return kExitDone;
}

}  // namespace app
