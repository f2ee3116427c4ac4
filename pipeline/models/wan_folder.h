#pragma once

#include <string>

#include "pipeline/encoders/umt5.h"
#include "pipeline/models/wan_transformer.h"
#include "pipeline/pipeline.h"
#include "pipeline/samplers/sampler.h"
#include "pipeline/vae/wan_vae.h"
#include "pipeline/weights/weights.h"

namespace pipeline {

// A Wan model folder with every config parsed and every weight header checked; no weight has been read.
struct WanFolder {
  ModelInfo info;
  WanTransformerConfig transformer;
  WanVAEConfig vae;
  UMT5Config text_encoder;
  SamplerConfig sampler;
  WeightFiles transformer_files, vae_files, text_encoder_files;
  std::string tokenizer_dir, tokenizer_class;

  // Throws as Inspect does.
  static WanFolder Open(const std::string& model_dir);
};

}  // namespace pipeline
