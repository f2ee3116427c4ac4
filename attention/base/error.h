#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace base {

// What kind of thing went wrong; the program maps it to an exit status (docs/interfaces.md).
enum class ErrorCode {
  kInvalidInput,  // a flag, a prompt, a file that was never right: nothing was run
  kUnsupported,   // right, but not something this build or version does; the message says what there is
  kIo,            // a disk that is full, a file that breaks or vanishes while it is used
  kOutOfMemory,
  kDevice,     // CUDA and its driver
  kNonFinite,  // NaN or infinity in latents or frames
  kCancelled,
  kInternal,  // a defect of ours
};

// The one exception type of the project. The message is one sentence for a person: what was got,
// what was expected, where (file, tensor, key), and what to do.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

// Concatenates anything with an operator<<.
template <class... Parts>
std::string StrCat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

template <class... Parts>
[[noreturn]] void Fail(ErrorCode code, const Parts&... parts) {
  throw Error(code, StrCat(parts...));
}

// Throws Error(code, parts…) unless `ok`. The parts are evaluated in either case: keep them cheap.
template <class... Parts>
void Check(bool ok, ErrorCode code, const Parts&... parts) {
  if (!ok) Fail(code, parts...);
}

}  // namespace base
