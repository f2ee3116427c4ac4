#include "app/report/report.h"

#include <cstdio>

#include "app/commands/commands.h"
#include "app/console/errors.h"
#include "app/console/observer.h"
#include "app/console/signals.h"
#include "app/settings/help.h"
#include "attention/base/error.h"

namespace app {
namespace {

constexpr CommandFlag kFlags[] = {
    {"--progress", "STYLE", "how to show progress", "auto bar plain off"},
};

}  // namespace

int RunReport(const std::vector<std::string>& args) {
  ErrorList errors;
  const ParsedFlags flags = ParseFlags(args, kFlags, false, errors);
  if (flags.help) {
    std::fputs(CommandHelp("sparge report DIR | MANIFEST",
                           "Writes report.html and report.csv of a batch into its folder: what is done, failed and "
                           "left, why, how long, how fast,\nclips, measures. MANIFEST is the folder NAME.manifest.d "
                           "that `sparge render` keeps, a file in it, or the JOBS.yaml\nitself; DIR a folder with such "
                           "folders or, without any, with clips and their sidecars.",
                           kFlags, false)
                   .c_str(),
               stdout);
    return kExitDone;
  }
  if (flags.positionals.size() != 1) {
    errors.Add(base::StrCat("sparge report takes one folder or manifest, got ", flags.positionals.size()));
  }
  errors.ThrowIfAny();
  const auto style = flags.flags.find("--progress");
  ConsoleObserver observer(ProgressStyleOf(style == flags.flags.end() ? "auto" : style->second), nullptr);
  const CancelOnSignal cancel(observer);
  const ReportFiles files = WriteReport(flags.positionals[0], observer);
  for (const std::string& notice : files.notices) observer.Notice(notice);
  for (const std::string& path : {files.html, files.csv}) observer.Output(path);
  std::printf("%s done, %s failed, %s left: %s\n", std::to_string(files.done).c_str(),
              std::to_string(files.failed).c_str(), std::to_string(files.left).c_str(), files.html.c_str());
  return kExitDone;
}

}  // namespace app
