"""What a user asks of ``python -m xairank.figures``, as ``key=value`` arguments."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from xairank.config import unknown_key
from xairank.errors import UserError

FORMATS = ("pdf", "svg", "png")
SPLITS = ("train", "test")

USAGE = """\
python -m xairank.figures name=<sweep> [key=value ...]

Draws the figures of a sweep into <folder>/<name>/figures.

  name=paper            the sweep (required)
  folder=multirun       where sweeps are
  sample=crack/000      the sample of Figures 3 and 6; by default Figure 6 shows the best, the median and the worst
                        sample of each method, Figure 3 the best of Grad-CAM
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
    """
    given = dict(_split_argument(argument) for argument in arguments)
    if not given.get("name"):
        raise UserError("name: missing; expected the name of a sweep, for example name=paper; --help tells the rest")
    formats = given.get("formats", ",".join(FORMATS)).split(",")
    return Options(
        name=given["name"],
        folder=Path(given.get("folder", "multirun")),
        sample=given.get("sample"),
        split=_allowed("split", given.get("split", "test"), SPLITS),
        seed=_whole_number(given["seed"]) if "seed" in given else None,
        formats=tuple(dict.fromkeys(_allowed("formats", suffix, FORMATS) for suffix in formats)),
    )


def _split_argument(argument: str) -> tuple[str, str]:
    key, equals, value = argument.partition("=")
    if not equals:
        raise UserError(f"{argument}: found no '='; expected key=value, for example name=paper")
    known = [field.name for field in fields(Options)]
    if key not in known:
        raise UserError(unknown_key(key, known))
    return key, value


def _whole_number(text: str) -> int:
    if not text.isdecimal():
        raise UserError(f"seed={text} is not allowed: expected a whole number, for example seed=42")
    return int(text)


def _allowed(key: str, value: str, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise UserError(f"{key}={value} is not allowed: expected {' or '.join(allowed)}")
    return value
