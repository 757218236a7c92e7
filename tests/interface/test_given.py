"""What a script gives, checked, and what ranking leaves of the script's own state."""

import os
import random

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from torch import nn

import xairank
from xairank.config import CONFIGURATION
from xairank.errors import UserError
from xairank.interface.samples import checked_labels, checked_masks, gather


@pytest.fixture
def given():
    generator = torch.Generator().manual_seed(0)
    images, masks = torch.rand(6, 3, 16, 16, generator=generator), torch.zeros(6, 16, 16, dtype=torch.bool)
    masks[:, 2:6, 2:6] = True
    return images, masks


def network(outputs=2):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, outputs))


@pytest.mark.parametrize("values", [torch.tensor([1, 2]), torch.tensor([255, 255])])
def test_masks_need_a_zero_outside_the_defect(values):
    masks = values[torch.randint(2, (2, 8, 8), generator=torch.Generator().manual_seed(0))]
    with pytest.raises(UserError, match="masks: that of image 0 has no 0"):
        checked_masks(masks)


def test_numbers_as_labels_of_classes_that_are_called_numbers_are_refused():
    with pytest.raises(UserError, match="labels: found numbers, and classes that are called 1, 2, 3; give labels as"):
        checked_labels([1, 2], 2, ["1", "2", "3"])
    assert checked_labels(["1", "3"], 2, ["1", "2", "3"]) == ["1", "3"]


def test_batches_may_be_arrays_and_must_have_one_size():
    batches = [(np.zeros((2, 3, 8, 8), np.float32), np.zeros((2, 8, 8), bool), np.array([0, 1])) for _ in range(2)]
    images, masks, labels = gather(batches)
    assert (images.shape, masks.shape, labels) == ((4, 3, 8, 8), (4, 8, 8), [0, 1, 0, 1])
    other = (np.zeros((1, 3, 9, 9), np.float32), np.zeros((1, 9, 9), bool), np.array([0]))
    with pytest.raises(UserError, match=r"images: batches of shapes \(3, 8, 8\) and \(3, 9, 9\); resize all images"):
        gather([*batches, other])


def test_predictions_that_are_no_classes_are_refused(given):
    _, masks = given
    maps = {"mine": torch.rand(6, 16, 16)}
    with pytest.raises(UserError, match="predicted: found 0, labels are hole; expected classes as labels has them"):
        xairank.rank_maps(maps, masks, ["hole"] * 6, predicted=torch.zeros(6, dtype=torch.int64))
    with pytest.raises(UserError, match="predicted: found Hole, labels are hole"):
        xairank.rank_maps(maps, masks, ["hole"] * 6, predicted=["hole"] * 5 + ["Hole"])
    with pytest.raises(UserError, match="predicted: found no labels to compare it with"):
        xairank.rank_maps(maps, masks, predicted=["hole"] * 6)
    assert xairank.rank_maps(maps, masks, ["hole"] * 6, predicted=["good"] * 6).scores.empty


def test_names_are_distinct_for_images_in_files_too(given, tmp_path):
    from tests.conftest import write_category

    data = {"root": write_category(tmp_path / "nuts").parent, "category": "nuts", "image_size": 48}
    with pytest.raises(UserError, match="classes: found hole twice"):
        xairank.rank(network(4), data=data, classes=["crack", "good", "hole", "hole"])
    with pytest.raises(UserError, match="data: given beside images, masks or labels"):
        xairank.rank(network(4), data=data, masks=given[1])


def test_an_order_that_is_wrong_is_told_in_the_words_of_the_function(given):
    images, masks = torch.cat([given[0]] * 4), torch.cat([given[1]] * 4)
    images[::2] = 0.0  # dark and bright ones
    images[1::2] = 1.0

    class Brightness(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, images):
            mean = images.mean((1, 2, 3)) - 0.5
            return self.scale * torch.stack([mean, -mean], 1)

    labels = ["dark", "bright"] * 12
    with pytest.raises(UserError, match=r"^classes: in this order 0 of 24 .* as \[bright,dark\] 24 would be"):
        xairank.rank(Brightness(), images, masks, labels, classes=["dark", "bright"])


def test_the_script_s_random_numbers_go_on_as_if_nothing_had_been(given):
    before = {**os.environ}
    states = (torch.random.get_rng_state(), np.random.get_state()[1].copy(), random.getstate())
    ranked = network()
    torch.random.set_rng_state(states[0])
    xairank.rank(ranked, *given)
    assert torch.equal(torch.random.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()
    assert random.getstate() == states[2]
    assert {**os.environ} == before


def test_ranking_within_a_job_of_hydra_leaves_it_as_it_is(given):
    with initialize_config_dir(str(CONFIGURATION.resolve()), version_base="1.3"):
        outer = GlobalHydra.instance().hydra
        assert len(xairank.rank(network(), *given).table) == 3
        assert GlobalHydra.instance().hydra is outer
        assert compose("train").seed == 42


def test_networks_of_two_architectures_are_ranked_apart(given):
    wide = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    ranking = xairank.rank([network(), wide], *given)
    assert len(ranking.sweep.groups) == 2
    assert set(ranking.table["n_seeds"]) == {1}


def test_nothing_ranked_has_the_columns_all_the_same(given):
    ranking = xairank.rank(network(), given[0], torch.zeros(6, 16, 16), [0] * 6)
    assert ranking.table[["split", "method", "score"]].empty


def test_a_torchscript_module_is_refused(given):
    with pytest.raises(UserError, match="model: found a TorchScript module"):
        xairank.rank(torch.jit.script(network()), *given)
