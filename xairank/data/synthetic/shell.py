"""The colours of a sound nut. Colours are in 8-bit levels, fractions in [0, 1]."""

import numpy as np

from xairank.data.synthetic.noise import Array, mix, noise_grid, noise_ring, read_grid, read_ring, smoothstep, uniform
from xairank.data.synthetic.nut import Surface, transform


def tint(red: float, green: float, blue: float) -> Array:
    """A colour as a column, to be broadcast over pixels."""
    return np.array([[red], [green], [blue]], np.float32)


VEIL = tint(29, 28, 29)  # stray light of the scanner: what a black surface shows


def lit(colour: Array, shade: Array) -> Array:
    """A colour (3, N) as the scanner sees it where the share ``shade`` (N,) of the light comes back."""
    return colour * shade + VEIL


def stripes(rng: np.random.Generator, surface: Surface) -> Array:
    """Dark meridional bands in [0, 1]: irregular in place, width and depth, fading along their length."""
    count = int(rng.integers(28, 46))
    middle = (np.arange(count) + rng.uniform(-0.3, 0.3, count)) / count
    width, depth = rng.uniform(0.1, 0.5, count) / count, rng.uniform(0.1, 1.0, count)
    distance = ((np.arange(2048)[:, None] / 2048 - middle + 0.5) % 1 - 0.5).astype(np.float32)
    profile = (depth.astype(np.float32) / (1 + (distance / width.astype(np.float32)) ** 2) ** 2).max(1)
    waviness = read_grid(noise_grid(rng, 6, 12), surface.tip_angle, surface.meridian)
    fading = read_grid(noise_grid(rng, 3, count), surface.tip_angle, surface.meridian)
    return read_ring(profile, surface.meridian + 0.004 * waviness) * np.clip(0.8 + 0.3 * fading, 0, 1.3)


def shell(rng: np.random.Generator, surface: Surface) -> Array:
    """Colour (3, N) of the bare shell."""
    red, green = uniform(rng, 96, 146), uniform(rng, 0.395, 0.485)
    base = tint(red, red * green, red * green * uniform(rng, 0.58, 0.68))
    tip, meridian = surface.tip_angle, surface.meridian
    dark = uniform(rng, 0.2, 0.56) * stripes(rng, surface)
    fine = read_grid(noise_grid(rng, 8, 300), tip, meridian)
    blotches = read_grid(noise_grid(rng, 6, 10), tip, meridian)
    mottle = read_grid(noise_grid(rng, 24, 60), tip, meridian)
    grain = read_grid(noise_grid(rng, 150, 300), tip, meridian)
    colour = base * ((1 - dark) * (1 + 0.03 * fine + 0.13 * blotches + 0.04 * mottle + 0.035 * grain))
    colour[1:] *= 1 + 0.05 * dark + 0.08 * blotches + 0.03 * mottle
    # Pale down around the tip, in streaks along the meridians.
    streaks = 0.5 * read_grid(noise_grid(rng, 9, 90), tip, meridian) + 0.4 * fine + 0.8 * mottle + 0.4 * grain
    reach, bareness = uniform(rng, 0.05, 0.24), uniform(rng, 0.3, 1.4)
    down = smoothstep(0.2, 1.6, 0.5 * streaks + 2.4 * np.exp(-((tip / reach) ** 2)) - bareness)
    colour = mix(colour, tint(88, 68, 51), 0.75 * down * smoothstep(0.5, 0.25, tip))
    # Scuffs, specks and freckles, which sound nuts have too. They would be drawn out near the poles.
    middle = smoothstep(0.15, 0.3, tip) * smoothstep(0.95, 0.8, tip)
    worn = smoothstep(uniform(rng, 1.5, 2.8), 3.6, read_grid(noise_grid(rng, 5, 7), tip, meridian) + 0.9 * grain)
    colour = mix(colour, tint(136, 100, 76), 0.45 * worn * middle)
    specks = smoothstep(2.4, 3.2, read_grid(noise_grid(rng, 120, 200), tip, meridian))
    colour = mix(colour, tint(160, 116, 84), 0.6 * specks * middle)
    freckles = smoothstep(3.0 - uniform(rng, 0.0, 0.6), 3.7, read_grid(noise_grid(rng, 54, 56), tip, meridian))
    return mix(colour, tint(38, 18, 12), 0.75 * freckles * middle)


def base_disc(rng: np.random.Generator, surface: Surface) -> tuple[Array, Array]:
    """Colour (3, N) of the rough disc at the base, and how much of each pixel it covers (N,)."""
    tone = uniform(rng, 0.0, 1.0)
    pale = tint(82, 51, 37) + tint(76, 47, 32) * tone
    rim, teeth = 0.045 * noise_ring(rng, 9) + 0.008 * noise_ring(rng, 60), int(rng.integers(34, 56))
    jitter, lengths = 0.4 * noise_ring(rng, 16), np.clip(0.6 + 0.5 * noise_ring(rng, 40), 0, 1.5)
    crown = uniform(rng, 0.2, 1.0)
    fibres, hairs, lumps = noise_grid(rng, 14, 210), noise_grid(rng, 34, 260), noise_grid(rng, 5, 9)

    angle = surface.base_meridian
    inside = -(surface.base_angle + read_ring(rim, angle))  # radians from the rim towards the middle
    from_middle = np.clip(1 - inside / surface.shape.base_angle, 0, 1)
    spread = smoothstep(0.0, 0.2, from_middle)
    lump = read_grid(lumps, from_middle, angle)
    fibre = read_grid(fibres, from_middle, angle + 0.003 * lump) * spread
    hair = read_grid(hairs, from_middle, angle) * spread
    rough = 0.88 + 0.16 * fibre + 0.19 * hair + 0.09 * lump * spread + 0.2 * (1 - from_middle)
    colour = pale * np.clip(rough, 0.3, 1.6)
    colour = mix(colour, tint(46, 30, 22), 0.5 * smoothstep(0.9, 2.2, lump + 0.5 * fibre))
    # The crown: pale lobes along the rim, zigzag towards the middle.
    lobe = np.abs(2 * ((angle * teeth + read_ring(jitter, angle)) % 1) - 1)
    beyond = inside - (0.03 + 0.1 * read_ring(lengths, angle) * lobe)
    lobe_colour = tint(120, 68, 43) * (0.6 + 0.4 * tone) * (1 + 0.1 * hair + 0.12 * fibre)
    colour = mix(colour, lobe_colour, crown * smoothstep(0.014, -0.014, beyond))
    gap = np.exp(-((beyond / 0.014) ** 2)) * np.clip(0.6 + 0.5 * lump, 0, 1)
    outline = np.exp(-((inside / 0.016) ** 2))
    return colour * (1 - 0.4 * gap) * (1 - 0.55 * outline), smoothstep(-0.008, 0.008, inside)


def paint(rng: np.random.Generator, surface: Surface) -> Array:
    """Colour (3, N) of a sound nut as the scanner sees it."""
    bare = shell(rng, surface)
    disc, cover = base_disc(rng, surface)
    towards_lamp = transform(np.array([[0.1, -0.35, 0.93]], np.float32), surface.normals)[0]
    gloss = uniform(rng, 3, 16) * np.clip(towards_lamp, 0, 1) ** 14
    return lit(mix(bare, disc, cover), surface.shade) + gloss * (1 - cover)
