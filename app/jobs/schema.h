#pragma once

#include <string>

namespace app {

// configs/jobs.schema.json: a JSON Schema (draft 2020-12) of JOBS.yaml out of the table of settings, for editors. It
// takes every file that `sparge render` takes; what only a model, a file or another key can tell is left to
// `sparge render`.
std::string JobsSchema();

}  // namespace app
