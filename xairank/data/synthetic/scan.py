"""One scan: background, nut, defect, distractor, sensor noise - and the mask of what the defect changed."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xairank.data.synthetic.defects import DEFECTS
from xairank.data.synthetic.noise import Array, mix, read_ring, smoothstep, uniform
from xairank.data.synthetic.nut import Shape, trace
from xairank.data.synthetic.shell import paint

FINEST = 256  # pixels: smaller images are rendered at this size at least, and averaged
VISIBLE = 10  # levels of 255 by which a channel must differ for a person to see it
# The streams of random numbers of each class; the numbers must never change, since the pixels depend on them.
CLASSES = {"train/good": 0, "test/good": 1, "crack": 2, "cut": 3, "hole": 4, "print": 5}
DISTRACTORS = ("none", "sticker")


def background(rng: np.random.Generator, size: int, centre: tuple[float, float], radius: float) -> Array:
    """The dark lid of the scanner with the nut's soft shadow, its uneven colour and specks of dust, (size, size, 3)."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = np.meshgrid(axis, axis)
    level = uniform(rng, 34, 40.5)
    shadow = np.exp(-np.clip(np.hypot(x - centre[0], y - centre[1]) - radius, 0, None) / 0.14)
    phase = rng.uniform(0, 2 * np.pi, 2).astype(np.float32)
    cloud = 0.5 * np.sin(5 * x + phase[0]) * np.sin(4 * y + phase[1])
    lines = 0.3 * read_ring(rng.standard_normal(512, np.float32), axis)[:, None]
    grey = level - uniform(rng, 3, 6) * shadow + cloud + lines
    image = np.stack([grey, grey + 0.8 * smoothstep(0.5, 1.0, y) - 0.2, grey + 4.4 - 1.5 * y], axis=-1)
    for dust_x, dust_y, strength in rng.uniform((0, 0, 4), (1, 1, 26), (int(rng.integers(2, 9)), 3)).astype(np.float32):
        blob = np.outer(np.exp(-(((axis - dust_y) / 0.0035) ** 2)), np.exp(-(((axis - dust_x) / 0.0035) ** 2)))
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
    return mix(paper, np.array([40, 52, 84], np.float32), dot), cover * free


def render(
    seed: int, label: str, index: int, size: int, distractor: str = "none"
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Renders sample ``index`` of the class ``label``; its pixels depend on nothing but the arguments.

    Args:
        seed: Of the category.
        label: A key of ``CLASSES``.
        index: Number of the sample in its class.
        size: Width and height in pixels.
        distractor: One of ``DISTRACTORS``.

    Returns:
        The RGB image (size, size, 3) and the mask (size, size) of the defect: what it covers by half, and what it
        changes so that a person sees it. Never empty for a defect.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(CLASSES[label], index))
    nut_rng, defect_rng, frame_rng, distractor_rng = (np.random.default_rng(child) for child in sequence.spawn(4))
    factor = -(-FINEST // size) if size < FINEST else 1
    centre = (uniform(frame_rng, 0.485, 0.52), uniform(frame_rng, 0.475, 0.515))
    radius = uniform(frame_rng, 0.312, 0.348)
    surface = trace(Shape(nut_rng), centre, radius, size * factor)
    colour = paint(nut_rng, surface)

    def develop(values: Array) -> Array:
        return flatten(values * surface.cover, surface.index, size, factor)

    image: Array = background(frame_rng, size, centre, radius) * (1 - develop(np.ones_like(surface.cover)))[..., None]
    image += np.stack([develop(channel) for channel in colour], axis=-1)
    mask = np.zeros((size, size), np.bool_)
    if label in DEFECTS:
        layer = DEFECTS[label](defect_rng, surface)
        cover = np.zeros_like(surface.cover)
        cover[layer.columns] = layer.cover
        change = np.zeros_like(colour)
        change[:, layer.columns] = (layer.colour - colour[:, layer.columns]) * layer.cover
        difference = np.stack([develop(channel) for channel in change], axis=-1)
        image += difference
        strength = np.abs(difference).max(-1)
        mask = (strength >= min(VISIBLE, strength.max())) | (develop(cover) >= 0.5)
    if distractor == "sticker":
        paper, stuck = sticker(distractor_rng, mask)
        image = mix(image, paper, stuck[..., None])
    noise = frame_rng.standard_normal((size, size, 3), np.float32) * np.array([1.1, 0.9, 1.1], np.float32)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8), mask
