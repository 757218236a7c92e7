import pytest
import torch

from tests.attribution.networks import network
from xairank.attribution import freeze
from xairank.experiment import batch_limits
from xairank.experiment.batch_limits import remembered_batch_limit


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Counts measurements, in a cache of its own."""
    calls = []
    monkeypatch.setattr(batch_limits.platformdirs, "user_cache_dir", lambda name: str(tmp_path / name))
    monkeypatch.setattr(batch_limits, "measure_batch_limit", lambda model, image: calls.append(1) or 4 + len(calls))
    return calls


def test_measures_once_for_a_network_and_image_size(measured):
    image = torch.rand(1, 3, 64, 64)
    resnet, mobilenet = (freeze(network(name), image) for name in ("resnet18", "mobilenetv3_small_050"))
    assert [remembered_batch_limit(resnet, image) for _ in range(3)] == [5, 5, 5]
    assert remembered_batch_limit(mobilenet, image) == 6
    assert remembered_batch_limit(resnet, torch.rand(1, 3, 32, 32)) == 7
    assert len(measured) == 3


@pytest.mark.parametrize("text", ["", "{}", '{"batch_limit": "many"}', "[]"])
def test_a_damaged_memory_is_measured_anew(measured, tmp_path, text):
    image = torch.rand(1, 3, 64, 64)
    frozen = freeze(network("resnet18"), image)
    remembered_batch_limit(frozen, image)
    (memory,) = tmp_path.rglob("*.json")
    memory.write_text(text)
    assert remembered_batch_limit(frozen, image) == 6


def test_a_cache_that_cannot_be_written_only_costs_time(measured, tmp_path):
    (tmp_path / "xairank").write_text("a file where the folder should be")
    image = torch.rand(1, 3, 64, 64)
    assert remembered_batch_limit(freeze(network("resnet18"), image), image) == 5
