#!/usr/bin/env python3
"""Compares two steps of `sparge` with diffusers on a model folder with real weights.

  python scripts/verify_model.py MODEL [--program build/bin/sparge] [--width 832 --height 480 --frames 5] [--steps 2] [--device cpu]
Both render in float32 on the same noise. Exit status 0: latents within 1e-4 of their standard deviation, frames within 1e-4
(docs/interfaces.md); on CUDA the bounds are 1e-2, for its matrix products round differently from run to run.
Packages: tests/golden/requirements.txt. Memory: the whole model in float32 for diffusers, one component at a time for sparge.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from diffusers import WanPipeline
from safetensors.numpy import load_file


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--program", default="build/bin/sparge")
    parser.add_argument("--prompt", default="A cat walks on the grass, realistic style.")
    parser.add_argument("--negative-prompt", default="blurred, low quality")
    for name, value in (("width", 832), ("height", 480), ("frames", 5), ("steps", 2), ("seed", 0), ("max-sequence-length", 512)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--guidance", type=float, default=5.0)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "ours.safetensors"
        settings = {"model": args.model, "prompt": args.prompt, "negative-prompt": args.negative_prompt, "width": args.width, "height": args.height,
                    "frames": args.frames, "steps": args.steps, "seed": args.seed, "guidance": args.guidance, "max-sequence-length": args.max_sequence_length,
                    "dtype": "float32", "device": args.device, "attention": "dense", "out": out, "sidecar": "off"}
        command = [args.program, "generate"] + [f"--{key}={value}" for key, value in settings.items()]
        if subprocess.run(command).returncode != 0:
            sys.exit("sparge did not render")
        ours = load_file(out)

    pipe = WanPipeline.from_pretrained(args.model, torch_dtype=torch.float32).to(args.device)
    call = dict(prompt=args.prompt, negative_prompt=args.negative_prompt, width=args.width, height=args.height, num_frames=args.frames,
                num_inference_steps=args.steps, guidance_scale=args.guidance, max_sequence_length=args.max_sequence_length)
    latents = pipe(**call, generator=torch.Generator("cpu").manual_seed(args.seed), output_type="latent").frames[0].float().cpu().numpy()
    frames = pipe(**call, generator=torch.Generator("cpu").manual_seed(args.seed), output_type="np").frames[0]

    bound = 1e-4 if args.device == "cpu" else 1e-2
    worst_latent = np.abs(ours["latents"] - latents).max() / latents.std()
    worst_frame = np.abs(ours["frames"] - frames).max()
    print(f"latents: largest difference {worst_latent:.2e} of their standard deviation (bound {bound:.0e})")
    print(f"frames:  largest difference {worst_frame:.2e} (bound {bound:.0e})")
    sys.exit(0 if worst_latent <= bound and worst_frame <= bound else 1)


if __name__ == "__main__":
    main()
