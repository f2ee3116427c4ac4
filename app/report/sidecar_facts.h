#pragma once

#include <string>

#include "app/report/batch_data.h"

namespace app {

// Fills in what the sidecar says. False, and nothing filled in, where there is no sidecar or it is of another job than
// `job.hash` (empty: of any, and the hash is taken from it). Never throws for what the file holds.
bool AddSidecarFacts(const std::string& path, ReportJob& job);

}  // namespace app
