#pragma once

#include <string>

#include "attention/cpu/kernel.h"

namespace attention::cpu {

struct Choice {
  const Kernel* kernel = nullptr;  // null: the reference
  std::string reason;
  bool fallback = false;  // this CPU lacks every instruction set that there is a kernel for
};

// `asked`: a kernel's name, "reference" or "auto"; SPARGE_CPU_KERNEL names what "auto" is. Throws base::Error,
// kUnsupported, for a name that is not there or a kernel that cannot run here.
Choice ChooseKernel(const std::string& asked, Mode mode);

}  // namespace attention::cpu
