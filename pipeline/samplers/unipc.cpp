#include "pipeline/samplers/unipc.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>

#include "pipeline/samplers/linspace.h"

namespace pipeline {

UniPCSampler::UniPCSampler(const SamplerConfig& config, int64_t num_steps, at::Device device) : config_(config) {
  const double train = static_cast<double>(config.num_train_timesteps);
  std::vector<double> sigmas = Linspace(1.0, 1.0 / train, num_steps + 1);
  sigmas.pop_back();
  for (double& sigma : sigmas) sigma = ShiftSigma(config.flow_shift, sigma);
  constexpr double kEps = 1e-6;  // keeps log(1 − σ) finite at the first step
  if (std::fabs(sigmas[0] - 1.0) < kEps) sigmas[0] -= kEps;
  std::vector<int64_t> timesteps;
  for (double sigma : sigmas) timesteps.push_back(static_cast<int64_t>(sigma * train));
  sigmas.push_back(config.final_sigmas == "zero" ? 0.0 : sigmas.back());
  timesteps_ = at::tensor(timesteps, at::kLong).to(device);
  sigmas_ = at::tensor(sigmas, at::kDouble).to(at::kFloat);
}

UniPCSampler::Coefficients UniPCSampler::Prepare(int64_t from, int64_t to, int64_t order, at::Device device) const {
  auto sigma_at = [&](int64_t index) { return sigmas_[index].to(device); };
  auto lambda_of = [](const at::Tensor& sigma) { return at::log(1 - sigma) - at::log(sigma); };
  const at::Tensor sigma_t = sigma_at(to), sigma_s = sigma_at(from);
  const at::Tensor lambda_s = lambda_of(sigma_s), h = lambda_of(sigma_t) - lambda_s;
  const at::Tensor& newest = x0_.back();

  std::vector<at::Tensor> ratios, differences;
  for (int64_t i = 1; i < order; ++i) {
    const at::Tensor ratio = (lambda_of(sigma_at(from - i)) - lambda_s) / h;
    ratios.push_back(ratio);
    differences.push_back((x0_[x0_.size() - 1 - static_cast<size_t>(i)] - newest) / ratio);
  }
  ratios.push_back(at::ones({}, at::TensorOptions().device(device)));
  const at::Tensor rks = at::stack(ratios);

  Coefficients c;
  const at::Tensor hh = -h;
  c.h_phi_1 = at::expm1(hh);
  c.b_h = config_.solver_type == "bh1" ? hh : c.h_phi_1;
  std::vector<at::Tensor> rows, b;
  at::Tensor h_phi_k = c.h_phi_1 / hh - 1;
  double factorial = 1;
  for (int64_t i = 1; i <= order; ++i) {
    rows.push_back(at::pow(rks, i - 1));
    b.push_back(h_phi_k * factorial / c.b_h);
    factorial *= static_cast<double>(i + 1);
    h_phi_k = h_phi_k / hh - 1 / factorial;
  }
  c.r = at::stack(rows);
  c.b = at::stack(b);
  c.alpha_t = 1 - sigma_t;
  c.sigma_ratio = sigma_t / sigma_s;
  if (!differences.empty()) c.differences = at::stack(differences, 1);
  return c;
}

at::Tensor UniPCSampler::Predict(const at::Tensor& sample, int64_t order) const {
  const Coefficients c = Prepare(step_, step_ + 1, order, sample.device());
  at::Tensor next = c.sigma_ratio * sample - c.alpha_t * c.h_phi_1 * x0_.back();
  if (order == 1) return next.to(sample.scalar_type());
  const at::Tensor rhos =
      order == 2 ? at::ones({1}, sample.options()) * 0.5
                 : at::linalg_solve(c.r.slice(0, 0, -1).slice(1, 0, -1), c.b.slice(0, 0, -1)).to(sample.scalar_type());
  next = next - c.alpha_t * c.b_h * at::einsum("k,bkc...->bc...", {rhos, c.differences});
  return next.to(sample.scalar_type());
}

at::Tensor UniPCSampler::Correct(const at::Tensor& x0, int64_t order) const {
  const Coefficients c = Prepare(step_ - 1, step_, order, x0.device());
  const at::Tensor rhos = order == 1 ? at::ones({1}, last_sample_.options()) * 0.5
                                     : at::linalg_solve(c.r, c.b).to(last_sample_.scalar_type());
  at::Tensor residual = rhos[-1] * (x0 - x0_.back());
  if (order > 1) residual = at::einsum("k,bkc...->bc...", {rhos.slice(0, 0, -1), c.differences}) + residual;
  const at::Tensor corrected =
      c.sigma_ratio * last_sample_ - c.alpha_t * c.h_phi_1 * x0_.back() - c.alpha_t * c.b_h * residual;
  return corrected.to(last_sample_.scalar_type());
}

at::Tensor UniPCSampler::Step(const at::Tensor& velocity, const at::Tensor& sample_in) {
  at::Tensor sample = sample_in;
  const at::Tensor x0 = sample - sigmas_[step_] * velocity;
  const auto& disabled = config_.disable_corrector;
  const bool correct =
      step_ > 0 && last_sample_.defined() && std::find(disabled.begin(), disabled.end(), step_ - 1) == disabled.end();
  if (correct) sample = Correct(x0, last_order_);

  x0_.push_back(x0);
  if (static_cast<int64_t>(x0_.size()) > config_.solver_order) x0_.pop_front();
  last_order_ = OrderAt(step_, warmup_);
  last_sample_ = sample;
  const at::Tensor next = Predict(sample, last_order_);
  warmup_ = std::min(warmup_ + 1, config_.solver_order);
  ++step_;
  return next;
}

// Of the predictor at a step, `warmup` steps after the first.
int64_t UniPCSampler::OrderAt(int64_t step, int64_t warmup) const {
  const int64_t order =
      config_.lower_order_final ? std::min(config_.solver_order, num_steps() - step) : config_.solver_order;
  return std::min(order, warmup + 1);
}

std::vector<std::string> UniPCSampler::StateNames(int64_t step) const {
  std::vector<std::string> names = {"last_sample"};
  for (int64_t i = 0; i < std::min(step, config_.solver_order); ++i) names.push_back("x0_" + std::to_string(i));
  return names;
}

std::map<std::string, at::Tensor> UniPCSampler::State() const {
  if (step_ == 0) return {};
  std::map<std::string, at::Tensor> state = {{"last_sample", last_sample_}};
  for (size_t i = 0; i < x0_.size(); ++i) state["x0_" + std::to_string(i)] = x0_[i];
  return state;
}

void UniPCSampler::SetState(const std::map<std::string, at::Tensor>& state) {
  last_sample_ = state.at("last_sample");
  x0_.clear();
  for (size_t i = 0; i + 1 < state.size(); ++i) x0_.push_back(state.at("x0_" + std::to_string(i)));
  warmup_ = std::min(step_, config_.solver_order);
  last_order_ = OrderAt(step_ - 1, std::min(step_ - 1, config_.solver_order));
}

}  // namespace pipeline
