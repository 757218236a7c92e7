"""What is explained stays explained: parts on disk, of one checkpoint."""

import numpy as np
import pandas as pd
import pytest

from tests.runs.test_maps import make_maps, parts_of
from tests.test_config import composed
from xairank.experiment.explaining import Parts
from xairank.experiment.scoring import Scored
from xairank.runs.folder import RunFolder
from xairank.runs.maps import empty_maps, read_maps, write_maps


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "run", composed("data=synthetic"))


TRAINED, AGAIN = 64 * "a", 64 * "b"  # hashes of a model
WHOLE = make_maps(np.random.default_rng(0).random((5, 2, 16, 16), dtype=np.float32))


def scored(*sizes, maps=True):
    return [
        Scored(pd.DataFrame({"sample": part.samples, "value": part.probability}), part if maps else None)
        for part in parts_of(WHOLE, *sizes)
    ]


def test_parts_come_back_in_order_also_in_another_process(folder):
    first, second, third = scored(2, 2, 1)
    parts = Parts(folder, TRAINED, with_maps=True)
    assert parts.samples() == set()
    parts.add(first)
    parts.add(second)
    parts = Parts(folder, TRAINED, with_maps=True)  # as after a kill
    assert parts.samples() == {*first.scores["sample"], *second.scores["sample"]}
    parts.add(third)
    expected = pd.concat([first.scores, second.scores, third.scores], ignore_index=True)
    pd.testing.assert_frame_equal(pd.concat(parts.scores(), ignore_index=True), expected, check_exact=True)
    parts.write_maps(folder.maps, empty_maps([], (16, 16)))
    write_maps(folder.path / "whole.npz", WHOLE)
    assert folder.maps.read_bytes() == (folder.path / "whole.npz").read_bytes()
    parts.delete()
    assert not (folder.path / "explained").exists()


def test_parts_of_another_model_do_not_count(folder):
    Parts(folder, TRAINED, with_maps=True).add(scored(2)[0])
    assert Parts(folder, AGAIN, with_maps=True).samples() == set()


def test_parts_without_the_maps_that_are_wanted_do_not_count(folder):
    Parts(folder, TRAINED, with_maps=False).add(scored(2, maps=False)[0])
    assert len(Parts(folder, TRAINED, with_maps=False).samples()) == 2
    assert Parts(folder, TRAINED, with_maps=True).samples() == set()


def test_a_part_that_was_being_written_does_not_count(folder):
    parts = Parts(folder, TRAINED, with_maps=True)
    parts.add(scored(2)[0])
    (table,) = folder.path.glob("explained/*/*.parquet")
    table.rename(table.with_name(".000000.1-1.part.parquet"))
    assert Parts(folder, TRAINED, with_maps=True).samples() == set()


@pytest.mark.parametrize("suffix", [".parquet", ".npz"])
@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_part_that_was_cut_off_is_explained_again_with_what_follows(folder, suffix, share):
    parts = Parts(folder, TRAINED, with_maps=True)
    for part in scored(2, 2, 1):
        parts.add(part)
    (second,) = folder.parts.glob(f"*/000001{suffix}")
    second.write_bytes(second.read_bytes()[: int(second.stat().st_size * share)])
    parts = Parts(folder, TRAINED, with_maps=True)
    assert parts.samples() == set(scored(2, 2, 1)[0].scores["sample"])


def test_a_run_without_a_ranked_image_has_an_empty_file(folder):
    Parts(folder, TRAINED, with_maps=True).write_maps(folder.maps, empty_maps(["gradcam"], (16, 16)))
    found = read_maps(folder.maps)
    assert (found.samples, found.methods, found.maps.shape) == ([], ["gradcam"], (0, 1, 16, 16))
