"""What Toybox can be asked for: the words, which combinations exist, which are kept out of training, and the captions.

There are three kinds of scenes: one object that moves; one object at rest, filmed by a camera that may move; two objects
at rest in a spatial relation, before which the camera may zoom. The order of the attributes here is the order of the
indices in clips, captions and renderer.c.
"""

import itertools
from typing import NamedTuple

import numpy

SHAPES = ("sphere", "cube", "cylinder", "cone")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple")
FLOORS = ("gray", "green", "blue", "pink", "brown")
MOTIONS = ("right", "left", "bounce", "grow", "shrink", "spin", "circle")
SKIES = ("day", "sunset", "night")
STILL = "still"
CAMERAS = ("rest", "orbit", "zoom in", "zoom out", "pan right", "pan left")
PAIR_CAMERAS = ("rest", "zoom in", "zoom out")
RELATIONS = ("alone", "left", "right", "front", "behind", "top")  # the first object's to the second
NONE = "none"
ATTRIBUTES = (SHAPES, COLOURS, FLOORS, MOTIONS + (STILL,), SKIES, CAMERAS, RELATIONS, (NONE,) + SHAPES, (NONE,) + COLOURS)
# What another object can stand on.
FLAT_SHAPES = ("cube", "cylinder")

# "rolling" becomes "sliding" for everything but a sphere.
MOTION_PHRASES = {
    "right": ("rolling to the right", "moving right"),
    "left": ("rolling to the left", "moving left"),
    "bounce": ("bouncing", "bouncing up and down"),
    "grow": ("growing", "getting bigger"),
    "shrink": ("shrinking", "getting smaller"),
    "spin": ("spinning", "tumbling in the air"),
    "circle": ("circling", "moving in a circle"),
}
CAMERA_PHRASES = {
    "rest": ("", ""),
    "orbit": (", the camera orbiting", ", the camera orbits"),
    "zoom in": (", the camera zooming in", ", the camera zooms in"),
    "zoom out": (", the camera zooming out", ", the camera zooms out"),
    "pan right": (", the camera panning right", ", the camera pans right"),
    "pan left": (", the camera panning left", ", the camera pans left"),
}
RELATION_PHRASES = {
    "left": ("left of", "to the left of"),
    "right": ("right of", "to the right of"),
    "front": ("in front of", "in front of"),
    "behind": ("behind", "behind"),
    "top": ("on top of", "on top of"),
}
# A scene by day mostly goes without saying so.
SKY_PHRASES = {
    "day": ("", " by day", ""),
    "sunset": (" at sunset", " in the evening"),
    "night": (" at night", " in the dark"),
}
# Sampling weights: half of the scenes are by day.
SKY_DRAW = ("day", "day", "sunset", "night")

# The orders of a sentence (what the camera does comes last), and the share of the training's captions in each: what a
# colour belongs to is to be read from the noun beside it, not from its place in the sentence.
ORDERS = ("{object} on {floor}{sky}", "on {floor}{sky}, {object}", "on {floor}, {object}{sky}",
          "{sky}, {object} on {floor}")
ORDER_DRAW = (0.5, 0.2, 0.2, 0.1)
# The colours that both an object and a floor can have; a share of the training's scenes has two of them.
SHARED_COLOURS = tuple(colour for colour in COLOURS if colour in FLOORS)
SHARED_COLOURS_SHARE = 0.25

# The kinds of the training's scenes.
PAIR_SHARE, FILMED_SHARE = 0.34, 0.15

MOTION_WORDINGS = 2  # also of a relation and of the camera's move
SKY_WORDINGS = 6  # a multiple of every length in SKY_PHRASES, so that wording % length is uniform


class Scene(NamedTuple):
    shape: str
    colour: str
    floor: str
    motion: str
    sky: str
    camera: str = "rest"
    relation: str = "alone"
    second_shape: str = NONE
    second_colour: str = NONE

    def codes(self) -> tuple[int, ...]:
        return tuple(values.index(value) for values, value in zip(ATTRIBUTES, self, strict=True))


MOVING_FIELDS = Scene._fields[:5]  # what tells scenes of one moving object apart


def scene_of(codes) -> Scene:
    return Scene(*(values[code] for values, code in zip(ATTRIBUTES, codes, strict=True)))


def is_valid(scene: Scene) -> bool:
    """An object never has its floor's or the other object's colour name, and a sphere's spin could not be seen."""
    if scene.colour == scene.floor:
        return False
    if scene.relation != "alone":
        return (scene.motion == STILL and scene.camera in PAIR_CAMERAS and scene.second_shape != NONE
                and scene.second_colour not in (NONE, scene.colour, scene.floor)
                and (scene.relation != "top" or scene.second_shape in FLAT_SHAPES))
    if (scene.second_shape, scene.second_colour) != (NONE, NONE):
        return False
    return scene.motion == STILL or (scene.camera == "rest" and not (scene.shape == "sphere" and scene.motion == "spin"))


def is_held_out(scene: Scene) -> bool:
    """A tenth of the combinations, never shown in training: of (shape, colour, motion or move of the camera), and of
    (shape, colour, relation, shape, colour)."""
    shape, colour, _, motion, _, camera, relation, second_shape, second_colour = scene.codes()
    return (6 * shape + colour + 5 * (motion + relation) + (0 if relation else 5 * camera)
            + 3 * second_shape + 7 * second_colour) % 10 == 3


def sample_scene(rng) -> Scene:
    """Draws a valid scene of one moving object; `rng` is a numpy Generator."""
    while True:
        scene = Scene(*(values[rng.integers(len(values))] for values in (SHAPES, COLOURS, FLOORS, MOTIONS, SKY_DRAW)))
        if is_valid(scene):
            return scene


def has_shared_colours(scene: Scene) -> bool:
    """Only the order of the words tells which colour is the object's and which the floor's."""
    return scene.colour in SHARED_COLOURS and scene.floor in SHARED_COLOURS


def sample_still_scene(rng, pair: bool) -> Scene:
    """Draws a valid scene of one object at rest, filmed, or of two."""
    def draw(values):
        return values[rng.integers(len(values))]

    while True:
        scene = Scene(draw(SHAPES), draw(COLOURS), draw(FLOORS), STILL, draw(SKY_DRAW))
        if pair:
            scene = scene._replace(camera="rest" if rng.random() < 0.6 else draw(PAIR_CAMERAS), relation=draw(RELATIONS[1:]),
                                   second_shape=draw(SHAPES), second_colour=draw(COLOURS))
        else:
            scene = scene._replace(camera=draw(CAMERAS))
        if is_valid(scene):
            return scene


def sample_any_scene(rng) -> Scene:
    kind = rng.random()
    return sample_scene(rng) if kind >= PAIR_SHARE + FILMED_SHARE else sample_still_scene(rng, kind < PAIR_SHARE)


def sample_training_scene(rng, pair_share: float = PAIR_SHARE) -> Scene:
    """One scene of a moving object in four has shared colours; among those every shape is as often of one colour as of
    the other."""
    kind = rng.random()
    if kind < pair_share + FILMED_SHARE:
        def draw():
            return sample_still_scene(rng, kind < pair_share)
    elif rng.random() < SHARED_COLOURS_SHARE:
        shape = SHAPES[rng.integers(len(SHAPES))]
        colour, floor = rng.permutation(SHARED_COLOURS)[:2].tolist()

        def draw():
            return sample_scene(rng)._replace(shape=shape, colour=colour, floor=floor)
    else:
        def draw():
            return sample_scene(rng)
    while True:
        scene = draw()
        if is_valid(scene) and not is_held_out(scene):
            return scene


def sample_held_out_scene(rng) -> Scene:
    while True:
        scene = sample_scene(rng)
        if is_held_out(scene):
            return scene


def caption(scene: Scene, motion_wording: int, sky_wording: int, order: int = 0, camera_wording: int = 0) -> str:
    def with_article(word: str) -> str:
        return ("an " if word[0] in "aeiou" else "a ") + word

    def choose(phrases, wording):
        return phrases[wording % len(phrases)]

    text = f"{with_article(scene.colour)} {scene.shape}"
    if scene.relation != "alone":
        relation = choose(RELATION_PHRASES[scene.relation], motion_wording)
        text += f" {relation} {with_article(scene.second_colour)} {scene.second_shape}"
    elif scene.motion != STILL:
        motion = choose(MOTION_PHRASES[scene.motion], motion_wording)
        text += " " + (motion if scene.shape == "sphere" else motion.replace("rolling", "sliding"))
    text = ORDERS[order].format(object=text, floor=f"{with_article(scene.floor)} floor",
                                sky=choose(SKY_PHRASES[scene.sky], sky_wording))
    return text.removeprefix(", ").strip() + choose(CAMERA_PHRASES[scene.camera], camera_wording)


def sample_caption(scene: Scene, rng) -> str:
    """In the usual order, and with the camera's move in its first wording."""
    return caption(scene, rng.integers(MOTION_WORDINGS), rng.integers(SKY_WORDINGS))


def sample_training_caption(scene: Scene, rng) -> str:
    return caption(scene, rng.integers(MOTION_WORDINGS), rng.integers(SKY_WORDINGS),
                   rng.choice(len(ORDERS), p=ORDER_DRAW), rng.integers(MOTION_WORDINGS))


def moving_captions() -> list[str]:
    """Every caption of every moving object, once each, sorted."""
    scenes = (Scene(*words) for words in itertools.product(SHAPES, COLOURS, FLOORS, MOTIONS, SKIES))
    return sorted({caption(scene, m, s, o) for scene in scenes if is_valid(scene) for m in range(MOTION_WORDINGS)
                   for s in range(SKY_WORDINGS) for o in range(len(ORDERS))})


def some_captions() -> list[str]:
    """Every caption of every moving object, and 20,000 of the other kinds, too many for all."""
    rng = numpy.random.default_rng(1)
    return moving_captions() + [sample_training_caption(sample_still_scene(rng, pair), rng)
                                for pair in (True, False) for _ in range(10000)]


def words_of(captions: list[str]) -> list[str]:
    return sorted({word for text in captions for word in text.replace(",", " ").split()})


def all_words() -> list[str]:
    return words_of(some_captions())
