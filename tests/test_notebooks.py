"""Each notebook runs from the first cell to the last in an empty folder, and is kept without what it showed."""

import os
import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="needs the extra notebooks")
nbclient = pytest.importorskip("nbclient", reason="needs the extra notebooks")

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


@each
@pytest.mark.xdist_group("notebooks")  # one at a time: each starts a Python of its own that loads torch
def test_a_notebook_runs_and_shows_a_ranking(path, tmp_path, monkeypatch):
    pytest.importorskip("ipykernel", reason="needs the extra notebooks")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    notebook = read(path)
    client = nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in shown), "no picture"
    assert any("<Ranking of" in output.get("data", {}).get("text/plain", "") for output in shown), "no ranking"
    said = [output.get("text", "") for output in shown]
    assert not [text for text in said if "Warning" in text and "TqdmWarning" not in text]  # which ipywidgets ends
    assert not [text for text in said if "\x1b[" in text], "signs for a terminal"


@each
def test_a_notebook_is_kept_without_outputs(path):
    notebook = read(path)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None
        assert not cell.metadata
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.language_info == {"name": "python"}


@each
def test_links_of_a_notebook_lead_somewhere(path):
    for cell in read(path).cells:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", cell.source if cell.cell_type == "markdown" else ""):
            assert (path.parent / target).is_file(), target


def test_the_documentation_lists_every_notebook():
    page = (ROOT / "docs" / "notebooks.md").read_text(encoding="utf-8")
    assert re.findall(r"`notebooks/(\w+)\.ipynb`", page) == [path.stem for path in NOTEBOOKS]
