"""Random numbers, smooth random textures and the small arithmetic of blending them."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """One draw, as a Python float: float32 arrays times a NumPy float64 would become float64."""
    return float(rng.uniform(low, high))


def smoothstep(low: float, high: float, x: Array) -> Array:
    """0 below ``low``, 1 above ``high``, a cubic between them."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def mix(first: Array, second: Array, weight: Array) -> Array:
    """``first`` where the weight is 0, ``second`` where it is 1."""
    return first + (second - first) * weight


def noise_grid(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """Independent standard normal values for :func:`read_grid`, which makes smooth noise of them."""
    return rng.standard_normal((rows, columns), np.float32)


def read_grid(grid: Array, u: Array, v: Array) -> Array:
    """Reads a grid, smoothly, at fractions of its height, in [0, 1], and of its width, periodic."""
    rows, columns = grid.shape
    wide = np.concatenate([grid, grid[:, :1]], axis=1).ravel()
    row, column = u * (rows - 1), (v - np.floor(v)) * columns
    top = np.minimum(row.astype(np.int32), rows - 2)
    left = np.minimum(column.astype(np.int32), columns - 1)
    down, right = smoothstep(0, 1, row - top), smoothstep(0, 1, column - left)
    corner = top * (columns + 1) + left
    upper = mix(wide[corner], wide[corner + 1], right)
    corner += columns + 1
    return mix(upper, mix(wide[corner], wide[corner + 1], right), down)


def read_ring(table: Array, v: Array) -> Array:
    """Reads a periodic table at fractions of its length, bare of interpolation: for tables finer than the pixels."""
    return table[(v * table.size).astype(np.int32) % table.size]


def noise_ring(rng: np.random.Generator, knots: int) -> Array:
    """Smooth noise around a circle, for :func:`read_ring`."""
    ring = np.fft.irfft(np.fft.rfft(rng.standard_normal(knots)), 4096)
    return (ring / ring.std()).astype(np.float32)


def jagged_ring(rng: np.random.Generator, knots: int) -> Array:
    """Straight lines between random values at irregular places around a circle, for :func:`read_ring`."""
    places = (np.arange(knots) + rng.uniform(-0.4, 0.4, knots)) / knots
    return np.interp(np.arange(4096) / 4096, places, rng.standard_normal(knots), period=1.0).astype(np.float32)
