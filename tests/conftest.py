"""Fixtures shared by the tests: a tiny category on disk, small models, and the real sample data where it is at hand."""

import os
import signal
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.mirror import serving

SHARED = Path(__file__).parents[2] / "shared"
CLASSES = ("crack", "hole")
# A shell ignores Ctrl-C for what it starts in its background, and so would the commands that the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real MVTec images and weights beside the checkout; tests that need them skip where they are absent."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared with real data beside the checkout")
    return SHARED


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Measured batch limits go to a cache of the tests' own, also those of the commands they start."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    """A server of downloads, see :mod:`tests.mirror`."""
    monkeypatch.setattr("xairank.download.CHUNK", 1000)  # what was read of a chunk that breaks off is lost
    with serving() as server:
        yield server


def write_category(folder: Path, *, good: int = 12, defects: int = 6, size: int = 48, seed: int = 0) -> Path:
    """A tiny category in MVTec layout: noise, with a bright bar (crack) or a dark disc (hole) as the defect."""
    generator = np.random.default_rng(seed)
    for part, count in (("train", good - good // 3), ("test", good // 3)):
        for index in range(count):
            _save(folder / part / "good" / f"{index:03}.png", _background(generator, size))
    rows, columns = np.mgrid[:size, :size]
    for label in CLASSES:
        for index in range(defects):
            image = _background(generator, size)
            row, column = generator.integers(size // 3, 2 * size // 3, 2)
            if label == "crack":
                mask = (abs(rows - row) < 3) & (abs(columns - column) < size // 4)
            else:
                mask = (rows - row) ** 2 + (columns - column) ** 2 < (size // 8) ** 2
            image[mask] = 250 if label == "crack" else 5
            _save(folder / "test" / label / f"{index:03}.png", image)
            _save(folder / "ground_truth" / label / f"{index:03}_mask.png", mask.astype(np.uint8) * 255)
    return folder


@pytest.fixture
def category(tmp_path: Path) -> Path:
    """A fresh tiny category, ``tmp_path/data/nuts``, for a test to break."""
    return write_category(tmp_path / "data" / "nuts")


def _background(generator: np.random.Generator, size: int) -> np.ndarray:
    return generator.integers(90, 150, (size, size, 3), dtype=np.uint8)


def _save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Runs ``python -m xairank.train`` in an empty working folder with a tiny category in ``data/nuts``."""
    from tests.training import QUICK, command  # with it Lightning is imported

    write_category(tmp_path / "data" / "nuts", good=20, defects=10)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: command(monkeypatch, capsys, *QUICK, *arguments)
