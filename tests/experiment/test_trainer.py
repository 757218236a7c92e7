import warnings

import pytest
import pytorch_lightning as pl
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pytorch_lightning.accelerators import CUDAAccelerator

from tests.test_config import composed
from xairank.errors import UserError
from xairank.experiment.trainer import AtomicCheckpointIO, create_trainer, drop_optimizer, load_checkpoint


def trainer_of(*overrides):
    return create_trainer(composed("trainer.accelerator=cpu", *overrides), [])


def test_our_defaults_and_the_users_arguments():
    trainer = trainer_of("+trainer.gradient_clip_val=0.5", "trainer.max_epochs=7")
    assert (trainer.max_epochs, trainer.gradient_clip_val, trainer.log_every_n_steps) == (7, 0.5, 1)
    assert torch.are_deterministic_algorithms_enabled()
    assert trainer.num_devices == 1
    assert trainer_of("+trainer.log_every_n_steps=5").log_every_n_steps == 5


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+trainer.max_epoch=1", r"^trainer.max_epoch: no such key; did you mean trainer.max_epochs\?"),
        ("+trainer.gradient_clip_algorithm=cut", "^trainer.gradient_clip_algorithm=cut: "),
        (
            "+trainer.accumulate_grad_batches=none",
            "^trainer.accumulate_grad_batches=none is not allowed: expected int, as",
        ),
        ("+trainer.profiler=fast", "^trainer.profiler=fast: "),
        ("trainer.accelerator=mps", "^trainer.accelerator=mps: .*; try trainer.accelerator=auto$"),
    ],
)
def test_what_lightning_refuses_is_one_line_that_names_the_key(override, message):
    with pytest.raises(UserError, match=message) as caught:
        trainer_of(override)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_without_its_optimizer_keeps_all_else(tmp_path):
    path = tmp_path / "last.ckpt"
    whole = {"state_dict": {"w": torch.arange(3.0)}, "optimizer_states": [{"state": {0: torch.ones(3)}}], "epoch": 4}
    torch.save(whole, path)
    drop_optimizer(path)
    found = load_checkpoint(path)
    assert found["optimizer_states"] == []
    assert found["epoch"] == 4
    assert torch.equal(found["state_dict"]["w"], torch.arange(3.0))
    written = path.stat().st_mtime_ns
    drop_optimizer(path)
    assert path.stat().st_mtime_ns == written


def test_a_gpu_that_the_user_does_not_want_is_not_missed(monkeypatch):
    monkeypatch.setattr(CUDAAccelerator, "is_available", lambda *_: True)
    with pytest.warns(UserWarning, match="GPU available but not used"):
        pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer_of("trainer.accelerator=cpu")


@pytest.fixture
def small_files():
    """No file grows past 3000 bytes, as on a disk that is full by then."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_checkpoint_that_cannot_be_written_to_its_end_is_named_and_the_last_one_stays(tmp_path, small_files):
    path = tmp_path / "last.ckpt"
    write = AtomicCheckpointIO().save_checkpoint
    write({"epoch": 1}, path)
    with pytest.raises(OSError, match=r"File too large: '.*last.ckpt'"):
        write({"epoch": 2, "state_dict": {"w": torch.ones(30, 1000)}}, path)
    assert load_checkpoint(path) == {"epoch": 1}
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture(scope="module")
def whole_checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "last.ckpt"
    torch.save({"state_dict": {"w": torch.arange(500.0)}, "optimizer_states": [], "epoch": 1}, path)
    return path.read_bytes()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True))
@example(share=0)
@example(share=1 - 1e-9)
def test_a_checkpoint_cut_off_anywhere_is_named(tmp_path, whole_checkpoint, share):
    path = tmp_path / "last.ckpt"
    path.write_bytes(whole_checkpoint[: int(share * len(whole_checkpoint))])
    with pytest.raises(UserError, match=r"last.ckpt: cannot be read \(\w+\); delete it to train this run again$"):
        load_checkpoint(path)


def test_a_checkpoint_that_is_none_is_named(tmp_path):
    (tmp_path / "last.ckpt").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"last.ckpt: cannot be read \(\w+\); delete it to train this run again"):
        load_checkpoint(tmp_path / "last.ckpt")
