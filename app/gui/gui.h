#pragma once

#include <string>
#include <vector>

#include "app/gui/controller.h"

namespace app {

// `sparge gui [FILES…]`. Returns the exit status; throws base::Error where there is no display.
int RunGui(const std::vector<std::string>& args);

// Jobs of a JOBS.yaml, a plan or a clip: what each sets that its model would not do anyway. Throws base::Error.
std::vector<SavedJob> ReadJobsForQueue(const std::string& path);

}  // namespace app
