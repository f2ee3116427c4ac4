"""Times diffusers' WanPipeline on a model folder, stage by stage, as `sparge bench pipeline` times ours: the same table.

  python peer_diffusers.py MODEL [--prompt TEXT] [--width 128 --height 128 --frames 33 --steps 16 --guidance 4] [--dtype bfloat16]
                           [--repeat 3] [--threads 2] [--csv FILE]
Packages: tests/golden/requirements.txt. Writing a video is left out: diffusers leaves that to other tools.
"""
import argparse
import csv
import resource
import statistics
import time

import torch
from diffusers import WanPipeline


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--prompt", default="a red sphere bouncing on a gray floor")
    parser.add_argument("--negative-prompt", default="")
    for name, value in (("width", 128), ("height", 128), ("frames", 33), ("steps", 16), ("max-sequence-length", 512), ("repeat", 3), ("threads", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--dtype", default="bfloat16", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--csv")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)

    begin = time.perf_counter()
    pipe = WanPipeline.from_pretrained(args.model, torch_dtype=getattr(torch, args.dtype)).to(args.device)
    pipe.set_progress_bar_config(disable=True)
    load = time.perf_counter() - begin
    rows = {"load": [load], "encode prompt": [], "step": [], "denoise": [], "decode": [], "total": []}
    sync = torch.cuda.synchronize if args.device.startswith("cuda") else lambda: None

    for _ in range(args.repeat):
        marks = []

        def on_step(pipe_, step, timestep, tensors):
            sync()
            marks.append(time.perf_counter())
            return tensors

        start = time.perf_counter()
        with torch.no_grad():
            embeds, negative = pipe.encode_prompt(args.prompt, args.negative_prompt, args.guidance > 1, max_sequence_length=args.max_sequence_length)
            sync()
            encoded = time.perf_counter()
            latents = pipe(prompt_embeds=embeds, negative_prompt_embeds=negative, height=args.height, width=args.width, num_frames=args.frames,
                           num_inference_steps=args.steps, guidance_scale=args.guidance, max_sequence_length=args.max_sequence_length,
                           generator=torch.Generator("cpu").manual_seed(0), output_type="latent", callback_on_step_end=on_step).frames
            denoised = time.perf_counter()
            vae = pipe.vae
            mean = torch.tensor(vae.config.latents_mean).view(1, -1, 1, 1, 1).to(latents.device, vae.dtype)
            std = 1.0 / torch.tensor(vae.config.latents_std).view(1, -1, 1, 1, 1).to(latents.device, vae.dtype)
            video = vae.decode(latents.to(vae.dtype) / std + mean, return_dict=False)[0]
            pipe.video_processor.postprocess_video(video, output_type="np")
            sync()
        end = time.perf_counter()
        rows["encode prompt"].append(encoded - start)
        rows["denoise"].append(denoised - encoded)
        rows["step"] += [b - a for a, b in zip([encoded] + marks[:-1], marks)]
        rows["decode"].append(end - denoised)
        rows["total"].append(end - start)

    table = [(name, statistics.median(values), min(values), len(values)) for name, values in rows.items()]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"diffusers, {args.dtype}, {torch.get_num_threads()} threads, {args.width} x {args.height} x {args.frames}, {args.steps} steps")
    print(f"{'stage':<16}{'median s':>10}{'min s':>10}{'runs':>6}")
    for name, median, least, runs in table:
        print(f"{name:<16}{median:>10.3f}{least:>10.3f}{runs:>6}")
    print(f"peak memory {peak:.0f} MB")
    if args.csv:
        with open(args.csv, "w", newline="") as out:
            csv.writer(out).writerows([("stage", "median_s", "min_s", "runs"), *table, ("peak_memory_mb", peak, peak, 1)])


if __name__ == "__main__":
    main()
