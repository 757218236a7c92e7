"""The solid: an egg with a tip and a flattened base, and the part of its surface that a scanner sees.

Lengths are in nut radii unless said otherwise. The viewer looks down the z axis from its positive end; x points right
and y down, as in an image.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from xairank.data.synthetic.noise import Array, mix, uniform


def transform(matrix: Array, points: Array) -> Array:
    """Product of a matrix (m, 3) and points (3, N), summed in a fixed order: that of BLAS may depend on its threads."""
    x, y, z = points
    return matrix[:, :1] * x + matrix[:, 1:2] * y + matrix[:, 2:] * z


def random_rotation(rng: np.random.Generator) -> Array:
    """Rows are the nut's own axes in view coordinates; the last is its tip, mostly near the image plane."""
    tip_z, heading, roll = uniform(rng, -0.8, 0.15), uniform(rng, 0, 2 * np.pi), uniform(rng, 0, 2 * np.pi)
    planar = np.sqrt(1 - tip_z**2)
    tip = np.array([planar * np.cos(heading), planar * np.sin(heading), tip_z])
    side = np.array([-np.sin(heading), np.cos(heading), 0.0])
    other = np.cross(tip, side)
    first = np.cos(roll) * side + np.sin(roll) * other
    return np.stack([first, np.cross(tip, first), tip]).astype(np.float32)


class Shape:
    """A star-shaped solid: on its surface the distance from the centre equals a radius that depends on direction."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rotation = random_rotation(rng)
        self.stretch = uniform(rng, 0.93, 1.1)
        self.tip_height = uniform(rng, 0.05, 0.2)
        self.tip_width = uniform(rng, 0.16, 0.3)
        self.pear = uniform(rng, 0.0, 0.05)
        self.two_lobes, self.three_lobes = uniform(rng, -0.045, 0.045), uniform(rng, -0.035, 0.035)
        base = np.array([*rng.normal(0, 0.1, 2), -1.0])
        east = np.cross(base, [1.0, 0.0, 0.0])
        axes = np.stack([base, east, np.cross(base, east)])
        self.base_axes = (axes / np.linalg.norm(axes, axis=1, keepdims=True)).astype(np.float32)
        self.base_angle = uniform(rng, 0.66, 0.95)  # half the opening angle of the base disc, in radians
        # The base is part of a larger sphere that meets the unit sphere a little inside the rim of the disc.
        self.dome_radius = uniform(rng, 1.2, 2.2)
        cosine = np.cos(self.base_angle - 0.04)
        self.dome_centre = float(cosine - np.sqrt(cosine**2 - 1 + self.dome_radius**2))

    def own(self, points: Array) -> Array:
        """View coordinates (3, N) to the nut's own, the tip along the last axis."""
        return transform(self.rotation, points) / np.array([[1], [1], [self.stretch]], np.float32)

    def excess(self, q: Array) -> Array:
        """Distance from the centre less the radius in that direction, for own coordinates (3, N): 0 on the surface."""
        x, y, z = q
        squares = x * x + y * y
        r = np.sqrt(squares + z * z)
        cosine = z / r
        body = 1 + self.tip_height * np.exp(-np.sqrt(np.maximum(2 - 2 * cosine, 0) + 0.003) / self.tip_width)
        body += self.pear * cosine * (4 * cosine * cosine - 3)
        body += self.two_lobes * (x * x - y * y) / (r * r) + self.three_lobes * x * (x * x - 3 * y * y) / (r * r * r)
        towards_base = transform(self.base_axes[:1], q)[0] / r
        dome = self.dome_centre * towards_base
        dome += np.sqrt(self.dome_radius**2 - self.dome_centre**2 * (1 - towards_base * towards_base))
        blend = np.clip(0.5 + (dome - body) / 0.1, 0, 1)
        return r - (mix(dome, body, blend) - 0.05 * blend * (1 - blend))

    def depth(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Height of the surface above the image plane at (x, y), and by how much the ray there misses the nut."""
        z = np.sqrt(np.maximum(1.15 - x * x - y * y, 0)).astype(np.float32)
        height, nearest, miss = z.copy(), np.full_like(z, np.inf), np.full_like(z, np.inf)
        slope = np.maximum(z, np.float32(0.3))
        active = np.arange(z.size)
        excess = self.excess(self.own(np.stack([x, y, z])))
        for _ in range(12):  # secant steps, shortened where the ray grazes the surface
            step = -excess / slope
            z = z + step
            before, excess = excess, self.excess(self.own(np.stack([x, y, z])))
            closer = np.abs(excess) < nearest[active]
            height[active[closer]], nearest[active[closer]] = z[closer], np.abs(excess[closer])
            miss[active] = np.minimum(miss[active], np.maximum(excess - 0.001, 0))
            away = (np.abs(excess) > 0.001) & (z > -0.5)
            slope = np.clip((excess - before)[away] / step[away], 0.3, 3)
            x, y, z, excess, active = x[away], y[away], z[away], excess[away], active[away]
        return height, miss


@dataclass(frozen=True)
class Surface:
    """The visible surface of a nut, a column a pixel that shows it.

    Attributes:
        index: Flat position of each pixel in the frame, (N,).
        cover: How much of the pixel it fills, less than 1 along the outline, (N,).
        points: View coordinates, (3, N).
        normals: Outward unit normals, (3, N).
        tip_angle: Angle from the tip, in [0, 1], (N,).
        meridian: Angle around the axis, in [0, 1), (N,).
        base_angle: Angle from the middle of the base disc less that of its rim, in radians: negative on the disc, (N,).
        base_meridian: Angle around the middle of the base disc, in [0, 1), (N,).
    """

    shape: Shape
    index: NDArray[np.intp]
    cover: Array
    points: Array
    normals: Array
    tip_angle: Array
    meridian: Array
    base_angle: Array
    base_meridian: Array

    @cached_property
    def shade(self) -> Array:
        """Share of the light that is reflected, in [0, 1], (N,): most from above in the image."""
        light = np.array([[0.05, -0.42, 0.9]], np.float32)
        return 0.32 + 0.28 * np.maximum(self.normals[2], 0) + 0.44 * np.maximum(transform(light, self.normals)[0], 0)

    def nearest(self, x: float, y: float) -> int:
        """The column whose pixel is nearest to (x, y)."""
        return int(np.argmin((self.points[0] - x) ** 2 + (self.points[1] - y) ** 2))


def trace(shape: Shape, centre: tuple[float, float], radius: float, size: int) -> Surface:
    """Finds the surface in a square frame.

    Args:
        shape: The solid.
        centre: Its centre in frame widths, from the upper left corner.
        radius: Its radius in frame widths.
        size: Width of the frame in pixels.
    """
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = np.meshgrid((axis - centre[0]) / radius, (axis - centre[1]) / radius)
    near = np.flatnonzero((x * x + y * y).ravel() < 1.35**2)
    x, y = x.ravel()[near], y.ravel()[near]
    z, miss = shape.depth(x, y)
    cover = np.clip(1 - miss * radius * size, 0, 1)
    hit = cover > 0
    points = np.stack([x[hit], y[hit], z[hit]])
    q = shape.own(points)
    at = shape.excess(q)
    step = 0.01
    gradient = np.stack([shape.excess(q + step * np.eye(3, dtype=np.float32)[:, [i]]) - at for i in range(3)])
    normals = transform(shape.rotation.T, gradient / np.array([[1], [1], [shape.stretch]], np.float32))
    normals /= np.sqrt((normals * normals).sum(0))
    along, east, north = transform(shape.base_axes, q)
    r = np.sqrt((q * q).sum(0))
    return Surface(
        shape=shape,
        index=near[hit],
        cover=cover[hit],
        points=points,
        normals=normals,
        tip_angle=np.arccos(np.clip(q[2] / r, -1, 1)) / np.pi,
        meridian=np.arctan2(q[1], q[0]) / (2 * np.pi) % 1,
        base_angle=np.arccos(np.clip(along / r, -1, 1)) - shape.base_angle,
        base_meridian=np.arctan2(north, east) / (2 * np.pi) % 1,
    )
