"""What Toybox can be asked for: the words, which combinations exist, which are kept out of training, and the captions.

One scene has five attributes. Their order here is the order of the indices in clips, captions and renderer.c.
"""

from typing import NamedTuple

SHAPES = ("sphere", "cube", "cylinder", "cone")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple")
FLOORS = ("gray", "green", "blue", "pink", "brown")
MOTIONS = ("right", "left", "bounce", "grow", "shrink", "spin", "circle")
SKIES = ("day", "sunset", "night")
ATTRIBUTES = (SHAPES, COLOURS, FLOORS, MOTIONS, SKIES)

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
# A scene by day mostly goes without saying so.
SKY_PHRASES = {
    "day": ("", " by day", ""),
    "sunset": (" at sunset", " in the evening"),
    "night": (" at night", " in the dark"),
}
# Sampling weights: half of the scenes are by day.
SKY_DRAW = ("day", "day", "sunset", "night")

# The orders of a sentence, and the share of the training's captions in each: what a colour belongs to is to be read from
# the noun beside it, not from its place in the sentence.
ORDERS = ("{object} on {floor}{sky}", "on {floor}{sky}, {object}", "on {floor}, {object}{sky}",
          "{sky}, {object} on {floor}")
ORDER_DRAW = (0.5, 0.2, 0.2, 0.1)
# The colours that both an object and a floor can have; a share of the training's scenes has two of them.
SHARED_COLOURS = tuple(colour for colour in COLOURS if colour in FLOORS)
SHARED_COLOURS_SHARE = 0.25

MOTION_WORDINGS = 2
SKY_WORDINGS = 6  # a multiple of every length in SKY_PHRASES, so that wording % length is uniform


class Scene(NamedTuple):
    shape: str
    colour: str
    floor: str
    motion: str
    sky: str

    def codes(self) -> tuple[int, ...]:
        return tuple(values.index(value) for values, value in zip(ATTRIBUTES, self))


def is_valid(scene: Scene) -> bool:
    """An object never has its floor's colour name, and a sphere's spin could not be seen."""
    return scene.colour != scene.floor and not (scene.shape == "sphere" and scene.motion == "spin")


def is_held_out(scene: Scene) -> bool:
    """A tenth of the (shape, colour, motion) combinations, never shown in training."""
    shape, colour, _, motion, _ = scene.codes()
    return (6 * shape + colour + 5 * motion) % 10 == 3


def sample_scene(rng) -> Scene:
    """Draws a valid scene; `rng` is a numpy Generator."""
    while True:
        scene = Scene(*(values[rng.integers(len(values))] for values in (SHAPES, COLOURS, FLOORS, MOTIONS, SKY_DRAW)))
        if is_valid(scene):
            return scene


def has_shared_colours(scene: Scene) -> bool:
    """Only the order of the words tells which colour is the object's and which the floor's."""
    return scene.colour in SHARED_COLOURS and scene.floor in SHARED_COLOURS


def sample_training_scene(rng) -> Scene:
    """One scene in four has shared colours; among those every shape is as often of one colour as of the other."""
    if rng.random() < SHARED_COLOURS_SHARE:
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


def caption(scene: Scene, motion_wording: int, sky_wording: int, order: int = 0) -> str:
    def with_article(word: str) -> str:
        return ("an " if word[0] in "aeiou" else "a ") + word

    phrases = MOTION_PHRASES[scene.motion]
    motion = phrases[motion_wording % len(phrases)]
    if scene.shape != "sphere":
        motion = motion.replace("rolling", "sliding")
    skies = SKY_PHRASES[scene.sky]
    sky = skies[sky_wording % len(skies)]
    text = ORDERS[order].format(object=f"{with_article(scene.colour)} {scene.shape} {motion}",
                                floor=f"{with_article(scene.floor)} floor", sky=sky)
    return text.removeprefix(", ").strip()


def sample_caption(scene: Scene, rng) -> str:
    return caption(scene, rng.integers(MOTION_WORDINGS), rng.integers(SKY_WORDINGS))


def all_scenes():
    for shape in SHAPES:
        for colour in COLOURS:
            for floor in FLOORS:
                for motion in MOTIONS:
                    for sky in SKIES:
                        yield Scene(shape, colour, floor, motion, sky)


def all_captions() -> list[str]:
    """Every caption of every valid scene, once each, sorted."""
    return sorted({caption(scene, m, s, o) for scene in all_scenes() if is_valid(scene)
                   for m in range(MOTION_WORDINGS) for s in range(SKY_WORDINGS) for o in range(len(ORDERS))})


def all_words() -> list[str]:
    return sorted({word for text in all_captions() for word in text.replace(",", " ").split()})
