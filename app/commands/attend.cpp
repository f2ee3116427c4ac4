#include <cstdio>

#include "app/attend/attend_file.h"
#include "app/commands/commands.h"
#include "app/commands/numbers.h"
#include "app/console/errors.h"
#include "app/settings/help.h"

namespace app {
namespace {

using base::Check;
using base::ErrorCode;

constexpr CommandFlag kFlags[] = {
    {"--mode", "NAME",
     "dense: exact; dense8: 8 bits, every block; sparge: 8 bits, both sparse stages (default); sparge_exact: both "
     "stages in float32",
     "dense dense8 sparge sparge_exact"},
    {"--kernel", "auto|NAME", "a kernel of `sparge --version`, or the best for this call (auto)"},
    {"--device", "cpu|cuda", "where to compute (cpu)", "cpu cuda"},
    {"--topk", "T", "share of each row's visible blocks to keep, more than 0, at most 1 (0.5 where there is no --cdf)"},
    {"--cdf", "T", "keep blocks up to this share of the predicted attention, more than 0, at most 1 (none)"},
    {"--theta", "T", "blocks less self-similar than this are never skipped, 0 to 1 (0.3)"},
    {"--lambda", "L", "skip P·V of tiles this far below the running maximum, natural log, at most 0; 0 is off (-7)"},
    {"--scale", "S", "of the scores (1/sqrt(D))"},
    {"--causal", "", "query i sees key j iff j <= i + Lkv - Lq"},
    {"--sink", "", "always keep key block 0"},
    {"--keep-keys", "A:B", "always keep the blocks that hold these keys, from A, before B"},
    {"--keep-queries", "A:B", "keep every block for the query blocks that hold these queries"},
    {"--selector", "NAME", "who chooses the blocks (spargeattn)", "spargeattn sliding_window"},
    {"--window", "N", "key blocks to either side, for sliding_window (0)"},
    {"--repeat", "N", "run the call N times and print the least and the median time in ms"},
};

std::optional<std::pair<int64_t, int64_t>> RangeFlag(const ParsedFlags& flags, const char* name) {
  const std::string* text = FlagText(flags, name);
  if (!text) return std::nullopt;
  const std::vector<std::string> parts = Split(*text, ':');
  const int64_t begin = ParseWhole<int64_t>(parts[0]).value_or(-1);
  const int64_t end = parts.size() == 2 ? ParseWhole<int64_t>(parts[1]).value_or(-1) : -1;
  Check(begin >= 0 && begin < end, ErrorCode::kInvalidInput, name, " ", Quoted(*text),
        ": expected A:B with 0 <= A < B");
  return std::pair(begin, end);
}

AttendRequest RequestOf(const ParsedFlags& flags, ErrorList& errors) {
  AttendRequest request;
  const auto text = [&](const char* name, std::string& field) {
    if (const std::string* given = FlagText(flags, name)) field = *given;
  };
  text("--mode", request.mode);
  text("--kernel", request.kernel);
  text("--device", request.device);
  text("--selector", request.selector);
  errors.Try([&] { request.topk = NumberFlag(flags, "--topk"); });
  errors.Try([&] { request.cdf = NumberFlag(flags, "--cdf"); });
  errors.Try([&] { request.theta = NumberFlag(flags, "--theta"); });
  errors.Try([&] { request.lambda = NumberFlag(flags, "--lambda"); });
  errors.Try([&] { request.scale = NumberFlag(flags, "--scale"); });
  request.causal = FlagText(flags, "--causal") != nullptr;
  request.sink = FlagText(flags, "--sink") != nullptr;
  errors.Try([&] { request.keep_keys = RangeFlag(flags, "--keep-keys"); });
  errors.Try([&] { request.keep_queries = RangeFlag(flags, "--keep-queries"); });
  errors.Try([&] { request.window = IntFlag(flags, "--window", 0, 0, int64_t{1} << 40); });
  errors.Try([&] { request.repeat = static_cast<int>(IntFlag(flags, "--repeat", 1, 1, 1000000)); });
  if (flags.positionals.size() == 2) {
    request.in = flags.positionals[0];
    request.out = flags.positionals[1];
  } else {
    errors.Add("sparge attend takes two files, IN.safetensors and OUT.safetensors, and got " +
               std::to_string(flags.positionals.size()));
  }
  return request;
}

}  // namespace

int RunAttend(const std::vector<std::string>& args) {
  ErrorList errors;
  const ParsedFlags flags = ParseFlags(args, kFlags, false, errors);
  if (flags.help) {
    std::fputs(
        CommandHelp(
            "sparge attend IN.safetensors OUT.safetensors [flags]",
            "One attention call on your tensors: docs/attention_spec.md says what is computed.\n"
            "IN holds q [B, Hq, Lq, D], k [B, Hkv, Lkv, D] and v [B, Hkv, Lkv, Dv], F32, BF16 or F16, and, if "
            "you like, key_lengths\nI64 [B], block_map U8 [B, Hq, nq, nk], and topk, cdf, theta, lambda F32 [Hq], "
            "each before its flag (NaN: not given).\nOUT gets o, lse and, but with --mode dense, block_map, "
            "visible_blocks, kept_blocks, pv_tiles and pv_skipped.",
            kFlags, false)
            .c_str(),
        stdout);
    return kExitDone;
  }
  const AttendRequest request = RequestOf(flags, errors);
  errors.ThrowIfAny();
  const AttendReport report = AttendFile(request);
  std::printf("kernel %s: %s\n", report.kernel.c_str(), report.reason.c_str());
  if (FlagText(flags, "--repeat")) {
    std::printf("min %.3f ms, median %.3f ms, %zu calls\n", 1e3 * Least(report.seconds), 1e3 * Median(report.seconds),
                report.seconds.size());
  }
  return kExitDone;
}

}  // namespace app
