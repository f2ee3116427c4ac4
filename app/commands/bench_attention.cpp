#include <cstdarg>
#include <cstdio>

#include "app/attend/measure.h"
#include "app/commands/bench.h"
#include "app/commands/numbers.h"
#include "app/console/errors.h"
#include "app/console/signals.h"
#include "app/job/attention_door.h"
#include "app/settings/help.h"
#include "attention/base/atomic_file.h"
#include "pipeline/version.h"

namespace app {
namespace {

constexpr CommandFlag kFlags[] = {
    {"--device", "cpu|cuda", "where (cpu)", "cpu cuda"},
    {"--tokens", "LIST", "sequence lengths (2048,4096,8192,16384)"},
    {"--head-dim", "LIST", "channels of a head (64,128)"},
    {"--heads", "N", "how many heads (4)"},
    {"--dtype", "NAME",
     "of our inputs (bfloat16); SDPA is timed in bfloat16 and float32, on CUDA in bfloat16 with cuDNN's and the flash "
     "kernel",
     "bfloat16 float32 float16"},
    {"--kernel", "auto|NAME", "our kernel, one of `sparge --version` (auto)"},
    {"--skip", "LIST", "percent of the key blocks to skip; 0 is dense8 (0,50,75,90)"},
    {"--repeat", "N", "rounds in which each takes its turn, 5 or more; the table shows medians (5)"},
    {"--csv", "FILE", "the table as CSV too"},
};

std::string Format(const char* format, ...) __attribute__((format(printf, 1, 2)));
std::string Format(const char* format, ...) {
  char buffer[512];
  va_list args;
  va_start(args, format);
  std::vsnprintf(buffer, sizeof buffer, format, args);
  va_end(args);
  return buffer;
}

std::string TableLine(const MeasuredRow& row, const std::vector<std::string>& peers) {
  return Format("%-8s%-14s%7lld%5lld%9.1f%10.3f%10.3f%10s%8.2f%9.0f%9.1f%9.1f%9.1f\n", row.mode.c_str(),
                row.kernel.c_str(), static_cast<long long>(row.tokens), static_cast<long long>(row.head_dim),
                100 * row.skipped, row.ms, row.sdpa_ms[row.best_peer()], peers[row.best_peer()].c_str(), row.ratio(),
                row.gops, 100 * row.ceiling_share, 100 * row.prepare_share, 100 * row.rate);
}

std::string CSVLine(const MeasuredRow& row) {
  std::string line =
      Format("%s,%s,%lld,%lld,%.4f,%.4f,", row.mode.c_str(), row.kernel.c_str(), static_cast<long long>(row.tokens),
             static_cast<long long>(row.head_dim), row.skipped, row.ms);
  for (double ms : row.sdpa_ms) line += Format("%.4f,", ms);
  return line +
         Format("%.4f,%.2f,%.4f,%.4f,%.4f\n", row.ratio(), row.gops, row.ceiling_share, row.prepare_share, row.rate);
}

std::string CSVHeader(const std::vector<std::string>& peers) {
  std::string line = "mode,kernel,tokens,head_dim,skipped,ms,";
  for (const std::string& peer : peers) line += "sdpa_" + peer + "_ms,";
  return line + "ratio,gops,ceiling_share,prepare_share,rate_of_dense8\n";
}

}  // namespace

int RunBenchAttention(const std::vector<std::string>& args) {
  ErrorList errors;
  const ParsedFlags flags = ParseFlags(args, kFlags, false, errors);
  if (flags.help) {
    std::fputs(
        CommandHelp(
            "sparge bench attention [flags]",
            "Times dense8 and sparge beside libtorch's SDPA, by turns in the same threads, on Gaussian inputs.\n"
            "Columns: share of key blocks skipped, our ms, SDPA's ms (its fastest way and which that is), SDPA's "
            "over ours,\nbillions of operations a second that we executed, the share of the time that the two "
            "products would take at the rate\nmeasured for this kernel in registers (on CUDA: for libtorch's INT8 "
            "and bfloat16 matrix products), prediction and\nquantisation as a share of the call, and the rate per "
            "executed block as a share of dense8's.",
            kFlags, false)
            .c_str(),
        stdout);
    return kExitDone;
  }
  for (const std::string& argument : flags.positionals) errors.Add("unexpected argument " + Quoted(argument));
  MeasureRequest request;
  std::vector<int64_t> tokens, head_dims;
  errors.Try([&] { tokens = IntListFlag(flags, "--tokens", {2048, 4096, 8192, 16384}, 1, 1 << 20); });
  errors.Try([&] { head_dims = IntListFlag(flags, "--head-dim", {64, 128}, 1, 256); });
  errors.Try([&] { request.heads = IntFlag(flags, "--heads", 4, 1, 1024); });
  errors.Try([&] { request.skip = IntListFlag(flags, "--skip", {0, 50, 75, 90}, 0, 99); });
  errors.Try([&] { request.repeat = static_cast<int>(IntFlag(flags, "--repeat", 5, 5, 1000)); });
  if (const std::string* device = FlagText(flags, "--device")) request.device = *device;
  request.dtype = FlagText(flags, "--dtype") ? *FlagText(flags, "--dtype") : "bfloat16";
  request.kernel = FlagText(flags, "--kernel") ? *FlagText(flags, "--kernel") : "auto";
  errors.Try([&] { CheckKernel("dense8", request.kernel); });
  const std::string* csv = FlagText(flags, "--csv");
  if (csv) errors.Try([&] { base::CheckOutputPath(*csv); });
  errors.ThrowIfAny();

  pipeline::NoProgress progress;
  const CancelOnSignal cancel(progress);
  const pipeline::RuntimeFeatures features = pipeline::DetectRuntime();
  std::printf("%s, %s inputs, %lld heads, batch 1, %d threads, libtorch %s (%s), median of %d\n",
              request.device.c_str(), request.dtype.c_str(), static_cast<long long>(request.heads), features.threads,
              features.torch_version.c_str(), features.cpu_capability.c_str(), request.repeat);
  const std::vector<std::string> peers = MeasurePeers(request.device);
  std::printf("%-8s%-14s%7s%5s%9s%10s%10s%10s%8s%9s%9s%9s%9s\n", "mode", "kernel", "tokens", "d", "skip %", "ours ms",
              "SDPA ms", "", "ratio", "Gop/s", "ceil %", "prep %", "rate %");
  std::string table = CSVHeader(peers);
  for (int64_t head_dim : head_dims) {
    for (int64_t length : tokens) {
      request.tokens = length;
      request.head_dim = head_dim;
      for (const MeasuredRow& row : MeasureAttention(request, [&] { progress.ThrowIfCancelled(); })) {
        std::fputs(TableLine(row, peers).c_str(), stdout);
        table += CSVLine(row);
      }
      std::fflush(stdout);
    }
  }
  if (csv) {
    base::AtomicFile file(*csv);
    file.Write(table);
    file.Commit();
  }
  return kExitDone;
}

}  // namespace app
