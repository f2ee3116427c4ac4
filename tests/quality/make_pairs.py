"""Writes pairs.json: 100 prompts and seeds drawn at random from the combinations that training never shows.

    python tests/quality/make_pairs.py

The draw is fixed by its seed and is not to be tuned: every valid held-out scene, wording and noise seed can come up.
"""

import json
import os
import sys

import numpy

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "assets", "toybox", "train"))
import grammar  # noqa: E402

DRAW_SEED = 20261123
PAIRS = 100


def main():
    rng = numpy.random.default_rng(DRAW_SEED)
    pairs = []
    for _ in range(PAIRS):
        scene = grammar.sample_held_out_scene(rng)
        pairs.append({"prompt": grammar.sample_caption(scene, rng), "seed": int(rng.integers(2**31)),
                      **scene._asdict()})
    with open(os.path.join(HERE, "pairs.json"), "w") as file:
        file.write("[\n" + ",\n".join("  " + json.dumps(pair) for pair in pairs) + "\n]\n")


if __name__ == "__main__":
    main()
