"""The arrows between the rooms of the package run one way, as CONTRIBUTING.md says."""

import ast
from pathlib import Path

import pytest

import xairank

PACKAGE = Path(xairank.__file__).parent
GROUND = {
    "schema",
    "config",
    "console",
    "errors",
    "files",
    "locking",
    "names",
    "download",
    "progress",
    "rules",
    "stopping",
    "tensors",
}
PEERS = ("data", "models", "attribution", "evaluation", "ranking", "runs", "explanations")
NO_TORCH = ("ranking", "tables", "figures", "report", "runs", "explanations")


def imports(path):
    """The modules that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def files(room):
    return sorted((PACKAGE / room).rglob("*.py"))


@pytest.mark.parametrize("room", PEERS)
def test_peers_do_not_import_one_another(room):
    assert files(room)
    for path in files(room):
        if path.name == "__main__.py":  # a command wires what it needs
            continue
        rooms = {name.split(".")[1] for name in imports(path) if name.startswith("xairank.")}
        assert rooms <= {room} | GROUND, path


@pytest.mark.parametrize("room", NO_TORCH)
def test_what_reads_runs_never_imports_torch(room):
    for path in files(room):
        assert not {name.split(".")[0] for name in imports(path)} & {"torch", "pytorch_lightning", "timm"}, path


@pytest.mark.parametrize("room", ["attribution", "evaluation"])
def test_methods_and_metrics_know_neither_hydra_nor_lightning(room):
    for path in files(room):
        assert not {name.split(".")[0] for name in imports(path)} & {"hydra", "omegaconf", "pytorch_lightning"}, path


def test_trackers_read_runs_and_make_none():
    allowed = {"tracking", "ranking", "runs", "tables", "figures"} | GROUND
    for path in files("tracking"):
        assert {name.split(".")[1] for name in imports(path) if name.startswith("xairank.")} <= allowed, path


def test_the_ground_floor_imports_no_room():
    for name in GROUND:
        path = PACKAGE / f"{name}.py"
        if path.is_file():
            rooms = {module.split(".")[1] for module in imports(path) if module.startswith("xairank.")}
            assert rooms <= GROUND, path


def test_the_extra_is_needed_by_the_dashboard_alone_and_nobody_needs_the_dashboard():
    for path in PACKAGE.rglob("*.py"):
        if "dashboard" not in path.relative_to(PACKAGE).parts:
            found = list(imports(path))
            assert not {name.split(".")[0] for name in found} & {"panel", "plotly", "bokeh"}, path
            assert not [name for name in found if name.startswith("xairank.dashboard")], path


def test_no_module_outgrows_what_one_can_read():
    for path in PACKAGE.rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 280, path
