#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

#include "app/job/placeholders.h"
#include "app/settings/layers.h"
#include "app/settings/yaml.h"
#include "pipeline/pipeline.h"

namespace app {

// The schema of sidecars and of jobs in media files (docs/interfaces.md, "Output files").
inline constexpr int kSchema = 1;

// Files of a job: absolute, placeholders filled. Empty: not wanted.
struct JobFiles {
  std::vector<std::string> outputs;
  std::string sidecar;
  std::string kept_latents;
  std::string checkpoint;  // where latents go while they are not decoded: the same name
};

// One render, checked: what is wrong with it that can be known without weights has been said.
struct Job {
  JobNames names;
  EffectiveSettings settings;
  pipeline::ModelInfo model;
  std::string model_hash, hash;
  JobFiles files;
  std::string from_latents;  // file to start from; empty: from noise
  bool goes_on = false;      // that file is a checkpoint
  std::string from_clip;     // file whose frames are encoded again (app/job/reencode.h); empty: they are rendered
  pipeline::AttentionSettings attention;
  std::vector<std::string> notices;
};

// What a job is made of.
struct JobSource {
  JobNames names;
  std::vector<Layer> layers;  // over what the program, the family and the model say
  std::string from_latents;
  bool goes_on = false;              // from_latents is a checkpoint: the rest is rendered
  bool existing_is_error = true;     // files that exist already, without `overwrite`; false: the caller's business
  std::string model_hash;            // ModelHash(model), where the caller knows it; else it is computed
  std::vector<std::string> outputs;  // absolute, in place of those that `out` says; empty: as it says
};

// Resolves and checks. `model` and `notes` belong to the folder that the layers' `model` means. Throws InputErrors with
// everything that is wrong: sizes that the model cannot make (with the nearest that it can), a missing prompt, settings
// that are not there yet, attention settings that do not fit the model, outputs (kind, codec, folder), files that
// exist, one file for two purposes.
Job PrepareJob(const JobSource& source, const pipeline::ModelInfo& model, const ModelNotes& notes);

// What is wrong with settings for this model, that can be known of every job: what is not there yet, a missing prompt,
// sizes. Each error begins with its setting's key, and ends with " (WHERE)" for a size.
void CheckSettings(const EffectiveSettings& settings, const pipeline::ModelInfo& model, bool from_latents,
                   ErrorList& errors);

// A seed for `random`.
int64_t DrawSeed();

// A notice about the words of the prompt that the model's vocabulary does not have, if there are such.
void AddVocabularyNotice(const ModelNotes& notes, const EffectiveSettings& settings, std::vector<std::string>& notices);

// The settings of `kind` "how".
pipeline::RuntimeOptions RuntimeOptionsOf(const EffectiveSettings& settings);

// {"schema", "hash", "job", "model"}: what stands in media files and in kept latents.
nlohmann::json JobRecord(const Job& job);

// The model's defaults, as settings.
Layer FamilyLayer(const pipeline::ModelInfo& model);

}  // namespace app
