"""The whole chain, from the grammar to a model folder: every part goes on where it stopped.

    python train_all.py WORK FOLDER [--minutes M]     exit status 75: the time is over, run again
    python train_all.py WORK FOLDER --start MODEL     tune the folder MODEL: VAE and latent statistics stay
    python train_all.py WORK FOLDER --smoke           a few steps of each part on the CPU, and a clip of the result

A finished FOLDER is checked against diffusers and renders through WanPipeline.
"""

import argparse
import os
import time

import numpy
import torch

import check_parity
import config
import encode_clips
import make_tokenizer
import save_pipeline
import train_transformer
import train_vae

UNFINISHED = 75
SMOKE = {"vae": dict(clips=16, steps=4, batch=1, full_batch=1, small_crop=32, report_every=1, held_back=1),
         "encode": dict(clips=16), "transformer": dict(steps=3, batch=2, report_every=1)}


def render(folder: str, prompt: str, steps: int) -> numpy.ndarray:
    """Frames float32 [F, H, W, 3] in 0…1."""
    from diffusers import WanPipeline
    pipeline = WanPipeline.from_pretrained(folder, dtype=config.DTYPE)
    pipeline.to(config.device())
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(prompt=prompt, width=128, height=128, num_frames=33, num_inference_steps=steps, guidance_scale=4.0,
                    generator=torch.Generator().manual_seed(0), output_type="np").frames[0]


def tune(work: str, folder: str, start: str, left, encode={"clips": 40960},
         transformer={"teach": 1500, "rate": 0.8, "steps": 14000}) -> bool:
    """True when FOLDER is there."""
    if not os.path.exists(os.path.join(work, "tokenizer", "spiece.model")):
        make_tokenizer.make(work)
    if not encode_clips.encode(work, start=start, **encode, **left()):
        return False
    if not train_transformer.train(work, start=start, **transformer, **left()):
        return False
    save_pipeline.save(work, folder)
    check_parity.check(folder)
    return True


def run(work: str, folder: str, smoke: bool, start: str | None, minutes: float | None) -> int:
    os.makedirs(work, exist_ok=True)
    started = time.monotonic()

    def left():
        return {} if minutes is None else {"minutes": minutes - (time.monotonic() - started) / 60}

    if start:
        return 0 if tune(work, folder, start, left) else UNFINISHED
    sizes = SMOKE if smoke else {"vae": {}, "encode": {}, "transformer": {}}
    if not os.path.exists(os.path.join(work, "tokenizer", "spiece.model")):
        make_tokenizer.make(work)
    if smoke:  # stops once, so that going on from a checkpoint is seen to work
        train_vae.train(work, **{**SMOKE["vae"], "steps": 2})
        os.remove(os.path.join(work, "vae.pt"))
    if not os.path.exists(os.path.join(work, "vae.pt")) and not train_vae.train(work, **sizes["vae"], **left()):
        return UNFINISHED
    if not os.path.exists(os.path.join(work, "statistics.json")) and not encode_clips.encode(work, **sizes["encode"], **left()):
        return UNFINISHED
    if smoke:
        train_transformer.train(work, **{**SMOKE["transformer"], "steps": 1})
    if not train_transformer.train(work, **sizes["transformer"], **left()):
        return UNFINISHED
    save_pipeline.save(work, folder)
    check_parity.check(folder)
    frames = render(folder, "a red sphere bouncing on a green floor", 2 if smoke else 12)
    if frames.shape != (33, 128, 128, 3) or not numpy.isfinite(frames).all():
        raise RuntimeError(f"the pipeline rendered {frames.shape}, finite: {numpy.isfinite(frames).all()}")
    if smoke:
        tune(os.path.join(work, "tune"), os.path.join(work, "tuned"), folder, left, encode=SMOKE["encode"],
             transformer={**SMOKE["transformer"], "teach": 2})
    print(f"{folder}: a WanPipeline that renders; {time.monotonic() - started:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work")
    parser.add_argument("folder")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--start")
    parser.add_argument("--minutes", type=float)
    arguments = parser.parse_args()
    raise SystemExit(run(arguments.work, arguments.folder, arguments.smoke, arguments.start, arguments.minutes))
