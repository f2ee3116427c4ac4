#pragma once

#include <string>
#include <vector>

#include "app/batch/manifest.h"
#include "app/jobs/plan.h"

namespace app {

// What there is of an entry's outputs, by the manifests and on disk.
struct EntryFiles {
  std::vector<Digest> good;          // recorded, or carrying the entry's hash and whole
  std::vector<std::string> missing;  // not there
  std::vector<std::string> foreign;  // there, and neither: without `overwrite` an error; so are sidecar and latents
  bool recorded = false;             // every output is recorded for the hash and has those bytes
  bool complete() const { return missing.empty() && foreign_outputs == 0; }
  size_t foreign_outputs = 0;  // of `foreign`, those that are outputs
};

// Throws base::Error{kIo} for a file that cannot be read.
EntryFiles LookAtFiles(const PlanEntry& entry, const ManifestReader& manifests);

// Whether a file is whole and carries this hash in itself, or in the sidecar where it carries none. It is read to its
// end.
bool CarriesHash(const std::string& output, const std::string& sidecar, const std::string& hash, int64_t num_frames);

// What an entry is claimed by: its hash and its outputs.
std::string ClaimKey(const PlanEntry& entry);

}  // namespace app
