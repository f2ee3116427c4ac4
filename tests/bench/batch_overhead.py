"""What a batch costs beside its denoising: 12 small Toybox jobs in one file against 12 `sparge generate` calls.

usage: python3 tests/bench/batch_overhead.py [PROGRAM] [JOBS]

Prints seconds of both, and of the batch: its start (that of one job alone, less its stages), and per job denoising, all
stages, and the rest: what the batch itself adds, as a share of denoising.
"""
import json, os, pathlib, subprocess, sys, tempfile, time

root = pathlib.Path(__file__).resolve().parents[2]
program = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else str(root / "build/bin/sparge")
jobs = int(sys.argv[2]) if len(sys.argv) > 2 else 12
model, prompt, steps = str(root / "assets/toybox"), "a red sphere bouncing on a gray floor", 16


def timed(args, cwd):
    start = time.monotonic()
    subprocess.run([program, *args], cwd=cwd, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - start


with tempfile.TemporaryDirectory() as folder:
    size = {"width": 64, "height": 64, "frames": 17, "steps": steps}
    flags = [part for key, value in size.items() for part in (f"--{key}", str(value))]
    single = sum(timed(["generate", "--model", model, "--prompt", prompt, *flags, "--seed", str(seed), "--out", f"one{seed}.mp4"], folder)
                 for seed in range(1, jobs + 1))

    def batch_of(count, name):
        pathlib.Path(folder, name + ".yaml").write_text(json.dumps({
            "version": 1, "defaults": {"model": model, "prompt": prompt, **size, "out": name + "/{seed}.mp4"},
            "jobs": [{"name": "bench", "matrix": {"seed": list(range(1, count + 1))}}]}))
        seconds = timed(["render", name + ".yaml"], folder)
        stages = {"denoise": 0.0, "all": 0.0}
        for path in pathlib.Path(folder, name).glob("*.json"):
            times = json.loads(path.read_text())["timings_s"]
            stages["denoise"] += times["denoise"]
            stages["all"] += sum(times[key] for key in ("load", "encode_prompt", "denoise", "decode", "write"))
        return seconds, stages

    first, of_first = batch_of(1, "first")
    start_up = first - of_first["all"]
    batch, stages = batch_of(jobs, "all")
    rest = (batch - stages["all"] - start_up) / jobs  # writing overlaps denoising: it may be below zero
    denoise = stages["denoise"] / jobs
    print(f"{jobs} jobs: {jobs} x sparge generate {single:.2f} s, one sparge render {batch:.2f} s ({single / batch:.2f} x)")
    print(f"of the batch: start {start_up:.2f} s; a job: denoising {denoise:.3f} s, all stages {stages['all'] / jobs:.3f} s, "
          f"the rest {rest * 1000:.1f} ms = {100 * rest / denoise:.1f} % of denoising")
