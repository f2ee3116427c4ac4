#pragma once

#include <functional>
#include <string>

#include "attention/base/error.h"

namespace app {

// Exit statuses (docs/interfaces.md, "Commands").
inline constexpr int kExitDone = 0, kExitFailed = 1, kExitBadInput = 2, kExitBudget = 3, kExitCancelled = 130;

int ExitStatusOf(base::ErrorCode code);

// "invalid_input", "unsupported", "io", "out_of_memory", "device", "non_finite", "cancelled", "internal".
const char* CauseName(base::ErrorCode code);

struct Failure {
  base::ErrorCode code;
  std::string message;
};

// What the exception being handled means; for use in a catch block. Knows base::Error, std::bad_alloc and libtorch's
// errors (their first line; out of memory is recognised), and everything else that is a std::exception.
Failure CurrentFailure();

// Prints the exception being handled on standard error, `sparge: error: …` a line (what has a place in a file as it
// is: `file:line:column: …`), and returns the exit status.
int PrintCurrentError();

// Runs a command: its exit status, or that of what it threw, printed.
int Guarded(const std::function<int()>& command);

}  // namespace app
