"""What defects are drawn with: a place on the surface, a layer over it, edges and jagged lines.

Lengths are in nut radii, colours in 8-bit levels under full light. A defect is drawn on the plane that touches the nut
at its place, so that it is foreshortened as the surface is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xairank.data.synthetic.noise import Array, smoothstep, uniform
from xairank.data.synthetic.nut import Surface, transform
from xairank.data.synthetic.shell import tint

WOOD, BARK, DARK = tint(180, 127, 82), tint(96, 62, 42), tint(6, 3, 2)
SOFT = 0.008  # half the width of a drawn edge


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
    """A random place up to ``reach`` from the nut's middle in the image, with the pixels up to ``extent`` around."""
    distance, bearing, heading = reach * np.sqrt(rng.random()), uniform(rng, 0, 2 * np.pi), uniform(rng, 0, 2 * np.pi)
    middle = surface.nearest(distance * np.cos(bearing), distance * np.sin(bearing))
    normal, offset = surface.normals[:, middle], surface.points - surface.points[:, [middle]]
    first = np.cross(normal, [np.cos(heading), np.sin(heading), 0.0])
    first /= np.linalg.norm(first)
    axes = np.stack([first, np.cross(normal, first)]).astype(np.float32)
    u, v = transform(axes, offset)
    columns = np.flatnonzero(u * u + v * v < extent * extent)
    away = axes[:, :2] @ surface.points[:2, middle]
    return Place(columns, u[columns], v[columns], surface.shade[columns], float(np.arctan2(away[1], away[0])))


def polar(u: Array, v: Array) -> tuple[Array, Array]:
    """Distance from the origin, and angle as a fraction of the full circle."""
    return np.hypot(u, v), np.arctan2(v, u) / np.float32(2 * np.pi) % 1


def turned(u: Array, v: Array, angle: float) -> tuple[Array, Array]:
    """Coordinates along and across the direction ``angle``, in radians."""
    cosine, sine = float(np.cos(angle)), float(np.sin(angle))
    return u * cosine + v * sine, v * cosine - u * sine


def edge(distance: Array) -> Array:
    """Cover of what has this signed distance to its outline, positive inside."""
    return smoothstep(-SOFT, SOFT, distance)


def fissure(rng: np.random.Generator, u: Array, v: Array, length: float, width: float, blunt: bool = False) -> Array:
    """Signed distance (n,) into a jagged line from the origin along u: positive inside, largest at its spine.

    Args:
        rng: Source of its shape.
        u: Coordinate along it, (n,).
        v: Coordinate across it, (n,).
        length: Of the line.
        width: Half the width at its widest.
        blunt: Whether it starts at its full width instead of at a point.
    """
    knots = max(6, int(length / 0.045))
    path = np.cumsum(rng.normal(0, 0.02, knots)) + rng.normal(0, 0.013, knots)
    path -= np.linspace(path[0], path[-1], knots)
    along = u / length
    knot_places = np.sort(np.concatenate([[0.0, 1.0], rng.uniform(0, 1, knots - 2)]))
    spine = np.interp(along, knot_places, path).astype(np.float32)
    thickness = np.interp(along, knot_places, width * rng.uniform(0.5, 1.0, knots)).astype(np.float32)
    thickness *= np.clip((1 - along) / 0.4, 0, 1)
    if not blunt:
        thickness *= np.clip(along / 0.3, 0, 1)
    return np.where((along > 0) & (along < 1), thickness - np.abs(v - spine), np.float32(-1))
