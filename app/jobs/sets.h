#pragma once

#include "app/jobs/plan.h"

namespace app {

// The layer of `--set key=value`: paths are relative to the working directory, `null` clears (a prompt is always text).
// Of a key given twice the last counts; `out` adds up. What is wrong goes to `errors`.
Layer LayerOfSets(const SetFlags& sets, ErrorList& errors);

}  // namespace app
