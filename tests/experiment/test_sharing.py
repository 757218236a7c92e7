"""Several devices do what one does: here, processes on the CPU."""

import errno
import functools
import re
import traceback
from itertools import chain

import numpy as np
import pytest
import torch
from torch.multiprocessing import ProcessRaisedException

from xairank.attribution.protocol import is_out_of_memory
from xairank.data.datamodule import Selections
from xairank.errors import UserError
from xairank.experiment.sharing import cause_in_process, shared_out

CPU = torch.device("cpu")


def numbers(share, advance, *, count):
    """Every process reports the parts that are its own."""
    own = [part for part in range(count) if share.has(part)]
    advance(len(own))
    return own


def refuses(share, advance):
    if share.number == 1:
        raise UserError("data.root=nowhere: there is no such folder")
    torch.multiprocessing.get_context("spawn").Event().wait()  # would last for ever


def test_each_part_is_done_once_whatever_the_number_of_devices():
    for count in (1, 2):
        done = []
        found = shared_out(functools.partial(numbers, count=7), [CPU] * count, done.append)
        assert sorted(chain(*found)) == list(range(7))
        assert [len(own) for own in found] == ([7] if count == 1 else [4, 3])
        assert sum(done) == 7


def test_a_mistake_on_one_device_ends_all():
    with pytest.raises(UserError, match=r"^data\.root=nowhere: there is no such folder$"):
        shared_out(refuses, [CPU, CPU], lambda _: None)


ENDED = [
    (UserError("model.lr=1: diverged"), UserError, r"^model\.lr=1: diverged$"),
    (OSError(errno.ENOSPC, "No space left on device", "runs/last.ckpt"), OSError, "No space left on device"),
    (PermissionError(errno.EACCES, "Permission denied", "runs/it's.ckpt"), PermissionError, "it's.ckpt"),
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), MemoryError, "Tried to allocate"),
    (MemoryError(), MemoryError, "^MemoryError$"),
    (
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        ProcessRaisedException,
        "DefaultCPUAllocator",
    ),
    (ZeroDivisionError("power cut"), ProcessRaisedException, "(?s)Traceback.*power cut"),
]


@pytest.mark.parametrize(("error", "kind", "said"), ENDED, ids=lambda one: getattr(one, "__name__", ""))
def test_what_ended_another_process_is_told_from_its_text(error, kind, said):
    if isinstance(error, OSError):
        error.filename2 = None  # as what is written atomically has it, which Python prints
    try:
        raise error
    except Exception:
        text = f"\n\n-- Process 1 terminated with the following error:\n{traceback.format_exc()}"
    cause = cause_in_process(ProcessRaisedException(text, 1, 7))
    assert isinstance(cause, kind)
    assert re.search(said, str(cause))
    assert is_out_of_memory(cause) == isinstance(error, MemoryError | torch.OutOfMemoryError) or "CPU" in str(error)
    if isinstance(error, OSError):
        assert (cause.errno, cause.filename) == (error.errno, error.filename)


@pytest.mark.parametrize(("shuffle", "count"), [(True, 23), (False, 23), (True, 17), (False, 17)])
@pytest.mark.parametrize("devices", [2, 3, 4])
def test_devices_share_the_batches_of_one(shuffle, count, devices):
    rows = torch.arange(100, 100 + count)
    one = Selections(rows, 8, 5, shuffle=shuffle, flip=True)
    shares = [Selections(rows, 8, 5, shuffle=shuffle, flip=True, share=(index, devices)) for index in range(devices)]
    batches = [[one.rows.tolist() for one in share] for share in shares]
    assert [len(share) for share in shares] == [len(found) for found in batches]
    assert all(len(part) for found in batches for part in found)
    whole = [batch.rows.tolist() for batch in one]
    for index, batch in enumerate(whole):
        parts = [found[index] for found in batches if index < len(found)]
        if shuffle and len(batch) < 2 * devices:  # too few for batch normalisation on each
            assert parts == []
        else:
            assert sorted(chain(*parts)) == sorted(batch)
    if shuffle:  # gradients are exchanged after each batch, so that all need as many
        assert len({len(share) for share in shares}) == 1
    flips = np.concatenate([one.flip_vertically for one in shares[1]])
    expected = np.concatenate([batch.flip_vertically[1::devices] for batch in one][: len(shares[1])])
    assert (flips == expected).all()
