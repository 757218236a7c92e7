"""Six seeds and their tables."""

import pytest

from tests.runs_fixture import write_fake_sweep
from xairank.runs.sweep import read_sweep
from xairank.tables.collection import make_tables


@pytest.fixture(scope="session")
def sweep(tmp_path_factory):
    folder = write_fake_sweep(tmp_path_factory.mktemp("multirun") / "paper", range(42, 48), n_epochs=30)
    return read_sweep(folder)


@pytest.fixture(scope="session")
def tables(sweep):
    return {table.name: table for table in make_tables(sweep)[0]}
