"""One scan: background, nut, defect, distractor, sensor noise - and the mask of what the defect changed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xairank.data.synthetic.defects import DEFECTS
from xairank.data.synthetic.noise import Array, lookup, mix, noise_grid, smoothstep, uniform
from xairank.data.synthetic.nut import Shape, trace
from xairank.data.synthetic.shell import paint

FINEST = 256  # pixels: smaller images are rendered at this size at least, and averaged
VISIBLE = 10  # levels of 255 by which a channel must differ for a person to see it
# The streams of random numbers of each class; the numbers must never change, since the pixels depend on them.
CLASSES = {"train/good": 0, "test/good": 1, "crack": 2, "cut": 3, "hole": 4, "print": 5}
DISTRACTORS = ("none", "sticker")


@dataclass(frozen=True)
class Scan:
    """A rendered sample.

    Attributes:
        image: 8-bit RGB, (size, size, 3).
        mask: Where the defect is, (size, size); empty for a good nut.
        sound: The same scan without the defect, (size, size, 3).
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    sound: NDArray[np.uint8]


def background(rng: np.random.Generator, size: int, centre: tuple[float, float], radius: float) -> Array:
    """The dark lid of the scanner with the nut's soft shadow, its uneven colour and specks of dust, (size, size, 3)."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = np.meshgrid(axis, axis)
    level = uniform(rng, 35, 41)
    shadow = np.exp(-np.clip(np.hypot(x - centre[0], y - centre[1]) - radius, 0, None) / 0.14)
    cloud = lookup(noise_grid(rng, 4, 4), y, x)
    lines = lookup(noise_grid(rng, 128, 3), y, x)
    grey = level - uniform(rng, 3, 6) * shadow + 0.35 * cloud + 0.3 * lines
    image = np.stack([grey, grey + 0.8 * smoothstep(0.5, 1.0, y) - 0.2, grey + 4.4 - 1.5 * y], axis=-1)
    for dust_x, dust_y, strength in rng.uniform((0, 0, 4), (1, 1, 26), (int(rng.integers(2, 9)), 3)).astype(np.float32):
        blob = np.exp(-((x - dust_x) ** 2 + (y - dust_y) ** 2) / 0.0035**2)
        image += strength * blob[..., None]
    return image


def flatten(values: Array, index: NDArray[np.intp], size: int, factor: int) -> Array:
    """Averages values (N,) of pixels of the fine frame into the image, (size, size)."""
    fine = np.bincount(index, values, (size * factor) ** 2).astype(np.float32)
    return fine.reshape(size, factor, size, factor).mean((1, 3))


def sticker(rng: np.random.Generator, forbidden: NDArray[np.bool_]) -> tuple[Array, Array]:
    """A small round label near the middle of the frame, never on ``forbidden``: colour (size, size, 3) and cover."""
    size = len(forbidden)
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = np.meshgrid(axis, axis)
    radius = uniform(rng, 0.032, 0.045)
    free = ~ndimage.binary_dilation(forbidden, iterations=2)
    for middle_x, middle_y in rng.uniform(0.16, 0.84, (200, 2)).astype(np.float32):
        distance = np.hypot(x - middle_x, y - middle_y)
        cover = np.clip(0.5 + (radius - distance) * size, 0, 1)
        if free[cover > 0].all():
            break
    dot = np.clip(0.5 + (0.4 * radius - distance) * size, 0, 1)[..., None]
    paper = np.array([88, 142, 176], np.float32) * uniform(rng, 0.85, 1.1)
    return mix(paper, np.array([40, 52, 84], np.float32), dot), cover


def render(seed: int, label: str, index: int, size: int, distractor: str = "none") -> Scan:
    """Renders sample ``index`` of the class ``label``; its pixels depend on nothing but the arguments.

    Args:
        seed: Of the category.
        label: A key of ``CLASSES``.
        index: Number of the sample in its class.
        size: Width and height in pixels.
        distractor: One of ``DISTRACTORS``.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(CLASSES[label], index))
    nut_rng, defect_rng, frame_rng, distractor_rng = (np.random.default_rng(child) for child in sequence.spawn(4))
    factor = -(-FINEST // size) if size < FINEST else 1
    centre = (uniform(frame_rng, 0.485, 0.52), uniform(frame_rng, 0.475, 0.515))
    radius = uniform(frame_rng, 0.312, 0.348)
    surface = trace(Shape(nut_rng), centre, radius, size * factor)
    sound = paint(nut_rng, surface)
    colour, cover = sound, np.zeros(surface.index.size, np.float32)
    if label in DEFECTS:
        layer = DEFECTS[label](defect_rng, surface, sound)
        colour = sound.copy()
        colour[:, layer.columns] = mix(sound[:, layer.columns], layer.colour, layer.cover)
        cover[layer.columns] = layer.cover

    lid = background(frame_rng, size, centre, radius)
    noise = frame_rng.standard_normal((size, size, 3), np.float32) * np.array([1.1, 0.9, 1.1], np.float32)

    def flat(values: Array) -> Array:
        return flatten(values * surface.cover, surface.index, size, factor)

    lid = lid * (1 - flat(np.ones_like(cover)))[..., None]

    def develop(colour: Array) -> Array:
        return np.stack([flat(channel) for channel in colour], axis=-1) + lid

    def quantise(image: Array) -> NDArray[np.uint8]:
        return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)

    image, without = develop(colour), develop(sound)
    changed = np.abs(image - without).max(-1)
    mask = (changed >= VISIBLE) | (flat(cover) >= 0.5)
    if distractor == "sticker":
        paper, stuck = sticker(distractor_rng, mask)
        image, without = mix(image, paper, stuck[..., None]), mix(without, paper, stuck[..., None])
    return Scan(quantise(image), mask, quantise(without))
