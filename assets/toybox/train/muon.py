"""Muon for matrices and convolution kernels, AdamW for every other weight."""

import torch

# Odd polynomials a·X + b·X³ + c·X⁵, one an iteration, that drive all singular values towards 1.
_COEFFICIENTS = ((4.0848, -6.8946, 2.9270), (3.9505, -6.3029, 2.6377), (3.7418, -5.5913, 2.3037),
                 (2.8769, -3.1427, 1.2046), (2.8366, -3.0525, 1.2012))


def orthogonalise(matrices: torch.Tensor) -> torch.Tensor:
    """The nearest semi-orthogonal matrices, roughly, of [n, rows, columns]."""
    x = matrices.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for a, b, c in _COEFFICIENTS:
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).float()


class Muon:
    """`named`: (name, parameter) pairs; `is_matrix(name, parameter)` says which ones Muon takes (kernels are flattened).

    A Muon update is scaled by 0.2·√(larger side), so that `lr` is of AdamW's size.
    """

    def __init__(self, named, lr: float, adam_lr: float, is_matrix, weight_decay: float = 0.0, momentum: float = 0.95):
        named = list(named)
        self.matrices = [p for name, p in named if is_matrix(name, p)]
        self.lr, self.adam_lr, self.weight_decay, self.momentum = lr, adam_lr, weight_decay, momentum
        self.buffers = [torch.zeros_like(p) for p in self.matrices]
        self.adam = torch.optim.AdamW([p for name, p in named if not is_matrix(name, p)], lr=adam_lr, betas=(0.9, 0.97),
                                      weight_decay=0.0, fused=True)
        self.groups: dict[tuple[int, int], list[int]] = {}  # matrices of one shape are updated together
        for i, p in enumerate(self.matrices):
            self.groups.setdefault((p.shape[0], p[0].numel()), []).append(i)

    def zero_grad(self):
        for p in self.matrices:
            p.grad = None
        self.adam.zero_grad(set_to_none=True)

    @torch.no_grad()
    def step(self, factor: float):
        """`factor` scales both learning rates."""
        for group in self.adam.param_groups:
            group["lr"] = self.adam_lr * factor
        self.adam.step()
        for (rows, columns), members in self.groups.items():
            gradients = torch.stack([self.matrices[i].grad.reshape(rows, columns) for i in members])
            buffers = torch.stack([self.buffers[i].reshape(rows, columns) for i in members])
            buffers.mul_(self.momentum).add_(gradients, alpha=1 - self.momentum)
            updates = orthogonalise(gradients.lerp(buffers, self.momentum))
            for j, i in enumerate(members):
                p = self.matrices[i]
                self.buffers[i].copy_(buffers[j].view_as(p))
                p.mul_(1 - self.lr * factor * self.weight_decay)
                p.add_(updates[j].view_as(p), alpha=-self.lr * factor * 0.2 * max(rows, columns) ** 0.5)

    def state_dict(self) -> dict:
        return {"buffers": self.buffers, "adam": self.adam.state_dict()}

    def load_state_dict(self, state: dict):
        for mine, theirs in zip(self.buffers, state["buffers"], strict=True):
            mine.copy_(theirs)
        self.adam.load_state_dict(state["adam"])


class Ema:
    """A running mean of the parameters, with a short memory in the first steps."""

    def __init__(self, parameters, decay: float = 0.998):
        self.parameters, self.decay = list(parameters), decay
        self.mean = [p.detach().clone() for p in self.parameters]

    @torch.no_grad()
    def update(self, step: int):
        torch._foreach_lerp_(self.mean, self.parameters, 1 - min(self.decay, step / (step + 15)))

    @torch.no_grad()
    def load(self, mean):
        for mine, theirs in zip(self.mean, mean, strict=True):
            mine.copy_(theirs)
