"""Each page of the documentation that says it runs as it is, run as it is: a reader's shell and Python, block by block.

The quick test trains on few images, for one epoch.
"""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from xairank.data.example import EXAMPLE, write_example

ROOT = Path(__file__).parents[1]
PAGES = ["torchvision", "timm", "transformers", "own_module", "maps_from_captum"]


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """A few of the rendered images, once for all pages."""
    folder = tmp_path_factory.mktemp("few") / "example"
    write_example(folder, replace(EXAMPLE, good=8, defects={"hole": 7, "print": 7}))
    return folder


@pytest.fixture(scope="module")
def all_of_them(tmp_path_factory):
    folder = tmp_path_factory.mktemp("all") / "example"
    write_example(folder)
    return folder


def as_script(page, folder):
    """A page as one Python script, with its shell blocks; Python blocks that begin with a file's name become files."""
    script = "import subprocess\n"
    for language, text in re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        if language == "bash" and "xairank.data example" not in text:
            script += f"subprocess.run(['bash', '-euc', {text!r}], check=True)\n"
        elif language == "python" and (file := re.match(r"# (\w+\.py)\n", text)):
            (folder / file.group(1)).write_text(text)
        elif language == "python":
            script += text
    return script


def run(name, example, folder, *, epochs=None):
    (folder / "example").symlink_to(example)
    script = as_script((ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8"), folder)
    if epochs:
        script = re.sub(r"for _ in range\(\d+\)", f"for _ in range({epochs})", script)
    (folder / "page.py").write_text(script)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    found = subprocess.run([sys.executable, "page.py"], cwd=folder, env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


@pytest.mark.parametrize("name", PAGES)
def test_a_page_runs(name, few, tmp_path):
    run(name, few, tmp_path, epochs=1)
    (record,) = tmp_path.glob("multirun/*/*/run.json")
    assert '"status": "complete"' in record.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_the_network_of_a_page_classifies_and_is_ranked(name, all_of_them, tmp_path):
    out = run(name, all_of_them, tmp_path)
    accuracy = float(re.search(r"Balanced accuracy of the classifier: ([\d.]+)", out).group(1))
    assert accuracy > 0.8
    assert "ranks above" in out
