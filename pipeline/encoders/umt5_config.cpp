#include <algorithm>

#include "attention/base/error.h"
#include "pipeline/encoders/umt5.h"
#include "pipeline/weights/config.h"

namespace pipeline {

using base::Check;
using base::ErrorCode;

UMT5Config UMT5Config::Parse(Config& config) {
  UMT5Config c;
  constexpr int64_t kMax = int64_t{1} << 20;
  c.vocab_size = config.Int("vocab_size", 250112, 1, int64_t{1} << 24);
  c.d_model = config.Int("d_model", 512, 1, kMax);
  c.d_kv = config.Int("d_kv", 64, 1, 4096);
  c.d_ff = config.Int("d_ff", 1024, 1, kMax);
  c.num_layers = config.Int("num_layers", 8, 1, 4096);
  c.num_heads = config.Int("num_heads", 6, 1, 4096);
  c.num_buckets = config.Int("relative_attention_num_buckets", 32, 4, 65536);
  c.max_distance = config.Int("relative_attention_max_distance", 128, 2, kMax);
  c.eps = config.Number("layer_norm_epsilon", 1e-6);
  if (c.max_distance <= c.num_buckets / 4)
    config.Fail("relative_attention_max_distance", "is not above a quarter of the buckets");
  const std::string forward = config.String("feed_forward_proj", "gated-gelu");
  c.gated = forward.rfind("gated-", 0) == 0;
  c.activation = forward == "gated-gelu" ? "gelu_new" : c.gated ? forward.substr(6) : forward;
  const std::vector<std::string> known = {"relu", "gelu", "gelu_new", "silu"};
  Check(std::find(known.begin(), known.end(), c.activation) != known.end(), ErrorCode::kUnsupported, config.path(),
        ": feed_forward_proj '", forward,
        "' is not supported; there are relu, gelu, gelu_new, silu, each also as gated-…");
  config.Ignore({"architectures",   "classifier_dropout",   "decoder_start_token_id",
                 "dense_act_fn",    "dropout_rate",         "dtype",
                 "torch_dtype",     "eos_token_id",         "initializer_factor",
                 "is_decoder",      "is_encoder_decoder",   "is_gated_act",
                 "model_type",      "num_decoder_layers",   "output_past",
                 "pad_token_id",    "scalable_attention",   "tie_word_embeddings",
                 "tokenizer_class", "transformers_version", "use_cache"});
  return c;
}

}  // namespace pipeline
