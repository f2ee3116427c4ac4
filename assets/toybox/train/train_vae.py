"""Trains the VAE on whole-length crops of training clips.

    python train_vae.py WORK [--clips 1600] [--steps 3333] [--batch 16] [--full-batch 5] [--minutes M]

Renders WORK/vae_clips.npy once, goes on from WORK/vae_state.pt, appends to WORK/vae_log.csv, and leaves the running mean
of the weights, rounded as it will be stored, in WORK/vae.pt.
"""

import argparse
import math
import os

import numpy
import torch
import torch.nn.functional as F

import config
import scenes
import vae_model
from muon import Ema, Muon

SMALL_CROP_PX = 64
SMALL_CROP_SHARE = 0.65  # of the steps; the rest see whole frames
NEAR_OBJECT = 0.75  # share of the small crops that are centred near the object
MUON_LR, ADAM_LR, WARM_UP_STEPS = 1.5e-3, 6e-4, 60
REPORT_EVERY = 100
HELD_BACK = 16  # clips that measure the reconstruction
HELD_BACK_SEED = 20_000_000


def clips_of(work: str, count: int) -> numpy.ndarray:
    path = os.path.join(work, "vae_clips.npy")
    if not (os.path.exists(path) and len(numpy.load(path, mmap_mode="r")) == count):
        _, clips = scenes.training_clips(scenes.Renderer(work), 0, count)
        numpy.save(path + ".part.npy", clips)
        os.replace(path + ".part.npy", path)
    return numpy.load(path, mmap_mode="r")


def object_pixels(clips: torch.Tensor) -> numpy.ndarray:
    """Sixteen (y, x) on the object in each of five frames: int64 [clips, 5, 16, 2]. Floor and sky vary by row only."""
    frames = clips[:, ::8].float()
    distance = (frames - frames.median(3, keepdim=True)[0]).abs().sum(-1)
    weights = (distance > 60).flatten(2).float() + 1e-7
    pixels = torch.multinomial(weights.flatten(0, 1), 16).view(len(clips), -1, 16)
    return torch.stack([pixels // scenes.SIZE_PX, pixels % scenes.SIZE_PX], -1).cpu().numpy()


class Crops:
    def __init__(self, clips: numpy.ndarray, device, seed: int):
        self.device, self.rng = device, numpy.random.default_rng(seed)
        self.clips = torch.empty(clips.shape, dtype=torch.uint8, device=device)
        self.objects = []
        for first in range(0, len(clips), 64):
            part = torch.from_numpy(numpy.array(clips[first:first + 64])).to(device)
            self.clips[first:first + len(part)] = part
            self.objects.append(object_pixels(part))
        self.objects = numpy.concatenate(self.objects)

    def batch(self, size_px: int, count: int):
        limit = scenes.SIZE_PX - size_px
        crops = []
        for _ in range(count):
            i = self.rng.integers(len(self.clips))
            if self.rng.random() < NEAR_OBJECT:
                centre = self.objects[i, self.rng.integers(5), self.rng.integers(16)]
                shift = self.rng.integers(-size_px // 4, size_px // 4 + 1, 2)
                y, x = numpy.clip(centre - size_px // 2 + shift, 0, limit)
            else:
                y, x = self.rng.integers(0, limit + 1, 2)
            crop = self.clips[i, :, y:y + size_px, x:x + size_px]
            crops.append(crop.flip(2) if self.rng.random() < 0.5 else crop)
        return vae_model.to_model(torch.stack(crops), self.device)


def loss_of(vae, clips):
    """Loss, and [L1, gradient L1, KL, mean squared error]."""
    mean, log_variance = vae.encode(clips.to(config.DTYPE))
    latents = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
    error = vae.decode(latents.to(config.DTYPE)) - clips
    l1, squared = error.abs().mean(), (error * error).mean()
    gradient = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    divergence = 0.5 * (mean * mean + log_variance.exp() - 1 - log_variance).mean()
    flat_colour = F.avg_pool3d(error, (1, 8, 8)).abs().mean()
    loss = l1 + 0.5 * squared.sqrt() + 1.5 * flat_colour + 0.5 * gradient + 3e-4 * divergence
    return loss, torch.stack([l1, gradient, divergence, squared]).detach()


def psnr(mean_squared_error: float) -> float:
    return 10 * math.log10(4 / mean_squared_error)  # values span -1…1


@torch.no_grad()
def held_back_psnr(vae, work: str, device, count: int) -> float:
    _, clips = scenes.training_clips(scenes.Renderer(work), HELD_BACK_SEED, count)
    values = []
    for clip in clips:
        x = vae_model.to_model(clip[None], device)
        y = vae.decode(vae.encode(x.to(config.DTYPE))[0].to(config.DTYPE)).clamp(-1, 1)
        values.append(psnr((y - x).square().mean().item()))
    return sum(values) / len(values)


def train(work, clips=1600, steps=3333, batch=16, full_batch=5, minutes=None, small_crop=SMALL_CROP_PX,
          report_every=REPORT_EVERY, held_back=HELD_BACK) -> bool:
    """True when all steps are done."""
    config.set_up_torch()
    device, time_slice = config.device(), config.Slice(minutes)
    os.makedirs(work, exist_ok=True)
    state_path = os.path.join(work, "vae_state.pt")
    torch.manual_seed(0)
    vae = vae_model.Vae()
    vae.initialise()
    vae.to(device)
    named = list(vae.named_parameters())
    parameters = [p for _, p in named]
    optimizer = Muon(named, MUON_LR, ADAM_LR, lambda name, p: p.dim() >= 2 and "gamma" not in name)
    ema = Ema(parameters)
    step = 0
    if os.path.exists(state_path):
        state = torch.load(state_path, map_location=device, weights_only=True)
        vae.load_state_dict(state["weights"])
        optimizer.load_state_dict(state["optimizer"])
        ema.load(state["ema"])
        step = state["step"]
    torch.manual_seed(1 + step)
    if device.type == "cuda":
        vae_model.use_compile()
    crops = Crops(clips_of(work, clips), device, seed=step)

    def save():
        config.save(state_path, {"weights": vae.state_dict(), "optimizer": optimizer.state_dict(), "ema": ema.mean,
                                 "step": step})

    sums, count = torch.zeros(4, device=device), 0
    while step < steps and not time_slice.over():
        progress = step / steps
        size_px, count_px = (small_crop, batch) if progress < SMALL_CROP_SHARE else (scenes.SIZE_PX, full_batch)
        optimizer.zero_grad()
        loss, parts = loss_of(vae, crops.batch(size_px, count_px))
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0, foreach=True)
        factor = min(1, (step + 1) / WARM_UP_STEPS) * (0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * progress)))
        optimizer.step(factor)
        step += 1
        ema.update(step)
        sums, count = sums + parts, count + 1
        if step % report_every == 0 or step == steps:
            l1, gradient, divergence, squared = (sums / count).tolist()
            if not math.isfinite(squared):
                raise RuntimeError(f"VAE step {step}: the loss is not finite; run again to go on from {state_path}")
            config.log(os.path.join(work, "vae_log.csv"), step=step, crop_px=size_px, lr=round(factor, 3),
                       l1=round(l1, 4), gradient=round(gradient, 4), kl=round(divergence, 3),
                       psnr_db=round(psnr(squared), 2), gradient_norm=round(norm.item(), 2),
                       seconds=round(time_slice.seconds()))
            sums, count = torch.zeros(4, device=device), 0
        if time_slice.save_is_due():
            save()
    save()
    if step < steps:
        return False
    with torch.no_grad():
        for p, mean in zip(parameters, ema.mean):
            p.copy_(mean.bfloat16())
    config.save(os.path.join(work, "vae.pt"), {name: p.detach().bfloat16().cpu() for name, p in named})
    print(f"VAE: {step} steps, PSNR of {held_back} clips not trained on: "
          f"{held_back_psnr(vae, work, device, held_back):.2f} dB", flush=True)
    return True


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work")
    parser.add_argument("--clips", type=int, default=1600)
    parser.add_argument("--steps", type=int, default=3333)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--full-batch", type=int, default=5)
    parser.add_argument("--minutes", type=float)
    raise SystemExit(0 if train(**vars(parser.parse_args())) else 75)
