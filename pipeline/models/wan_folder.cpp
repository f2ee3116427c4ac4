#include "pipeline/models/wan_folder.h"

#include <algorithm>
#include <filesystem>

#include "attention/base/error.h"
#include "pipeline/weights/config.h"

namespace pipeline {
namespace {

namespace fs = std::filesystem;
using base::Check;
using base::ErrorCode;
using base::StrCat;

// Names a component's class as model_index.json has it: ["library", "Class"]; "" where it is absent or null.
std::string ComponentClass(const nlohmann::json& index, const std::string& name) {
  auto found = index.find(name);
  if (found == index.end() || found->is_null()) return "";
  const bool pair = found->is_array() && found->size() == 2;
  if (!pair || (*found)[1].is_null()) return "";
  return (*found)[1].is_string() ? (*found)[1].get<std::string>() : "";
}

// Throws unless the component is there with one of the classes that run.
std::string RequireComponent(const nlohmann::json& index, const std::string& path, const std::string& name,
                             const std::vector<std::string>& classes) {
  const std::string found = ComponentClass(index, name);
  Check(!found.empty(), ErrorCode::kInvalidInput, path, ": has no component '", name,
        "'; a Wan text-to-video folder needs transformer, vae, text_encoder, tokenizer and scheduler");
  std::string known;
  for (const std::string& candidate : classes) known += (known.empty() ? "" : ", ") + candidate;
  Check(std::find(classes.begin(), classes.end(), found) != classes.end(), ErrorCode::kUnsupported, path,
        ": component '", name, "' is a ", found, ", which is not supported; there is: ", known);
  return found;
}

void RefuseOtherPipelines(const nlohmann::json& index, const std::string& path) {
  static const char* const kKnown[] = {"scheduler", "text_encoder", "tokenizer", "transformer", "vae"};
  for (const auto& [name, value] : index.items()) {
    if (name.empty() || name[0] == '_' || std::find(std::begin(kKnown), std::end(kKnown), name) != std::end(kKnown))
      continue;
    const std::string component = ComponentClass(index, name);
    Check(component.empty(), ErrorCode::kUnsupported, path, ": component '", name, "' (", component,
          ") is not supported; text-to-video with one transformer is what runs today");
  }
  const bool experts = index.contains("boundary_ratio") && !index["boundary_ratio"].is_null();
  Check(!experts, ErrorCode::kUnsupported, path, ": boundary_ratio (two transformers) is not supported");
  const bool expand = index.contains("expand_timesteps") && index["expand_timesteps"] != nlohmann::json(false) &&
                      !index["expand_timesteps"].is_null();
  Check(!expand, ErrorCode::kUnsupported, path, ": expand_timesteps (the Wan 2.2 TI2V kind) is not supported");
}

ComponentInfo Describe(const std::string& name, const std::string& class_name, const WeightFiles& files) {
  ComponentInfo info;
  info.name = name;
  info.class_name = class_name;
  for (const auto& file : files.files()) info.weight_files.push_back(file->path());
  for (const auto& [tensor, located] : files.tensors()) {
    info.parameters += located.entry->numel();
    info.bytes += static_cast<int64_t>(located.entry->bytes);
    ++info.dtypes[DTypeName(located.entry->dtype)];
  }
  return info;
}

void NoteUnknownKeys(const Config& config, std::vector<std::string>& notices) {
  std::string keys;
  for (const std::string& key : config.UnknownKeys()) keys += (keys.empty() ? "" : ", ") + key;
  if (!keys.empty()) notices.push_back(StrCat(config.path(), ": keys without meaning here were ignored: ", keys));
}

SizeRules RulesOf(const WanTransformerConfig& transformer, const WanVAEConfig& vae) {
  const auto [pt, ph, pw] = transformer.patch_size;
  SizeRules rules;
  rules.width_multiple = vae.scale_factor_spatial * pw;
  rules.height_multiple = vae.scale_factor_spatial * ph;
  rules.max_width = rules.width_multiple * transformer.rope_max_seq_len;
  rules.max_height = rules.height_multiple * transformer.rope_max_seq_len;
  // Latent frames 1 + (F − 1)/s must be a multiple of the temporal patch.
  rules.frames_first = vae.scale_factor_temporal * (pt - 1) + 1;
  rules.frames_multiple = vae.scale_factor_temporal * pt;
  rules.max_frames = rules.frames_first + rules.frames_multiple * (transformer.rope_max_seq_len - 1);
  return rules;
}

}  // namespace

WanFolder WanFolder::Open(const std::string& model_dir) {
  WanFolder folder;
  ModelInfo& info = folder.info;
  info.path = fs::weakly_canonical(model_dir).string();
  const std::string index_path = info.path + "/model_index.json";
  const nlohmann::json index = ReadJsonFile(index_path);
  RefuseOtherPipelines(index, index_path);
  info.pipeline_class = "WanPipeline";
  const std::string transformer_class = RequireComponent(index, index_path, "transformer", {"WanTransformer3DModel"});
  const std::string vae_class = RequireComponent(index, index_path, "vae", {"AutoencoderKLWan"});
  const std::string encoder_class = RequireComponent(index, index_path, "text_encoder", {"UMT5EncoderModel"});
  folder.tokenizer_class =
      RequireComponent(index, index_path, "tokenizer",
                       {"T5Tokenizer", "T5TokenizerFast", "TokenizersBackend", "PreTrainedTokenizerFast"});
  const std::string scheduler_class =
      RequireComponent(index, index_path, "scheduler", {"UniPCMultistepScheduler", "FlowMatchEulerDiscreteScheduler"});

  Config scheduler = Config::Read(info.path + "/scheduler/scheduler_config.json");
  folder.sampler = SamplerConfig::Parse(scheduler_class, scheduler);
  Config text_encoder = Config::Read(info.path + "/text_encoder/config.json");
  folder.text_encoder = UMT5Config::Parse(text_encoder);
  Config transformer = Config::Read(info.path + "/transformer/config.json");
  folder.transformer = WanTransformerConfig::Parse(transformer);
  Config vae = Config::Read(info.path + "/vae/config.json");
  folder.vae = WanVAEConfig::Parse(vae);
  for (const Config* config : {&scheduler, &text_encoder, &transformer, &vae}) {
    NoteUnknownKeys(*config, info.notices);
    info.config_files.push_back(config->path());
  }
  info.config_files.push_back(index_path);
  for (const char* name : {"spiece.model", "tokenizer.model", "tokenizer.json", "tokenizer_config.json",
                           "special_tokens_map.json", "added_tokens.json"}) {
    const std::string path = info.path + "/tokenizer/" + name;
    if (fs::exists(path)) info.config_files.push_back(path);
  }
  std::sort(info.config_files.begin(), info.config_files.end());
  Check(folder.transformer.in_channels == folder.vae.z_dim && folder.transformer.out_channels == folder.vae.z_dim,
        ErrorCode::kInvalidInput, transformer.path(), ": in_channels ", folder.transformer.in_channels,
        " and out_channels ", folder.transformer.out_channels, " do not fit the VAE's z_dim ", folder.vae.z_dim);
  Check(folder.transformer.text_dim == folder.text_encoder.d_model, ErrorCode::kInvalidInput, transformer.path(),
        ": text_dim ", folder.transformer.text_dim, " does not fit the text encoder's d_model ",
        folder.text_encoder.d_model);

  auto check = [&](WeightFiles& files, const std::string& name, const std::string& stem, auto declare,
                   bool (*ignored)(const std::string&)) {
    files = WeightFiles::Open(info.path + "/" + name, stem);
    WeightLoader loader;
    declare(loader);
    CheckWeights(files, loader, info.path + "/" + name, ignored);
  };
  check(
      folder.text_encoder_files, "text_encoder", "model", [&](WeightLoader& l) { UMT5Encoder(folder.text_encoder, l); },
      UMT5Encoder::Ignores);
  check(
      folder.transformer_files, "transformer", "diffusion_pytorch_model",
      [&](WeightLoader& l) { WanTransformer(folder.transformer, l); }, WanTransformer::Ignores);
  check(
      folder.vae_files, "vae", "diffusion_pytorch_model", [&](WeightLoader& l) { WanVAE(folder.vae, l); }, nullptr);

  folder.tokenizer_dir = info.path + "/tokenizer";
  Check(fs::is_directory(folder.tokenizer_dir), ErrorCode::kInvalidInput, folder.tokenizer_dir,
        ": is no folder; the model folder is incomplete");
  const WanTransformerConfig& t = folder.transformer;
  const WanVAEConfig& v = folder.vae;
  ComponentInfo tokenizer, sampler;
  tokenizer.name = "tokenizer";
  tokenizer.class_name = folder.tokenizer_class;
  sampler.name = "scheduler";
  sampler.class_name = scheduler_class;
  sampler.facts = {{"flow shift", StrCat(folder.sampler.flow_shift)}};
  if (folder.sampler.kind == "unipc")
    sampler.facts.emplace_back("solver",
                               StrCat("order ", folder.sampler.solver_order, ", ", folder.sampler.solver_type));
  ComponentInfo dit = Describe("transformer", transformer_class, folder.transformer_files);
  dit.facts = {{"layers", StrCat(t.num_layers)},
               {"heads", StrCat(t.num_heads, " x ", t.head_dim)},
               {"feed-forward", StrCat(t.ffn_dim)},
               {"patch (t, h, w)", StrCat(t.patch_size[0], ", ", t.patch_size[1], ", ", t.patch_size[2])}};
  ComponentInfo autoencoder = Describe("vae", vae_class, folder.vae_files);
  autoencoder.facts = {{"latent channels", StrCat(v.z_dim)},
                       {"factor (t, h, w)",
                        StrCat(v.scale_factor_temporal, ", ", v.scale_factor_spatial, ", ", v.scale_factor_spatial)}};
  ComponentInfo encoder = Describe("text_encoder", encoder_class, folder.text_encoder_files);
  encoder.facts = {{"layers", StrCat(folder.text_encoder.num_layers)},
                   {"heads", StrCat(folder.text_encoder.num_heads, " x ", folder.text_encoder.d_kv)},
                   {"vocabulary", StrCat(folder.text_encoder.vocab_size)}};
  info.components = {std::move(dit), std::move(autoencoder), std::move(encoder), std::move(tokenizer),
                     std::move(sampler)};
  info.size_rules = RulesOf(t, v);
  info.scheduler = folder.sampler.kind;
  info.num_layers = t.num_layers;
  info.num_heads = t.num_heads;
  info.head_dim = t.head_dim;
  const WanVAEConfig::DecoderSizes decoder = v.decoder_sizes();
  info.memory = {.text_dim = folder.text_encoder.d_model,
                 .text_ffn = folder.text_encoder.d_ff,
                 .text_heads = folder.text_encoder.num_heads,
                 .dim = t.dim(),
                 .ffn = t.ffn_dim,
                 .latent_channels = t.in_channels,
                 .patch = {t.patch_size[0], t.patch_size[1], t.patch_size[2]},
                 .temporal_factor = v.scale_factor_temporal,
                 .spatial_factor = v.scale_factor_spatial,
                 .chunk_frames = v.temporal_factor(),
                 .decoder_width = decoder.width,
                 .decoder_kept = decoder.kept};
  return folder;
}

}  // namespace pipeline
