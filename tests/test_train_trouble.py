"""What goes wrong in the middle of a run, a full disk, a diverging loss, no memory: a line, and nothing is lost."""

import errno
import functools

import pytest
import torch

from tests.training import only_run

NO_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:119] err == 0. DefaultCPUAllocator: can't allocate memory"),
    MemoryError(),
]


def one_line(status, err):
    assert status == 2
    assert err.count("\n") == 1, err
    assert err.startswith("xairank: error: ")
    return err


def test_a_full_disk_is_named_with_the_file_and_nothing_is_lost(run, tmp_path, monkeypatch):
    from xairank import files

    run("trainer.max_epochs=1")
    only_run(tmp_path).rename(tmp_path / "expected")
    original, full = files._to_disk, ["last.ckpt", "scores.parquet", "run.json"]

    def to_disk(path):
        if full and path.name.startswith("." + full[0].partition(".")[0]):
            raise OSError(errno.ENOSPC, "No space left on device")
        original(path)

    monkeypatch.setattr(files, "_to_disk", to_disk)
    while full:
        said = one_line(*run("trainer.max_epochs=1")[::2])
        assert said.endswith(f"/{full[0]}: No space left on device; free some space, and run again to resume\n")
        assert not list(only_run(tmp_path).rglob(".*"))
        full.pop(0)
    status, _, err = run("trainer.max_epochs=1")
    assert status == 0, err
    for name in ("scores.parquet", "excluded.csv", "metrics.csv", "maps.npz"):
        assert (only_run(tmp_path) / name).read_bytes() == (tmp_path / "expected" / name).read_bytes(), name


def test_a_loss_that_is_no_number_names_epoch_and_batch(run, tmp_path):
    said = one_line(*run("model.lr=1e30")[::2])
    assert "model.lr=1e+30: training diverged, the loss of batch 2 of epoch 1 is " in said
    assert "lower it" in said
    assert not (only_run(tmp_path) / "checkpoints" / "last.ckpt").exists()
    assert not list(only_run(tmp_path).rglob(".*"))


@pytest.mark.parametrize("error", NO_MEMORY, ids=lambda error: type(error).__name__)
def test_training_without_memory_names_the_batch_size(run, monkeypatch, error):
    from xairank.models import MultitaskModule

    @functools.wraps(MultitaskModule.training_step)
    def training_step(self, batch):
        raise error

    monkeypatch.setattr(MultitaskModule, "training_step", training_step)
    said = one_line(*run()[::2])
    assert "data.batch_size=8: training needs more memory than there is (cpu); try data.batch_size=4" in said


@pytest.mark.parametrize("length", [0, 4, 1000])
def test_a_table_cut_off_under_a_complete_run_is_named(tmp_path, length):
    from xairank.errors import UserError
    from xairank.runs.reading import parquet_metadata

    path = tmp_path / "scores.parquet"
    path.write_bytes(b"PAR1" + bytes(length))
    with pytest.raises(UserError, match=r"scores.parquet: not a Parquet file; delete it and its run's run.json"):
        parquet_metadata(path)
