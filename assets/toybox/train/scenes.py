"""Clips of scenes: builds renderer.c once and calls it through ctypes (which leaves the GIL, so threads render in parallel)."""

import ctypes
import hashlib
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy

import grammar

FRAMES = 33
SIZE_PX = 128
SAMPLES = 2  # rays a pixel, along each axis
HERE = os.path.dirname(os.path.abspath(__file__))


class Renderer:
    def __init__(self, work: str):
        """Compiles renderer.c into the folder `work` unless that very source has been compiled there."""
        source = os.path.join(HERE, "renderer.c")
        with open(source, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()[:12]
        library = os.path.abspath(os.path.join(work, f"renderer-{digest}.so"))
        if not os.path.exists(library):
            os.makedirs(work, exist_ok=True)
            aside = f"{library}.{os.getpid()}"
            subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-O3", "-march=native", "-ffast-math", "-shared", "-fPIC",
                            source, "-o", aside, "-lm"], check=True)
            os.replace(aside, library)
        self._render = ctypes.CDLL(library).ToyboxRenderScene
        self._render.argtypes = [ctypes.POINTER(ctypes.c_int), ctypes.c_uint64, ctypes.c_int, ctypes.c_int,
                                 ctypes.c_int, ctypes.c_void_p]
        self._render.restype = ctypes.c_int

    def clip(self, scene: grammar.Scene, seed: int) -> numpy.ndarray:
        """uint8 [FRAMES, SIZE_PX, SIZE_PX, 3], RGB."""
        out = numpy.empty((FRAMES, SIZE_PX, SIZE_PX, 3), numpy.uint8)
        codes = (ctypes.c_int * len(grammar.ATTRIBUTES))(*scene.codes())
        if self._render(codes, seed, FRAMES, SIZE_PX, SAMPLES, out.ctypes.data) != 0:
            raise ValueError(f"the renderer refuses {scene}")
        return out


def training_clip(renderer: Renderer, seed: int):
    """Scene and clip number `seed` of the training set: never a held-out combination."""
    scene = grammar.sample_training_scene(numpy.random.default_rng(seed))
    return scene, renderer.clip(scene, seed)


def training_clips(renderer: Renderer, first: int, count: int, threads: int | None = None):
    """(codes uint8 [count, attributes], clips uint8 [count, FRAMES, SIZE_PX, SIZE_PX, 3])."""
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        made = list(pool.map(lambda seed: training_clip(renderer, seed), range(first, first + count)))
    return (numpy.array([scene.codes() for scene, _ in made], numpy.uint8), numpy.stack([clip for _, clip in made]))
