"""Makes tests/golden/data/vae_tiling.safetensors: what diffusers' AutoencoderKLWan decodes in tiles (enable_tiling()).

Of every pipeline named here, NAME.size [3] (latent frames, height, width; the latents are torch.randn of seed 1 in that
shape) and NAME.sampled: every 6th row and column of the decoded frames [1, 3, F, H, W], and NAME.mean of them all.
Run with the packages of requirements.txt, after make_pipeline_goldens.py.
"""
import pathlib

import torch
from diffusers import AutoencoderKLWan
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).parent / "data"
# Two tiles each way; three, the last 2 latent pixels wide; two, by a factor of 2 in time.
SIZES = {"unipc_deep": (2, 42, 34), "unipc_patch_t": (2, 70, 98), "unipc_bh1_half": (3, 140, 130)}


@torch.no_grad()
def main():
    tensors = {}
    for name, size in SIZES.items():
        vae = AutoencoderKLWan.from_pretrained(OUT / "pipelines" / name / "vae", torch_dtype=torch.float32).eval()
        latents = torch.randn(1, vae.config.z_dim, *size, generator=torch.Generator().manual_seed(1))
        vae.enable_tiling()
        tiled = vae.decode(latents, return_dict=False)[0]
        vae.disable_tiling()
        whole = vae.decode(latents, return_dict=False)[0]
        print(name, tuple(tiled.shape), "tiled against whole: max", (tiled - whole).abs().max().item())
        tensors[name + ".size"] = torch.tensor(size)
        tensors[name + ".sampled"] = tiled[..., ::6, ::6].contiguous()
        tensors[name + ".mean"] = tiled.double().mean().float()[None]
    save_file(tensors, OUT / "vae_tiling.safetensors")


if __name__ == "__main__":
    main()
