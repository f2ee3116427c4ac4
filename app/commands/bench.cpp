#include "app/commands/bench.h"

#include <cstdio>

#include "app/commands/commands.h"
#include "app/console/errors.h"
#include "app/settings/text.h"

namespace app {

int RunBench(const std::vector<std::string>& args) {
  const std::string kind = args.empty() ? "" : args[0];
  if (kind == "--help" || kind == "-h") {
    std::fputs(
        "usage: sparge bench attention [flags]    our attention kernels beside libtorch's\n"
        "       sparge bench pipeline [flags]     load, encode, step, decode of one render\n\n"
        "`sparge bench attention --help` and `sparge bench pipeline --help` list the flags.\n",
        stdout);
    return kExitDone;
  }
  if (kind == "attention") return RunBenchAttention({args.begin() + 1, args.end()});
  if (kind == "pipeline") return RunBenchPipeline({args.begin() + 1, args.end()});
  base::Fail(base::ErrorCode::kInvalidInput, "sparge bench takes one of attention and pipeline first",
             kind.empty() ? "" : ", not " + Quoted(kind), DidYouMean(kind, {"attention", "pipeline"}));
}

}  // namespace app
