"""What can be chosen: the network of the command line, and finished runs of training and of ranking."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from tests.dashboard.serving import OURS, configuration
from tests.explaining import call, write_place
from tests.test_config import composed
from xairank.attribution import Saliency
from xairank.dashboard.explaining import Answer, Question, explain_image
from xairank.dashboard.networks import Networks
from xairank.dashboard.sources import check_sources, find_sources
from xairank.data.images import View
from xairank.errors import UserError
from xairank.experiment.wiring import create_network
from xairank.models import MultitaskModule
from xairank.models.encoder import create_encoder

CLASSES = ["crack", "good", "hole"]


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_place(tmp_path)


def write_trained(folder):
    """A finished run of training, without the training."""
    config = composed("model.encoder=resnet10t", "model.pretrained=false", "data.image_size=64", "data.crop=center")
    config["attribution"]["methods"] = {"saliency": {"_target_": "xairank.attribution.Saliency", "smooth": 3}}
    network = create_network(config, create_encoder("resnet10t", pretrained=False, weights=None, image_size=64), 3)
    module = MultitaskModule(network, 3, beta=1, mask_loss="bce", class_weights=None, lr=0.1, seed=0)
    (folder / "checkpoints").mkdir(parents=True)
    torch.save({"state_dict": module.state_dict()}, folder / "checkpoints" / "last.ckpt")
    (folder / "config.yaml").write_text(yaml.safe_dump({**config, "seed": 7}))
    (folder / "run.json").write_text(json.dumps({"status": "complete", "classes": CLASSES, "batch_limit": 4}))


def explained(source):
    """What the network of a source says of an image of noise in its own view."""
    image = np.random.default_rng(0).integers(0, 255, (source.view.size, source.view.size, 3), np.uint8)
    question = Question(source, "noise", image, None, "predicted", {"saliency": Saliency()})
    return list(explain_image(Networks("cpu", "auto"), question, lambda images: None))


def test_a_run_of_training_brings_its_view_its_classes_and_its_methods():
    write_trained(Path("multirun/paper/seed=7"))
    found = find_sources(configuration(), set())
    assert list(found) == ["paper / seed=7"]
    source = found["paper / seed=7"]()
    assert (source.view, source.seed, source.classes) == (View(64, "center", None), 7, CLASSES)
    assert source.entries["saliency"]["smooth"] == 3
    answer, step = explained(source)
    assert isinstance(answer, Answer)
    assert answer.predicted in CLASSES
    assert step.map.shape == (64, 64)


def test_a_run_of_ranking_brings_the_foreign_network(place):
    rank = importlib.import_module("xairank.rank")  # the name in xairank is the function
    classes = Path("classes.txt").read_text().split()
    status, _, err = call(
        place,
        *(word for word in OURS if not word.startswith("image_size")),
        *("name=mine", "data.root=data", "data.category=nuts", "data.image_size=48", "attribution.keep_maps=false"),
        *("~attribution.methods.gradcam", "~attribution.methods.integrated_gradients"),
        module=rank,
    )
    assert status == 0, err
    (source,) = [source() for source in find_sources(configuration(), set()).values()]
    assert (source.view, source.classes) == (View(48, "none", None), classes)
    answer, _ = explained(source)
    (command,) = [source() for name, source in find_sources(configuration(*OURS), set()).items() if "/" not in name]
    assert answer == explained(command)[0]


def test_the_network_of_the_command_line_comes_first_and_a_run_of_it_may_be_seen_otherwise():
    write_trained(Path("multirun/paper/seed=7"))
    ours = find_sources(configuration(*OURS), set())
    assert list(ours) == ["shufflenet_v2_x0_5, weights.pth", "paper / seed=7"]
    given = ["model=run", "model.path='multirun/paper/seed=7'", "image_size=96"]
    named = find_sources(configuration(*given), {"model", "model.path", "image_size"})
    source = named["multirun/paper/seed=7"]()
    assert (source.view, source.classes) == (View(96, "center", None), CLASSES)


def test_what_is_no_finished_run_of_a_network_is_not_offered():
    for name, record in {
        "killed": {"status": "running", "batch_limit": 4},
        "maps": {"status": "complete"},
        "odd": ["status"],
    }.items():
        Path(f"multirun/sweep/{name}").mkdir(parents=True)
        Path(f"multirun/sweep/{name}/run.json").write_text(json.dumps(record))
    Path("multirun/sweep/maps/run.json").with_name("config.yaml").write_text("maps: somewhere")
    Path("multirun/sweep/broken").mkdir()
    Path("multirun/sweep/broken/run.json").write_text("{")
    found = find_sources(configuration(), set())
    assert found == {}
    with pytest.raises(UserError, match=r"folder=multirun: holds no finished run with a network, and no model=\.\.\."):
        check_sources(found, "multirun")


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("- a list", "cannot be read"),
        (
            "model: {source: null}\nattribution: {methods: {}}\nseed: 1\ndata: {image_size: 64, crop: none, "
            "mask_threshold: null}",
            "was given in Python and cannot be built again",
        ),
    ],
)
def test_a_run_that_cannot_be_read_is_told_when_it_is_chosen(config, reason):
    write_trained(Path("multirun/paper/seed=7"))
    Path("multirun/paper/seed=7/config.yaml").write_text(config)
    with pytest.raises(UserError, match=f"multirun/paper/seed=7: .*{reason}"):
        find_sources(configuration(), set())["paper / seed=7"]()


def test_a_mask_in_the_network_of_a_run_names_the_keys_of_this_command(tmp_path):
    from xairank.dashboard.dropper import Upload
    from xairank.dashboard.uploads import Picture, read_mask_of

    Image.fromarray(np.arange(100, dtype=np.uint8).reshape(10, 10)).save(tmp_path / "grey.png")
    upload = Upload("grey.png", (tmp_path / "grey.png").read_bytes())
    picture = Picture("a.png", Image.new("RGB", (10, 10)))
    with pytest.raises(UserError, match=r"grey\.png: the mask has 99 grey values above 0.* set mask_threshold=127"):
        read_mask_of(picture, upload, View(10, "none"))
    assert read_mask_of(picture, upload, View(10, "none", 49)).sum() == 50
