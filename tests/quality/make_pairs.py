"""Writes pairs.json: 100 prompts and seeds drawn at random from the combinations that training never shows; swaps.json:
80 where one of green and blue is the object's colour and the other the floor's, in four groups of 20; and stills.json:
102 held-out scenes at rest in every order of words, 60 of two objects, 12 in each relation, and 42 of one object, 7 before each
move of the camera.

    python tests/quality/make_pairs.py

The draws are fixed by their seeds and are not to be tuned: every valid scene, wording and noise seed can come up.
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
SWAPS_DRAW_SEED = 11
SWAPS_A_GROUP = 20
STILLS_DRAW_SEED = 12
STILLS_OF_A_KIND = {"two objects": 12, "camera": 7}


def write(name: str, pairs: list[dict]):
    with open(os.path.join(HERE, name), "w") as file:
        file.write("[\n" + ",\n".join("  " + json.dumps(pair) for pair in pairs) + "\n]\n")


def described(scene: grammar.Scene, fields) -> dict:
    return {field: getattr(scene, field) for field in fields}


def make_pairs() -> list[dict]:
    rng = numpy.random.default_rng(DRAW_SEED)
    pairs = []
    for _ in range(PAIRS):
        scene = grammar.sample_held_out_scene(rng)
        pairs.append({"prompt": grammar.sample_caption(scene, rng), "seed": int(rng.integers(2**31)),
                      **described(scene, grammar.MOVING_FIELDS)})
    return pairs


def make_swaps() -> list[dict]:
    rng = numpy.random.default_rng(SWAPS_DRAW_SEED)
    groups = {
        "held out, green on blue": grammar.is_held_out,
        "trained, green on blue": lambda scene: scene.colour == "green" and not grammar.is_held_out(scene),
        "trained, blue on green": lambda scene: scene.colour == "blue" and not grammar.is_held_out(scene),
        "other orders": lambda scene: True,
    }
    pairs = []
    for group, belongs in groups.items():
        for i in range(SWAPS_A_GROUP):
            scene = grammar.sample_scene(rng)
            while not (grammar.has_shared_colours(scene) and belongs(scene)):
                scene = grammar.sample_scene(rng)
            order = 1 + i % (len(grammar.ORDERS) - 1) if group == "other orders" else 0
            prompt = grammar.caption(scene, rng.integers(grammar.MOTION_WORDINGS), rng.integers(grammar.SKY_WORDINGS), order)
            pairs.append({"prompt": prompt, "seed": int(rng.integers(2**31)),
                          **described(scene, grammar.MOVING_FIELDS), "group": group})
    return pairs


def make_stills() -> list[dict]:
    rng = numpy.random.default_rng(STILLS_DRAW_SEED)
    stills = []
    kinds = {"two objects": ("relation", grammar.RELATIONS[1:]), "camera": ("camera", grammar.CAMERAS)}
    for group, (attribute, values) in kinds.items():
        for value in values * STILLS_OF_A_KIND[group]:
            scene = grammar.sample_still_scene(rng, group == "two objects")
            while not (getattr(scene, attribute) == value and grammar.is_held_out(scene)):
                scene = grammar.sample_still_scene(rng, group == "two objects")
            stills.append({"prompt": grammar.sample_training_caption(scene, rng), "seed": int(rng.integers(2**31)),
                           **described(scene, grammar.Scene._fields), "group": group})
    return stills


if __name__ == "__main__":
    write("pairs.json", make_pairs())
    write("swaps.json", make_swaps())
    write("stills.json", make_stills())
