// The noise of torch.Generator("cpu"): values that torch prints (docs/design.md, "The pipeline").
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <vector>

namespace {

std::vector<float> Draw(int64_t seed, int64_t n) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(seed));
  const at::Tensor x = at::randn({n}, generator, at::TensorOptions().dtype(at::kFloat));
  return {x.const_data_ptr<float>(), x.const_data_ptr<float>() + n};
}

TEST(Noise, SeedZero) {
  const std::vector<float> expected16 = {-1.1258f, -1.1524f, -0.2506f, -0.4339f, 0.8487f, 0.6920f, -0.3160f, -2.1152f,
                                         0.3223f,  -1.2633f, 0.3500f,  0.3081f,  0.1198f, 1.2377f, 1.1168f,  -0.2473f};
  const std::vector<float> drawn = Draw(0, 16);
  for (size_t i = 0; i < 16; ++i) EXPECT_NEAR(drawn[i], expected16[i], 5e-5) << i;
  // A tail shorter than 16 redraws the last 16 values.
  const std::vector<float> expected20 = {-1.1258f, -1.1524f, -0.2506f, -0.4339f, 0.5988f, -1.5551f, -0.3414f,
                                         1.8530f,  0.4681f,  -0.1577f, 1.4437f,  0.2660f, 1.3894f,  1.5863f,
                                         0.9463f,  -0.8437f, 0.9318f,  1.2590f,  2.0050f, 0.0537f};
  const std::vector<float> tail = Draw(0, 20);
  for (size_t i = 0; i < 20; ++i) EXPECT_NEAR(tail[i], expected20[i], 5e-5) << i;
}

TEST(Noise, SmallDrawsAndOtherSeeds) {
  EXPECT_NEAR(Draw(0, 3)[0], 1.5410f, 5e-5);
  EXPECT_NEAR(Draw(0, 3)[2], -2.1788f, 5e-5);
  EXPECT_NEAR(Draw(42, 3)[1], 0.1288f, 5e-5);
  EXPECT_NEAR(Draw(42, 16)[0], 1.9269f, 5e-5);
}

}  // namespace
