#include <ATen/Functions.h>

#include <cstdio>

#include "attention/attention.h"

int main() {
  const at::Tensor x = at::randn({1, 2, 300, 32});
  attention::AttentionOptions options;
  options.mode = "dense8";
  attention::AttentionContext ctx;
  const at::Tensor dense = attention::Attend(x, x, x, ctx);
  ctx.options = &options;
  const at::Tensor dense8 = attention::Attend(x, x, x, ctx);
  const double error = dense8.sub(dense).abs().mean().item<double>() / dense.abs().mean().item<double>();
  std::printf("relative error %s\n", error > 0 && error < 0.03 ? "as expected" : "too large");
  return 0;
}
