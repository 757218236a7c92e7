"""The documentation is built without a warning: every link, anchor and name in it is there."""

import doctest
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import xairank
from xairank import attribution, evaluation

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built pages."""
    pytest.importorskip("mkdocstrings", reason="needs the extra docs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
    return folder


def test_the_pages_load_nothing_from_elsewhere(site):
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe)[^>]* src=\"?(https?:[^\" >]+)", text)
        loaded += re.findall(r"<link[^>]* rel=\"?(?:stylesheet|preconnect)\"?[^>]*href=\"?(https?:[^\" >]+)", text)
        assert not loaded, f"{path}: {loaded}"


def test_every_exported_name_has_an_entry(site):
    for page, module in (("api", xairank), ("api_attribution", attribution), ("api_evaluation", evaluation)):
        text = (site / f"{page}.html").read_text(encoding="utf-8")
        for name in module.__all__:
            assert re.search(rf'<h3 id="[\w.]*\b{name}"', text), f"docs/{page}.md: {name} is missing"
        assert not re.search(r":(?:class|func|mod|data):", text)


def test_docstrings_become_markdown():
    pytest.importorskip("griffe", reason="needs the extra docs")
    specification = importlib.util.spec_from_file_location("documented", ROOT / "docs" / "documented.py")
    documented = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(documented)
    assert doctest.testmod(documented) == (0, 1)


def test_the_readme_is_short_and_its_links_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (ROOT / target).is_file(), f"README.md: {target}"


def test_pictures_are_small():
    sizes = {path.name: path.stat().st_size for path in (ROOT / "docs" / "pictures").iterdir()}
    assert set(sizes) == {"report.png", "figure6.png"}
    assert max(sizes.values()) < 300_000


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert f'version = "{citation["version"]}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = [title for title in re.findall(r"^## (.+)$", changes, re.MULTILINE) if title != "Not yet released"]
    assert released[0] == citation["version"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", title) for title in released)


def test_what_contributing_names_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:xairank|conf|docs|tests|\.ci|\.github)/[\w./]*)`", text)
    assert len(named) > 20
    assert not [path for path in named if not (ROOT / path).exists()]
    rooms = text.partition("## The rooms")[2].partition("## ")[0]
    package = {path.name for path in (ROOT / "xairank").iterdir() if not path.name.startswith(("_", "."))}
    assert not [name for name in package if not re.search(rf"\b{re.escape(name)}(?:/| |$)", rooms, re.MULTILINE)]
