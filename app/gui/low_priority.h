#pragma once

namespace app {

// The calling thread gives way to the window's and the worker's.
void LowerThreadPriority();

}  // namespace app
