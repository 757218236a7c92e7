"""The two pictures of the README, of the demo's results; ``python -m tests.readme_pictures [FOLDER]`` draws them.

FOLDER is where ``python -m xairank.train experiment=demo`` left its ``multirun``; where there is none, or without the
argument, the demo is run first. Needs the figures' libraries, chromium and playwright.
"""

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib as mpl
from PIL import Image
from playwright.sync_api import sync_playwright

from xairank.figures.catalog import list_figures
from xairank.figures.options import Options
from xairank.figures.style import RC, save
from xairank.files import atomic
from xairank.runs.sweep import read_sweep
from xairank.schema import TEST

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
LARGEST = 290_000  # bytes
COLORS = (None, 256, 192, 128, 96, 64, 32)  # None: all
WIDTH, HEIGHT = 1200, 900  # of the browser's window, in pixels


def draw(folder: Path) -> None:
    """Draws both pictures, from the demo in a folder, in which it is run if it is not there.

    Args:
        folder: That holds ``multirun``.
    """
    multirun = folder / "multirun"
    if not list(multirun.glob("demo/*/run.json")):
        subprocess.run([sys.executable, "-m", "xairank.train", "experiment=demo"], cwd=folder, check=True)
    _write("figure6", _figure6(multirun))
    subprocess.run([sys.executable, "-m", "xairank.report", "name=demo", f"folder={multirun}"], check=True)
    _write("report", _first_screen(multirun / "demo" / "report" / "index.html"))


def _figure6(multirun: Path) -> bytes:
    """Figure 6 of the image with the largest overlap of all methods together."""
    sweep = read_sweep(multirun / "demo")
    (group,) = sweep.groups
    overlap = group.of_split(TEST).groupby("sample")[group.metric].mean()
    options = Options("demo", multirun, str(overlap.idxmax()), TEST, None, ("png",))
    figures, _ = list_figures(sweep, options)
    (name,) = (name for name in figures if name.startswith("figure6"))
    with mpl.rc_context(RC), tempfile.TemporaryDirectory() as temporary:
        (file,) = save(figures[name](), Path(temporary, name), ("png",))
        return file.read_bytes()


def _first_screen(page: Path) -> bytes:
    """What a browser shows of a page when it is opened."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        try:
            opened = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            opened.goto(page.resolve().as_uri())
            return opened.screenshot()
        finally:
            browser.close()


def _write(name: str, content: bytes) -> None:
    """Writes a picture with as many colours as fit."""
    image = Image.open(io.BytesIO(content)).convert("RGB")
    image.thumbnail((WIDTH, 2 * HEIGHT))
    for colors in COLORS:
        buffer = io.BytesIO()
        fewer = image.quantize(colors, kmeans=2, dither=Image.Dither.NONE) if colors else image
        fewer.save(buffer, "png", optimize=True)
        if buffer.tell() <= LARGEST:
            break
    PICTURES.mkdir(exist_ok=True)
    with atomic(PICTURES / f"{name}.png") as temporary:
        temporary.write_bytes(buffer.getvalue())
    print(f"{PICTURES / name}.png: {image.width} x {image.height}, {colors or 'all'} colours, {buffer.tell():,} bytes")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        draw(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            draw(Path(temporary))
