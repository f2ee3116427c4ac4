"""Averages the weights of runs that began with one another's weights ("model soup", arXiv 2203.05482): what one of them forgot,
the others keep.

    python average_weights.py OUT MODEL MODEL …       OUT: a copy of the first model folder with the mean weights of all
"""

import argparse
import glob
import os
import shutil

from safetensors.torch import load_file, save_file

PARTS = ("transformer", "text_encoder")


def average(out: str, models: list[str]):
    if os.path.exists(out):
        raise SystemExit(f"{out} is there already; name another folder")
    shutil.copytree(models[0], out)
    for part in PARTS:
        names = sorted(os.path.basename(p) for p in glob.glob(os.path.join(glob.escape(out), part, "*.safetensors")))
        for name in names:
            weights = [load_file(os.path.join(model, part, name)) for model in models]
            if any({k: v.shape for k, v in w.items()} != {k: v.shape for k, v in weights[0].items()} for w in weights):
                raise SystemExit(f"{part}/{name} differs in its tensors between {', '.join(models)}: only runs of one model average")
            mean = {k: (sum(w[k].double() for w in weights) / len(models)).to(v.dtype) for k, v in weights[0].items()}
            save_file(mean, os.path.join(out, part, name), metadata={"format": "pt"})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("models", nargs="+", metavar="MODEL")
    arguments = parser.parse_args()
    average(arguments.out, arguments.models)
