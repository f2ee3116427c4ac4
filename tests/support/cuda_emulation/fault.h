#pragma once

#include <stdexcept>
#include <string>

namespace cuda_emulation {

// What a kernel did wrong.
enum class Fault {
  kUnwritten,        // read of what nobody wrote
  kNotVisible,       // read of what another thread wrote, or a copy in flight writes, with nothing that orders them
  kOverwrite,        // write over what another thread wrote or has still to read, with nothing that orders them
  kOutOfBounds,      // outside the block's shared memory or every registered allocation
  kMisaligned,       // an address that is no multiple of the access's size
  kDivergence,       // a warp's operation with lanes missing, or with different operations or masks
  kBarrier,          // a barrier with a wrong count or left half arrived
  kDeadlock,         // nobody can run
  kOutstandingCopy,  // a thread ended with copies that it never waited for
  kGlobalRace,       // blocks of one launch that touch the same global bytes, not by atomics
  kBadOperand,       // an operand that the instruction does not take
};

// what(): one line with what, the block, the thread, the address and the seed.
class EmulationFault : public std::runtime_error {
 public:
  EmulationFault(Fault fault, const std::string& message) : std::runtime_error(message), fault_(fault) {}
  Fault fault() const { return fault_; }

 private:
  Fault fault_;
};

}  // namespace cuda_emulation
