#pragma once

#include <vector>

#include "attention/attention.h"
#include "attention/call.h"

namespace attention {

// A call of the door in the plain structs of call.h, with what they point to. Not to be moved: `call` points into it.
struct MadeCall {
  Call call;  // without results; its mode and dtype only where mode is not dense
  std::vector<HeadParameters> heads;
  at::Tensor key_lengths, block_map;

  MadeCall() = default;
  MadeCall(const MadeCall&) = delete;
  MadeCall& operator=(const MadeCall&) = delete;
};

// Fills `made` and checks everything that there is to check, in every mode. Throws Error{kInvalidInput}.
void MakeCall(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionContext& ctx,
              const AttentionOptions& options, MadeCall& made);

}  // namespace attention
