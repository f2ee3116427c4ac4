#include "app/console/errors.h"

#include <cstdio>
#include <exception>
#include <new>

#include "app/settings/layers.h"

namespace app {

using base::ErrorCode;

int ExitStatusOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidInput:
    case ErrorCode::kUnsupported:
      return kExitBadInput;
    case ErrorCode::kCancelled:
      return kExitCancelled;
    case ErrorCode::kIo:
    case ErrorCode::kOutOfMemory:
    case ErrorCode::kDevice:
    case ErrorCode::kNonFinite:
    case ErrorCode::kInternal:
      return kExitFailed;
  }
  return kExitFailed;
}

const char* CauseName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidInput:
      return "invalid_input";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kOutOfMemory:
      return "out_of_memory";
    case ErrorCode::kDevice:
      return "device";
    case ErrorCode::kNonFinite:
      return "non_finite";
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "internal";
}

Failure CurrentFailure() {
  try {
    throw;
  } catch (const base::Error& error) {
    return {error.code(), error.what()};
  } catch (const std::bad_alloc&) {
    return {ErrorCode::kOutOfMemory, "out of memory: ask for fewer frames or a smaller size, or free some memory"};
  } catch (const std::exception& error) {
    const std::string text = error.what();
    const std::string line = text.substr(0, text.find('\n'));  // libtorch adds a trace
    const bool memory =
        line.find("can't allocate memory") != std::string::npos || line.find("out of memory") != std::string::npos;
    return {memory ? ErrorCode::kOutOfMemory : ErrorCode::kInternal,
            (memory ? "out of memory: " : "internal: ") + line};
  } catch (...) {
    return {ErrorCode::kInternal, "internal: an exception of unknown type"};
  }
}

int PrintCurrentError() {
  try {
    throw;
  } catch (const InputErrors& errors) {
    for (const InputErrors::Item& item : errors.items()) {
      std::fprintf(stderr, "%s%s\n", item.located ? "" : "sparge: error: ", item.text.c_str());
    }
    return kExitBadInput;
  } catch (...) {
    const Failure failure = CurrentFailure();
    std::fprintf(stderr, "sparge: error: %s\n", failure.message.c_str());
    return ExitStatusOf(failure.code);
  }
}

int Guarded(const std::function<int()>& command) {
  try {
    return command();
  } catch (...) {
    return PrintCurrentError();
  }
}

}  // namespace app
