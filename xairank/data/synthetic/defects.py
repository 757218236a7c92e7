"""The four defects of the hazelnut category, each a layer of colour and cover over the visible surface.

Lengths are in nut radii, colours in 8-bit levels under full light. A defect is drawn on the plane that touches the nut
at its place, so that it is foreshortened as the surface is.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from xairank.data.synthetic.noise import Array, around, jagged_ring, lookup, mix, noise_grid, noise_ring, smoothstep, uniform
from xairank.data.synthetic.nut import Surface
from xairank.data.synthetic.shell import lit, tint

WOOD, BARK, DARK = tint(180, 127, 82), tint(96, 62, 42), tint(6, 3, 2)
SOFT = 0.008  # width of a drawn edge


@dataclass(frozen=True)
class Place:
    """A part of the surface in plane coordinates around a point.

    Attributes:
        columns: The columns of the surface, (n,).
        u: First coordinate, (n,).
        v: Second coordinate, (n,).
        shade: Share of the light reflected, (n,).
        outward: Direction that points away from the nut's middle in the image, in radians in the plane.
    """

    columns: NDArray[np.intp]
    u: Array
    v: Array
    shade: Array
    outward: float


@dataclass(frozen=True)
class Layer:
    """What a defect puts over the columns of a surface: colour (3, n), as the scanner sees it, and cover (n,)."""

    columns: NDArray[np.intp]
    colour: Array
    cover: Array


def place(rng: np.random.Generator, surface: Surface, reach: float, extent: float) -> Place:
    """A random place at most ``reach`` from the nut's middle in the image, with the pixels up to ``extent`` around it."""
    distance, bearing, heading = reach * np.sqrt(rng.random()), uniform(rng, 0, 2 * np.pi), uniform(rng, 0, 2 * np.pi)
    middle = surface.nearest(distance * np.cos(bearing), distance * np.sin(bearing))
    normal, offset = surface.normals[:, middle], surface.points - surface.points[:, [middle]]
    first = np.cross(normal, [np.cos(heading), np.sin(heading), 0.0])
    first /= np.linalg.norm(first)
    axes = np.stack([first, np.cross(normal, first)]).astype(np.float32)
    u, v = axes @ offset
    columns = np.flatnonzero(u * u + v * v < extent * extent)
    away = axes[:, :2] @ surface.points[:2, middle]
    return Place(columns, u[columns], v[columns], surface.shade[columns], float(np.arctan2(away[1], away[0])))


def polar(u: Array, v: Array) -> tuple[Array, Array]:
    """Distance from the origin, and angle as a fraction of the full circle."""
    return np.hypot(u, v), np.arctan2(v, u) / np.float32(2 * np.pi) % 1


def fissure(
    rng: np.random.Generator, u: Array, v: Array, length: float, width: float, tapers: tuple[bool, bool] = (True, True)
) -> Array:
    """Signed distance (n,) into a jagged line from the origin along u: positive inside, largest at its spine."""
    knots = max(6, int(length / 0.045))
    path = np.cumsum(rng.normal(0, 0.02, knots)) + rng.normal(0, 0.013, knots)
    path -= np.linspace(path[0], path[-1], knots)
    along = u / length
    knot_places = np.sort(np.concatenate([[0.0, 1.0], rng.uniform(0, 1, knots - 2)]))
    spine = np.interp(along, knot_places, path).astype(np.float32)
    thickness = np.interp(along, knot_places, width * rng.uniform(0.5, 1.0, knots)).astype(np.float32)
    if tapers[0]:
        thickness = thickness * np.clip(along / 0.3, 0, 1)
    if tapers[1]:
        thickness = thickness * np.clip((1 - along) / 0.4, 0, 1)
    return np.where((along > 0) & (along < 1), thickness - np.abs(v - spine), np.float32(-1))


def turned(u: Array, v: Array, angle: float) -> tuple[Array, Array]:
    """Coordinates along and across the direction ``angle``, in radians."""
    cosine, sine = float(np.cos(angle)), float(np.sin(angle))
    return u * cosine + v * sine, v * cosine - u * sine


def edge(distance: Array) -> Array:
    """Cover of what has this signed distance to its outline, positive inside."""
    return smoothstep(-SOFT, SOFT, distance)


def crack(rng: np.random.Generator, surface: Surface, paint: Array) -> Layer:
    """A broken-out piece of shell that shows the kernel, or a thin open line."""
    return opening(rng, surface) if rng.random() < 0.7 else line(rng, surface)


def line(rng: np.random.Generator, surface: Surface) -> Layer:
    """An open, branching line with a pale lip."""
    spot = place(rng, surface, 0.3, 1.1)
    length, width = uniform(rng, 1.0, 1.7), uniform(rng, 0.018, 0.06)
    u, v = spot.u + length / 2, spot.v
    gap = fissure(rng, u, v, length, width)
    along, across = turned(spot.u, v, uniform(rng, 0.4, 1.1) * (1 if rng.random() < 0.5 else -1))
    branch = fissure(rng, along, across, uniform(rng, 0.3, 0.6), 0.6 * width)
    gap = np.maximum(gap, branch)
    lip = uniform(rng, 0.004, 0.016) * np.clip(1 + 0.7 * around(jagged_ring(rng, 24), spot.u % 1), 0.2, 2.5)
    colour = mix(WOOD * 0.9, DARK, edge(gap - 0.006))
    return Layer(spot.columns, lit(colour, spot.shade), edge(gap + np.where(gap > -1, lip, 0)))


def opening(rng: np.random.Generator, surface: Surface) -> Layer:
    """A broken-out piece: jagged outline, pale broken shell on the far side, a dark gap, the kernel."""
    size = uniform(rng, 0.36, 0.8)
    spot = place(rng, surface, 0.62 - 0.6 * size, 1.3)
    u, v = spot.u / uniform(rng, 1.0, 1.25), spot.v
    distance, angle = polar(u, v)
    corners = int(rng.integers(5, 11))
    at = (np.arange(corners) + rng.uniform(-0.35, 0.35, corners)) / corners
    outline = np.interp(np.arange(4096) / 4096, at, rng.uniform(0.6, 1.05, corners), period=1.0)
    outline = size * (outline + 0.04 * noise_ring(rng, 5) + 0.022 * jagged_ring(rng, 30) + 0.01 * jagged_ring(rng, 90))
    outline = outline.astype(np.float32)
    inside = around(outline, angle) - distance
    gape = np.where(inside > 0, inside, np.float32(-1))
    for corner in rng.choice(corners, int(rng.integers(0, 3)), replace=False):
        heading = 2 * np.pi * at[corner]
        along, across = turned(u, v, heading)
        start = 0.9 * float(around(outline, np.array(at[corner] % 1)))
        gape = np.maximum(gape, fissure(rng, along - start, across, uniform(rng, 0.2, 0.5), 0.02, (False, True)))

    facing = 0.5 + 0.5 * np.cos(2 * np.pi * angle - spot.outward)
    wall = uniform(rng, 0.07, 0.12) * (0.12 + 0.88 * facing) * np.clip(1 + 0.25 * around(noise_ring(rng, 9), angle), 0.3, 2)
    grain = lookup(noise_grid(rng, 60, 120), (v + 1.3) / 2.6, u / 2.6)
    pores = smoothstep(1.6, 2.2, around(noise_ring(rng, 300), angle)) * smoothstep(0.25, 0.1, np.abs(inside / wall - 0.55))
    worn = 0.75 + 0.2 * facing + 0.1 * around(noise_ring(rng, 9), angle) + 0.08 * grain - 0.3 * smoothstep(0.45, 1.0, inside / wall)
    wood = WOOD * worn * (1 - 0.7 * pores)
    gap = uniform(rng, 0.04, 0.16) * (0.15 + 0.85 * facing)
    inner = mix(DARK, kernel(rng, u, v, size), smoothstep(0.25, 1, (inside - wall) / gap))
    colour = mix(wood, inner, edge(inside - wall))
    colour = mix(colour, DARK, edge(gape) * (inside < 0))
    return Layer(spot.columns, lit(colour, 0.25 + 0.75 * spot.shade), edge(np.maximum(inside, gape)))


def kernel(rng: np.random.Generator, u: Array, v: Array, size: float) -> Array:
    """Colour (3, n) of the kernel in its wrinkled brown skin, and of the dark cavity around it."""
    radius, shift = size * uniform(rng, 0.95, 1.15) + 0.1, rng.normal(0, 0.08 * size, 2)
    distance = np.hypot(u - np.float32(shift[0]), v - np.float32(shift[1])) / radius
    height = np.sqrt(np.clip(1 - distance * distance, 0, 1))
    row, column = (v + 1.3) / 2.6, u / 2.6
    warp = lookup(noise_grid(rng, 14, 14), row, column)
    warped = row + 0.015 * warp
    grain = lookup(noise_grid(rng, 90, 90), row, column)
    wrinkle = lookup(noise_grid(rng, 34, 9), warped, column + 0.015 * warp) + 0.35 * grain
    fold = lookup(noise_grid(rng, 60, 12), warped, column)
    patch = lookup(noise_grid(rng, 14, 7), warped, column) + 0.45 * fold + 0.25 * grain
    skin = tint(94, 46, 31) * uniform(rng, 0.85, 1.15) * (1 + 0.13 * fold + 0.1 * grain)
    skin = skin * (1 - 0.5 * np.exp(-((wrinkle / 0.12) ** 2)) * smoothstep(-0.3, 0.8, fold + warp))
    skin = mix(skin, tint(50, 34, 27) * (1 + 0.2 * grain), 0.75 * smoothstep(0.75, 0.95, patch))
    if rng.random() < 0.35:  # mould or crumbs
        mould = lookup(noise_grid(rng, 10, 10), row, column) + 0.3 * grain
        skin = mix(skin, tint(118, 108, 80) * (1 + 0.15 * grain), smoothstep(1.6, 1.8, mould))
    return mix(DARK, skin * (0.25 + 0.75 * height), smoothstep(1.0, 0.92, distance))


def cut(rng: np.random.Generator, surface: Surface, paint: Array) -> Layer:
    """One to three short scratches that lay the pale wood open, with a dark groove in it."""
    spot = place(rng, surface, 0.5, 0.9)
    count = int(rng.choice([1, 2, 3], p=[0.5, 0.42, 0.08]))
    bend, spacing = uniform(rng, -0.15, 0.15), uniform(rng, 0.13, 0.24)
    colour, cover = np.broadcast_to(WOOD, (3, spot.u.size)), np.zeros_like(spot.u)
    for scratch in range(count):
        length, width = uniform(rng, 0.55, 0.95) * (1 if count == 1 else 0.85), uniform(rng, 0.026, 0.045)
        along = (spot.u + uniform(rng, -0.08, 0.08)) / length + 0.5
        across = spot.v - bend * spot.u * spot.u - spacing * (scratch - (count - 1) / 2)
        taper = np.sqrt(np.clip(4 * along * (1 - along), 0, 1)) ** uniform(rng, 0.5, 1.0)
        ragged = [1 + 0.12 * around(jagged_ring(rng, 40), along / 2 % 1) for _ in range(2)]
        half = width * taper * np.where(across > 0, *ragged)
        inside = np.where((along > 0) & (along < 1), half - np.abs(across), np.float32(-1))
        streak = lookup(noise_grid(rng, 40, 6), (across + 1) / 2, along)
        wood = WOOD * uniform(rng, 0.85, 1.1) * (1 + 0.12 * streak)
        groove_middle = uniform(rng, -0.3, 0.3) * width
        broken = around(noise_ring(rng, 8), along / 2 % 1) + uniform(rng, -0.3, 0.9)
        groove = edge(0.42 * half * smoothstep(-0.1, 0.8, broken) - np.abs(across - groove_middle))
        drawn = edge(inside)
        colour = mix(colour, mix(wood, BARK * 0.55, 0.85 * groove), drawn)
        cover = np.maximum(cover, drawn)
    return Layer(spot.columns, lit(colour, 0.2 + 0.8 * spot.shade), cover)


def hole(rng: np.random.Generator, surface: Surface, paint: Array) -> Layer:
    """A bore hole with a crisp pale rim, or a wider one with chipped wood around it and sometimes fine cracks."""
    spot = place(rng, surface, 0.5, 1.0)
    chipped = rng.random() < 0.5
    radius = uniform(rng, 0.08, 0.2) if chipped else uniform(rng, 0.04, 0.065)
    distance, angle = polar(spot.u, spot.v)
    roughness = 0.12 if chipped else 0.04
    ring = noise_ring(rng, 7) + 0.6 * jagged_ring(rng, 20)
    depth = radius * (1 + roughness * around(ring, angle))
    depth = depth - distance
    if chipped:
        rim = uniform(rng, 0.025, 0.065) * (1 + around(noise_ring(rng, 5) + 0.5 * jagged_ring(rng, 22), angle))
    else:
        rim = uniform(rng, 0.022, 0.035) * (1 + 0.12 * around(noise_ring(rng, 9), angle))
    rim = np.maximum(rim, 0.006)
    grain = lookup(noise_grid(rng, 60, 60), (spot.v + 1) / 2, spot.u / 2)
    wood = WOOD * uniform(rng, 0.9, 1.15) * (1 + 0.08 * grain) * (1 - 0.35 * smoothstep(0.012, 0.0, depth + rim))
    wall = BARK * 0.8 * (0.5 + 0.5 * np.cos(2 * np.pi * (angle - uniform(rng, 0, 1))))
    inner = mix(wall, DARK, smoothstep(0.0, 0.45, depth / radius))
    colour, cover = mix(wood, inner, edge(depth)), edge(depth + rim)
    if chipped and rng.random() < 0.4:
        heading = uniform(rng, 0, 2 * np.pi)
        for side in range(int(rng.integers(1, 3))):
            along, across = turned(spot.u, spot.v, heading + side * uniform(rng, 2.2, 4.0))
            gap = edge(fissure(rng, along - radius, across, uniform(rng, 0.3, 0.8), 0.016, (False, True)))
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


def print_(rng: np.random.Generator, surface: Surface, paint: Array) -> Layer:
    """White stamped letters, smeared, and missing where the stamp did not touch."""
    spot = place(rng, surface, 0.42, 1.2)
    letters, height = lettering(rng), uniform(rng, 0.32, 0.48)
    rows, columns = letters.shape
    scale = 96 / height
    texture_row, texture_column = (spot.v + 1.2) / 2.4, spot.u / 2.4
    smear = lookup(noise_grid(rng, 24, 24), texture_row, texture_column)
    row = (spot.v * scale + 2.5 * smear) / rows + 0.5
    column = (spot.u * scale + 2.5 * smear) / columns + 0.5
    within = (row > 0) & (row < 1) & (column > 0) & (column < 1)
    ink = np.where(within, lookup(letters, np.clip(row, 0, 1), np.clip(column, 0, 0.999)), 0)
    along, across = turned(spot.u, spot.v, uniform(rng, 0, np.pi))
    contact = lookup(noise_grid(rng, 6, 6), texture_row, texture_column)
    streaks = lookup(noise_grid(rng, 70, 16), (across + 1.2) / 2.4, along / 2.4)
    speckle = lookup(noise_grid(rng, 90, 90), texture_row, texture_column)
    pressed = 0.2 * contact + 0.25 * streaks + 0.2 * speckle - uniform(rng, 0.15, 0.4)
    cover = smoothstep(0.42, 0.55, ink + pressed)
    rough = smoothstep(0.0, -0.05, surface.base_angle[spot.columns])  # the base disc takes the ink badly
    white = mix(tint(255, 255, 252), tint(214, 212, 196), rough)
    colour = white * (1 - 0.06 * np.clip(-speckle, 0, 2)) * (0.75 + 0.25 * spot.shade)
    return Layer(spot.columns, colour, cover * (ink > 0.02) * (1 - 0.15 * rough))


DEFECTS: dict[str, Callable[[np.random.Generator, Surface, Array], Layer]] = {
    "crack": crack,
    "cut": cut,
    "hole": hole,
    "print": print_,
}
