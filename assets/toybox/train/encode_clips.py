"""Renders the training clips and keeps their latents: the clips themselves are never stored.

    python encode_clips.py WORK [--clips 24000] [--start FOLDER] [--minutes M]

Reads WORK/vae.pt; writes WORK/latents/NNNNN.pt, a shard of 256 clips each (those that are there are kept), and when all are
there WORK/statistics.json: mean and standard deviation of every latent channel, for the VAE's config. With --start, the VAE
and the statistics are those of the model folder, and both files are there before the first shard: train_transformer.py
may run beside this.
"""

import argparse
import json
import os
from concurrent.futures import ThreadPoolExecutor

import torch

import config
import scenes
import vae_model

SHARD = 256
BATCH = 16


def load_vae(work: str, device) -> vae_model.Vae:
    vae = vae_model.Vae()
    vae.load_state_dict({k: v.float() for k, v in torch.load(os.path.join(work, "vae.pt"), weights_only=True).items()})
    return vae.to(device).requires_grad_(False)


def take_vae(work: str, folder: str):
    """WORK/vae.pt from the VAE of a model folder."""
    config.save(os.path.join(work, "vae.pt"), config.read_weights(os.path.join(folder, "vae")))


def shard_path(work: str, shard: int) -> str:
    return os.path.join(work, "latents", f"{shard:05d}.pt")


@torch.no_grad()
def encode(work, clips=24000, start=None, minutes=None) -> bool:
    """True when all shards are there."""
    config.set_up_torch()
    device, time_slice = config.device(), config.Slice(minutes)
    os.makedirs(os.path.join(work, "latents"), exist_ok=True)
    if start:
        take_vae(work, start)
        keep_statistics(work, clips, start)
    vae, renderer = load_vae(work, device), scenes.Renderer(work)
    missing = [s for s in range((clips + SHARD - 1) // SHARD) if not os.path.exists(shard_path(work, s))]

    def render(shard):
        first = shard * SHARD
        return scenes.training_clips(renderer, first, min(SHARD, clips - first))

    with ThreadPoolExecutor(1) as ahead:  # renders the next shard while this one is encoded
        coming = ahead.submit(render, missing[0]) if missing else None
        for i, shard in enumerate(missing):
            codes, pixels = coming.result()
            if time_slice.over():
                return False
            if i + 1 < len(missing):
                coming = ahead.submit(render, missing[i + 1])
            latents = [vae.encode(vae_model.to_model(pixels[j:j + BATCH], device).to(config.DTYPE))[0].half().cpu()
                       for j in range(0, len(pixels), BATCH)]
            config.save(shard_path(work, shard), {"codes": torch.from_numpy(codes), "latents": torch.cat(latents)})
            print(f"encoded shard {shard}, {time_slice.seconds():.0f} s", flush=True)
    if not start:
        write_statistics(work, clips)
    return True


def keep_statistics(work: str, clips: int, folder: str):
    with open(os.path.join(folder, "vae", "config.json")) as file:
        settings = json.load(file)
    with open(os.path.join(work, "statistics.json"), "w") as file:
        json.dump({"clips": clips, "mean": settings["latents_mean"], "std": settings["latents_std"]}, file)


def write_statistics(work: str, clips: int):
    channels = config.VAE["z_dim"]
    total, squares, count = torch.zeros(channels, dtype=torch.float64), torch.zeros(channels, dtype=torch.float64), 0
    for shard in range((clips + SHARD - 1) // SHARD):
        values = torch.load(shard_path(work, shard), weights_only=True)["latents"].double().transpose(0, 1).flatten(1)
        total, squares, count = total + values.sum(1), squares + values.square().sum(1), count + values.shape[1]
    mean = total / count
    with open(os.path.join(work, "statistics.json"), "w") as file:
        json.dump({"clips": clips, "mean": mean.tolist(), "std": (squares / count - mean**2).sqrt().tolist()}, file)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work")
    parser.add_argument("--clips", type=int, default=24000)
    parser.add_argument("--start")
    parser.add_argument("--minutes", type=float)
    raise SystemExit(0 if encode(**vars(parser.parse_args())) else 75)
