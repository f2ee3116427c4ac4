#pragma once

#include <memory>
#include <string>

#include "pipeline/preview.h"

// How models' latents look, kept from run to run as $XDG_CACHE_HOME/sparge/latent_rgb/MODELHASH.json (without that
// variable under ~/.cache). It may be deleted at any time.
namespace app {

// Null where there is none, or none that can be used.
std::shared_ptr<const pipeline::LatentRGB> ReadLatentRGB(const std::string& model_hash);

// Does nothing where there is no place for it: what is lost is known again soon.
void WriteLatentRGB(const std::string& model_hash, const pipeline::LatentRGB& map);

}  // namespace app
