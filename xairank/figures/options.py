"""What a user asks of ``python -m xairank.figures``, as ``key=value`` arguments."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from xairank.console import parse_sweep
from xairank.errors import UserError
from xairank.schema import SPLITS

FORMATS = ("pdf", "svg", "png")

USAGE = """\
python -m xairank.figures name=<sweep> [key=value ...]

Draws the figures of a sweep into <folder>/<name>/figures.

  name=paper            the sweep (required)
  folder=multirun       where sweeps are
  sample=crack/000      the sample of Figures 3 and 6; by default Figure 6 shows the best, the median and the worst
                        sample of each method, Figure 3 the best of each
                        method with class activation maps
  split=test            train or test: where those samples are taken from
  seed=42               the run those samples are taken from; by default the first seed
  formats=pdf,svg,png   one or more of them"""


@dataclass(frozen=True)
class Options:
    """The arguments; see :data:`USAGE`."""

    name: str
    folder: Path
    sample: str | None
    split: str
    seed: int | None
    formats: tuple[str, ...]


def parse_options(arguments: Sequence[str]) -> Options:
    """Options from ``key=value`` arguments.

    Raises:
        UserError: No sweep is named, a key does not exist, or a value is not allowed.
        SystemExit: Help was asked for.
    """
    given = parse_sweep(arguments, usage=USAGE, also=[field.name for field in fields(Options)])
    formats = given.get("formats", ",".join(FORMATS)).split(",")
    return Options(
        name=given["name"],
        folder=Path(given["folder"]),
        sample=given.get("sample"),
        split=_allowed("split", given.get("split", "test"), list(SPLITS)),
        seed=_whole_number(given["seed"]) if "seed" in given else None,
        formats=tuple(dict.fromkeys(_allowed("formats", suffix, FORMATS) for suffix in formats)),
    )


def _whole_number(text: str) -> int:
    if not text.isdecimal():
        raise UserError(f"seed={text} is not allowed: expected a whole number, for example seed=42")
    return int(text)


def _allowed(key: str, value: str, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise UserError(f"{key}={value} is not allowed: expected {' or '.join(allowed)}")
    return value
