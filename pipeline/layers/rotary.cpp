#include "pipeline/layers/rotary.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

namespace pipeline {
namespace {

// Angles of one axis: [positions, dim/2] float64.
at::Tensor AxisAngles(int64_t dim, int64_t positions, double theta) {
  const at::TensorOptions f64 = at::TensorOptions().dtype(at::kDouble);
  const at::Tensor exponents = at::arange(0, dim, 2, f64) / static_cast<double>(dim);
  return at::outer(at::arange(positions, f64), 1.0 / at::pow(theta, exponents));
}

}  // namespace

RotaryTable MakeRotaryTable3D(int64_t head_dim, std::array<int64_t, 3> grid, double theta, at::Device device) {
  const int64_t spatial = 2 * (head_dim / 6), temporal = head_dim - 2 * spatial;
  const auto [t, h, w] = grid;
  const at::Tensor angles = at::cat({AxisAngles(temporal, t, theta).view({t, 1, 1, -1}).expand({t, h, w, -1}),
                                     AxisAngles(spatial, h, theta).view({1, h, 1, -1}).expand({t, h, w, -1}),
                                     AxisAngles(spatial, w, theta).view({1, 1, w, -1}).expand({t, h, w, -1})},
                                    -1)
                                .reshape({1, t * h * w, 1, -1});
  return {at::complex(angles.cos().to(at::kFloat), angles.sin().to(at::kFloat)).to(device)};
}

at::Tensor ApplyRotary(const at::Tensor& x, const RotaryTable& table) {
  const at::Tensor pairs = x.to(at::kFloat).contiguous().unflatten(-1, {-1, 2});
  return at::view_as_real(at::view_as_complex(pairs) * table.turns).flatten(-2).to(x.scalar_type());
}

}  // namespace pipeline
