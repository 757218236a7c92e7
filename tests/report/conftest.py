"""Rendered sweeps and their galleries."""

import pytest

from tests.report.sweeps import write_rendered_sweep
from xairank.runs.sweep import Sweep, read_sweep


@pytest.fixture(scope="session")
def rendered_sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """Three seeds, 12 defects and 6 good images of 64 pixels; not to be changed."""
    place = tmp_path_factory.mktemp("rendered")
    return read_sweep(write_rendered_sweep(place / "multirun" / "nuts", place / "data", seeds=(42, 43, 44)))
