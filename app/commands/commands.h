#pragma once

#include <string>
#include <vector>

namespace app {

// Subcommands. `args` are those after the subcommand's name. Return the exit status; throw base::Error.
int RunGenerate(const std::vector<std::string>& args);
int RunAttend(const std::vector<std::string>& args);
int RunCompare(const std::vector<std::string>& args);
int RunBench(const std::vector<std::string>& args);
int RunInfo(const std::vector<std::string>& args);
int RunVersion();
int RunRender(const std::vector<std::string>& args);
int RunReport(const std::vector<std::string>& args);
int RunWorker(const std::vector<std::string>& args);

// The help text of `sparge --help`.
std::string ProgramHelp();

// Runs `sparge ARGS…`.
int RunProgram(const std::vector<std::string>& args);

}  // namespace app
