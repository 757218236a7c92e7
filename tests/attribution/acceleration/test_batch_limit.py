import pytest
import torch

from tests.attribution.networks import images_and_targets, network
from xairank.attribution import freeze, measure_batch_limit
from xairank.attribution.acceleration import batch_limit


@pytest.fixture
def frozen():
    return freeze(network("resnet18"), images_and_targets(1)[0])


@pytest.mark.parametrize(
    ("cost", "expected", "tried"),
    [
        (lambda batch: 10 + batch, 128, 256),  # a fixed cost a pass: larger is better, until it is not worth it
        (lambda batch: 10 + batch + (batch**2 / 8), 8, 32),  # a cache: stops soon after it gets worse
        (lambda batch: batch**2, 1, 4),
    ],
)
def test_chooses_the_batch_with_the_least_time_an_image(frozen, monkeypatch, cost, expected, tried):
    batches = []

    def seconds(model, inputs):
        batches.append(len(inputs))
        return cost(len(inputs))

    monkeypatch.setattr(batch_limit, "_seconds", seconds)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 128)
    assert measure_batch_limit(frozen, images_and_targets(1)[0]) == expected
    assert max(batches) == tried


def test_a_size_has_a_pass_that_does_not_count(frozen, monkeypatch):
    seen = set()

    def seconds(model, inputs):
        first = len(inputs) not in seen
        seen.add(len(inputs))
        return 1000 if first else 1  # as where memory is handed out, or kernels are compiled

    monkeypatch.setattr(batch_limit, "_seconds", seconds)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert measure_batch_limit(frozen, images_and_targets(1)[0]) == 16  # four a thread


def test_stops_where_memory_ends(frozen, monkeypatch):
    def seconds(model, inputs):
        if len(inputs) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return 1.0 + len(inputs)

    monkeypatch.setattr(batch_limit, "_seconds", seconds)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    assert measure_batch_limit(frozen, images_and_targets(1)[0]) == 4


def test_really_measures(frozen):
    assert measure_batch_limit(frozen, images_and_targets(1)[0]) in batch_limit.CANDIDATES


def test_the_rule_depends_on_device_and_threads_alone():
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 4, 64):
            torch.set_num_threads(count)
            found.append(batch_limit.default_batch_limit(torch.device("cpu")))
    finally:
        torch.set_num_threads(threads)
    assert found == [4, 8, 16, 16]
    assert batch_limit.default_batch_limit(torch.device("cuda")) == 64
