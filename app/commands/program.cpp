#include <cstdio>

#include "app/commands/commands.h"
#include "app/console/errors.h"
#include "app/gui/gui.h"
#include "app/settings/text.h"

namespace app {
namespace {

struct Command {
  const char* name;
  const char* arguments;
  const char* help;
  int (*run)(const std::vector<std::string>& args);  // null: not there yet
};

constexpr Command kCommands[] = {
    {"generate", "[--setting value …] --out FILE", "one clip or image from a prompt", RunGenerate},
    {"info", "MODEL | CLIP | FILE.safetensors", "what it is, what would run; a clip: its job and statistics", RunInfo},
    {"render", "JOBS.yaml | PLAN.json | CLIP", "many jobs from a file", RunRender},
    {"compare", "REF OTHER [OTHER …] --out DIR", "clips side by side, with metrics", RunCompare},
    {"report", "DIR | MANIFEST", "a page about a batch", RunReport},
    {"attend", "IN.safetensors OUT.safetensors", "one attention call on your tensors", RunAttend},
    {"bench", "attention | pipeline", "measures speed", RunBench},
    {"gui", "[FILES…]", "the window", RunGui},
    {"worker", "", "jobs in, events out, over standard input and output", RunWorker},
};

std::vector<std::string> Available() {
  std::vector<std::string> names;
  for (const Command& command : kCommands) {
    if (command.run != nullptr) names.emplace_back(command.name);
  }
  return names;
}

}  // namespace

std::string ProgramHelp() {
  std::string text = "usage: sparge COMMAND …\n\nText to video and images with diffusion transformers.\n\n";
  for (const Command& command : kCommands) {
    std::string line = "  sparge " + std::string(command.name) + " " + command.arguments;
    size_t columns = 0;
    for (char c : line) columns += (c & 0xC0) != 0x80;
    line.append(columns < 50 ? 50 - columns : 1, ' ');
    text += line + command.help + (command.run == nullptr ? " [not there yet]" : "") + "\n";
  }
  return text +
         "  sparge --version                                program, libraries, kernels, CPU and GPU features\n\n"
         "`sparge COMMAND --help` lists a command's flags. Models are found by folder, or by name under "
         "SPARGE_MODELS.\n"
         "Exit status: 0 all done, 1 a job failed, 2 bad input and nothing run, 3 stopped by a budget, 130 "
         "cancelled.\n";
}

int RunProgram(const std::vector<std::string>& args) {
  if (args.empty()) {
    std::fputs(ProgramHelp().c_str(), stderr);
    return kExitBadInput;
  }
  const std::string& name = args[0];
  if (name == "--help" || name == "-h" || name == "help") {
    std::fputs(ProgramHelp().c_str(), stdout);
    return kExitDone;
  }
  if (name == "--version" || name == "version") return RunVersion();
  std::vector<std::string> known = {"--version", "--help"};
  for (const Command& command : kCommands) {
    if (name != command.name) {
      known.emplace_back(command.name);
      continue;
    }
    base::Check(command.run != nullptr, base::ErrorCode::kUnsupported, "`sparge ", name,
                "` is not there yet; there is: ", List(Available()));
    return command.run({args.begin() + 1, args.end()});
  }
  base::Fail(base::ErrorCode::kInvalidInput, "unknown command ", Quoted(name), DidYouMean(name, known),
             "; see sparge --help");
}

}  // namespace app
