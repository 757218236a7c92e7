"""Cracks: from an open line in the shell to a broken-out piece that shows the kernel."""

import numpy as np

from xairank.data.synthetic.layer import DARK, WOOD, Layer, edge, fissure, place, polar, turned
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


def crack(rng: np.random.Generator, surface: Surface) -> Layer:
    """A broken-out piece of shell that shows the kernel, or a thin open line."""
    return opening(rng, surface) if rng.random() < 0.7 else line(rng, surface)


def line(rng: np.random.Generator, surface: Surface) -> Layer:
    """An open, branching line with a pale lip."""
    spot = place(rng, surface, 0.3, 1.1)
    length, width = uniform(rng, 1.0, 1.7), uniform(rng, 0.018, 0.06)
    gap = fissure(rng, spot.u + length / 2, spot.v, length, width)
    along, across = turned(spot.u, spot.v, uniform(rng, 0.4, 1.1) * float(rng.choice([-1, 1])))
    gap = np.maximum(gap, fissure(rng, along, across, uniform(rng, 0.3, 0.6), 0.6 * width))
    lip = uniform(rng, 0.004, 0.016) * np.clip(1 + 0.7 * read_ring(jagged_ring(rng, 24), spot.u % 1), 0.2, 2.5)
    colour = mix(WOOD * 0.9, DARK, edge(gap - 0.006))
    return Layer(spot.columns, lit(colour, spot.shade), edge(gap + np.where(gap > -1, lip, 0)))


def opening(rng: np.random.Generator, surface: Surface) -> Layer:
    """A broken-out piece: jagged outline, broken shell on the side that faces the viewer, a dark gap, the kernel."""
    size = uniform(rng, 0.36, 0.8)
    spot = place(rng, surface, 0.62 - 0.6 * size, 1.3)
    u, v = spot.u / uniform(rng, 1.0, 1.25), spot.v
    distance, angle = polar(u, v)
    corners = int(rng.integers(5, 11))
    at = (np.arange(corners) + rng.uniform(-0.35, 0.35, corners)) / corners
    outline = np.interp(np.arange(4096) / 4096, at, rng.uniform(0.6, 1.05, corners), period=1.0).astype(np.float32)
    outline += 0.04 * noise_ring(rng, 5) + 0.022 * jagged_ring(rng, 30) + 0.01 * jagged_ring(rng, 90)
    inside = size * read_ring(outline, angle) - distance
    gape = np.full_like(inside, -1)
    for corner in rng.choice(at, int(rng.integers(0, 3)), replace=False):
        along, across = turned(u, v, 2 * np.pi * corner)
        start = 0.9 * size * float(read_ring(outline, np.array(corner % 1)))
        gape = np.maximum(gape, fissure(rng, along - start, across, uniform(rng, 0.2, 0.5), 0.02, blunt=True))

    facing = 0.5 + 0.5 * np.cos(2 * np.pi * angle - spot.outward)
    wall = uniform(rng, 0.07, 0.12) * (0.12 + 0.88 * facing)
    wall *= np.clip(1 + 0.25 * read_ring(noise_ring(rng, 9), angle), 0.3, 2)
    depth = inside / wall  # 0 at the outer edge of the broken shell, 1 at its inner edge
    grain = read_grid(noise_grid(rng, 60, 120), (v + 1.3) / 2.6, u / 2.6)
    worn = (
        0.75
        + 0.2 * facing
        + 0.1 * read_ring(noise_ring(rng, 9), angle)
        + 0.08 * grain
        - 0.3 * smoothstep(0.45, 1, depth)
    )
    pores = smoothstep(1.6, 2.2, read_ring(noise_ring(rng, 300), angle)) * smoothstep(0.25, 0.1, np.abs(depth - 0.55))
    gap = uniform(rng, 0.04, 0.16) * (0.15 + 0.85 * facing)
    inner = mix(DARK, kernel(rng, u, v, size), smoothstep(0.25, 1, (inside - wall) / gap))
    colour = mix(WOOD * worn * (1 - 0.7 * pores), inner, edge(inside - wall))
    colour = mix(colour, DARK, edge(gape) * (inside < 0))
    return Layer(spot.columns, lit(colour, 0.25 + 0.75 * spot.shade), edge(np.maximum(inside, gape)))


def kernel(rng: np.random.Generator, u: Array, v: Array, size: float) -> Array:
    """Colour (3, n) of the kernel in its wrinkled brown skin, and of the dark cavity around it."""
    radius, shift = size * uniform(rng, 0.95, 1.15) + 0.1, rng.normal(0, 0.08 * size, 2)
    distance = np.hypot(u - np.float32(shift[0]), v - np.float32(shift[1])) / radius
    height = np.sqrt(np.clip(1 - distance * distance, 0, 1))
    row, column = (v + 1.3) / 2.6, u / 2.6
    warp = read_grid(noise_grid(rng, 14, 14), row, column)
    warped = row + 0.015 * warp
    grain = read_grid(noise_grid(rng, 90, 90), row, column)
    wrinkle = read_grid(noise_grid(rng, 34, 9), warped, column + 0.015 * warp) + 0.35 * grain
    fold = read_grid(noise_grid(rng, 60, 12), warped, column)
    patch = read_grid(noise_grid(rng, 14, 7), warped, column) + 0.45 * fold + 0.25 * grain
    skin = tint(94, 46, 31) * uniform(rng, 0.85, 1.15) * (1 + 0.13 * fold + 0.1 * grain)
    skin = skin * (1 - 0.5 * np.exp(-((wrinkle / 0.12) ** 2)) * smoothstep(-0.3, 0.8, fold + warp))
    skin = mix(skin, tint(50, 34, 27) * (1 + 0.2 * grain), 0.75 * smoothstep(0.75, 0.95, patch))
    if rng.random() < 0.35:  # mould or crumbs
        mould = read_grid(noise_grid(rng, 10, 10), row, column) + 0.3 * grain
        skin = mix(skin, tint(118, 108, 80) * (1 + 0.15 * grain), smoothstep(1.6, 1.8, mould))
    return mix(DARK, skin * (0.25 + 0.75 * height), smoothstep(1.0, 0.92, distance))
