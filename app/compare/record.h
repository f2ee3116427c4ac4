#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace app {

// What is known about how a file was made: the job in the file itself, and the sidecar beside it if it is of the same
// job. All of it comes from files and may be anything; `job` is an object of settings or null.
struct Provenance {
  nlohmann::json job;      // {"attention.mode": "sparge", …}
  nlohmann::json model;    // {"class", "name", "hash"} of what rendered it; null where it is unknown
  nlohmann::json sidecar;  // the whole of it; null where there is none
  std::string hash;        // of the job; empty where there is none

  double fps() const;       // that the job was for; 0 where it is unknown
  double seconds() const;   // that the render took; < 0 where it is unknown
  double sparsity() const;  // share of blocks and tiles skipped, 0…1; < 0 where it is unknown
};

// `comment`: the text in the file's metadata. Never throws for what the files hold.
Provenance ReadProvenance(const std::string& path, const std::string& comment);

// `path` without extension and frame pattern, as sidecars are named; for extensions that are no output's too.
std::string StemOf(const std::string& path);

}  // namespace app
