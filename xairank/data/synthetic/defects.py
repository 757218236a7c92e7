"""The four defects of the hazelnut category, each a layer of colour and cover over the visible surface."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from xairank.data.synthetic.crack import crack
from xairank.data.synthetic.layer import BARK, DARK, WOOD, Layer, edge, fissure, place, polar, turned
from xairank.data.synthetic.noise import (
    Array,
    jagged_ring,
    mix,
    noise_grid,
    noise_ring,
    read_grid,
    read_ring,
    smoothstep,
    uniform,
)
from xairank.data.synthetic.nut import Surface
from xairank.data.synthetic.shell import lit, tint


def cut(rng: np.random.Generator, surface: Surface) -> Layer:
    """One to three short scratches that expose the pale wood, with a dark groove."""
    spot = place(rng, surface, 0.5, 0.9)
    count = int(rng.choice([1, 2, 3], p=[0.5, 0.42, 0.08]))
    bend, spacing = uniform(rng, -0.15, 0.15), uniform(rng, 0.13, 0.24)
    colour, cover = np.broadcast_to(WOOD, (3, spot.u.size)), np.zeros_like(spot.u)
    for scratch in range(count):
        length, width = uniform(rng, 0.55, 0.95) * (1 if count == 1 else 0.85), uniform(rng, 0.026, 0.045)
        along = (spot.u + uniform(rng, -0.08, 0.08)) / length + 0.5
        across = spot.v - bend * spot.u * spot.u - spacing * (scratch - (count - 1) / 2)
        taper = np.sqrt(np.clip(4 * along * (1 - along), 0, 1)) ** uniform(rng, 0.5, 1.0)
        ragged = [1 + 0.12 * read_ring(jagged_ring(rng, 40), along / 2 % 1) for _ in range(2)]
        half = width * taper * np.where(across > 0, *ragged)
        inside = np.where((along > 0) & (along < 1), half - np.abs(across), np.float32(-1))
        streak = read_grid(noise_grid(rng, 40, 6), (across + 1) / 2, along)
        wood = WOOD * uniform(rng, 0.85, 1.1) * (1 + 0.12 * streak)
        groove_middle = uniform(rng, -0.3, 0.3) * width
        broken = read_ring(noise_ring(rng, 8), along / 2 % 1) + uniform(rng, -0.3, 0.9)
        groove = edge(0.42 * half * smoothstep(-0.1, 0.8, broken) - np.abs(across - groove_middle))
        drawn = edge(inside)
        colour = mix(colour, mix(wood, BARK * 0.55, 0.85 * groove), drawn)
        cover = np.maximum(cover, drawn)
    return Layer(spot.columns, lit(colour, 0.2 + 0.8 * spot.shade), cover)


def hole(rng: np.random.Generator, surface: Surface) -> Layer:
    """A bore hole with a crisp pale rim, or a wider one with chipped wood around it and sometimes fine cracks."""
    spot = place(rng, surface, 0.5, 1.0)
    chipped = rng.random() < 0.5
    radius = uniform(rng, 0.08, 0.2) if chipped else uniform(rng, 0.04, 0.065)
    distance, angle = polar(spot.u, spot.v)
    roughness = 0.12 if chipped else 0.04
    ring = noise_ring(rng, 7) + 0.6 * jagged_ring(rng, 20)
    depth = radius * (1 + roughness * read_ring(ring, angle)) - distance
    if chipped:
        rim = uniform(rng, 0.025, 0.065) * (1 + read_ring(noise_ring(rng, 5) + 0.5 * jagged_ring(rng, 22), angle))
    else:
        rim = uniform(rng, 0.022, 0.035) * (1 + 0.12 * read_ring(noise_ring(rng, 9), angle))
    rim = np.maximum(rim, 0.006)
    grain = read_grid(noise_grid(rng, 60, 60), (spot.v + 1) / 2, spot.u / 2)
    wood = WOOD * uniform(rng, 0.9, 1.15) * (1 + 0.08 * grain) * (1 - 0.35 * smoothstep(0.012, 0.0, depth + rim))
    wall = BARK * 0.8 * (0.5 + 0.5 * np.cos(2 * np.pi * (angle - uniform(rng, 0, 1))))
    inner = mix(wall, DARK, smoothstep(0.0, 0.45, depth / radius))
    colour, cover = mix(wood, inner, edge(depth)), edge(depth + rim)
    if chipped and rng.random() < 0.4:
        heading = uniform(rng, 0, 2 * np.pi)
        for side in range(int(rng.integers(1, 3))):
            along, across = turned(spot.u, spot.v, heading + side * uniform(rng, 2.2, 4.0))
            gap = edge(fissure(rng, along - radius, across, uniform(rng, 0.3, 0.8), 0.016, blunt=True))
            colour, cover = mix(colour, DARK, gap * (1 - cover)), np.maximum(cover, gap)
    return Layer(spot.columns, lit(colour, 0.2 + 0.8 * spot.shade), cover)


def lettering(rng: np.random.Generator) -> Array:
    """A few block letters, 1 on 0, 96 pixels high with a margin of 16 pixels."""
    text = "".join(rng.choice(list("ABCDEHKLMNOPRSTUVXZ0234568"), int(rng.integers(2, 5))))
    font = ImageFont.load_default(size=128)
    left, top, right, bottom = font.getbbox(text, stroke_width=9)
    image = Image.new("L", (int(right - left), int(bottom - top)))
    ImageDraw.Draw(image).text((-left, -top), text, fill=255, font=font, stroke_width=9)
    image = image.resize((round(image.width * 96 / image.height), 96))
    return np.pad(np.asarray(image, np.float32) / 255, 16)


def imprint(rng: np.random.Generator, surface: Surface) -> Layer:
    """White stamped letters, smeared, and missing where the stamp did not touch."""
    spot = place(rng, surface, 0.42, 1.2)
    letters, height = lettering(rng), uniform(rng, 0.32, 0.48)
    rows, columns = letters.shape
    scale = 96 / height
    texture_row, texture_column = (spot.v + 1.2) / 2.4, spot.u / 2.4
    smear = read_grid(noise_grid(rng, 24, 24), texture_row, texture_column)
    row = (spot.v * scale + 2.5 * smear) / rows + 0.5
    column = (spot.u * scale + 2.5 * smear) / columns + 0.5
    within = (row > 0) & (row < 1) & (column > 0) & (column < 1)
    ink = np.where(within, read_grid(letters, np.clip(row, 0, 1), np.clip(column, 0, 0.999)), 0)
    along, across = turned(spot.u, spot.v, uniform(rng, 0, np.pi))
    contact = read_grid(noise_grid(rng, 6, 6), texture_row, texture_column)
    streaks = read_grid(noise_grid(rng, 70, 16), (across + 1.2) / 2.4, along / 2.4)
    speckle = read_grid(noise_grid(rng, 90, 90), texture_row, texture_column)
    pressed = 0.2 * contact + 0.25 * streaks + 0.2 * speckle - uniform(rng, 0.15, 0.4)
    cover = smoothstep(0.42, 0.55, ink + pressed)
    rough = smoothstep(0.0, -0.05, surface.base_angle[spot.columns])  # the base disc takes the ink badly
    white = mix(tint(255, 255, 252), tint(214, 212, 196), rough)
    colour = white * (1 - 0.06 * np.clip(-speckle, 0, 2)) * (0.75 + 0.25 * spot.shade)
    return Layer(spot.columns, colour, cover * (ink > 0.02) * (1 - 0.15 * rough))


DEFECTS: dict[str, Callable[[np.random.Generator, Surface], Layer]] = {
    "crack": crack,
    "cut": cut,
    "hole": hole,
    "print": imprint,
}
