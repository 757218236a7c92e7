"""What a user of explaining can get wrong: one line, exit status 2, and nothing is left."""

import re

import numpy as np
import pytest
import torch
from PIL import Image

from tests.explaining import NETWORK, SIZE, TEST, call, files_in, write_place


@pytest.fixture
def place(tmp_path):
    return write_place(tmp_path)


def test_a_map_that_is_not_finite_names_image_and_method(place, monkeypatch):
    def broken(self, forward):
        maps = forward.input_gradients.abs().amax(dim=1)
        maps[-1, 0, 0] = torch.nan
        return maps, {}

    monkeypatch.setattr("xairank.attribution.Saliency.attribute", broken)
    status, _, err = call(place, *NETWORK, "images=data/nuts/test/good", "attribution.batch_limit=8")
    assert status == 2
    assert err.startswith("xairank: error: attribution.methods.saliency: the map of 001 holds NaN or infinite values; ")
    assert not (place / "explanations").exists()


def _break(name, content=b"no image"):
    return lambda folder: (folder / name).write_bytes(content)


def _diverged(folder):
    state = torch.load(folder / "weights.pth", weights_only=True)
    torch.save({key: value * torch.nan if value.is_floating_point() else value for key, value in state.items()},
               folder / "weights.pth")  # fmt: skip


def _grey_mask(folder):
    grey = np.linspace(0, 255, SIZE * SIZE).astype(np.uint8).reshape(SIZE, SIZE)
    Image.fromarray(grey).save(folder / "data/nuts/ground_truth/crack/001_mask.png")


def _filled(folder):
    (folder / "explanations").mkdir()
    (folder / "explanations" / "thesis.txt").write_text("mine")


CRACKS = "images=data/nuts/test/crack"
BAD = [
    (None, [], r"images=null is not allowed: expected an image, a folder, a glob"),
    (None, ["images=nowhere"], r"images=nowhere: no such file or folder"),
    (None, ["images='data/*.bmp'"], r"images=data/\*.bmp: no image matches"),
    (None, [CRACKS, "target=crak"], r"target=crak: no class of the network; did you mean crack\?"),
    (None, [CRACKS, "scale=method"], r"scale=method is not allowed: expected common or image"),
    (None, [CRACKS, "colour=red"], r"colour: no such key"),
    (None, ["images=a.png,b.png"], r"images=a.png,b.png: found several values; expected a list in brackets"),
    (None, [CRACKS, "model=none"], r"model: no network given; expected model=timm"),
    (None, [CRACKS, "model=multitask"], r"model.name: is no key of the model that is chosen; choose another "),
    (None, [CRACKS, "model.classes=null"], r"model.classes: missing; name the network's outputs in order"),
    (None, [CRACKS, "model.classes=[a,b]"], r"model.weights=weights.pth: "),
    (None, [CRACKS, "model.weights=none.pth"], r"model.weights=none.pth: no such file"),
    (None, [CRACKS, "masks=nowhere"], r"masks=nowhere: no such file or folder"),
    (None, [CRACKS, "masks=data/nuts/ground_truth"], r"masks=data/nuts/ground_truth: holds no mask of any image"),
    (None, [CRACKS, "output=weights.pth"], r"output=\S+weights.pth: is a file; expected a folder"),
    (None, [CRACKS, "-m"], r"-m: python -m xairank.explain has no sweep, it takes many images in one call"),
    (None, [CRACKS, "device=cuda:99"], r"device=cuda:99: this machine has none"),
    (None, [CRACKS, "~attribution.methods"], r"attribution.methods: is missing"),
    (_filled, [CRACKS, "overwrite=true"], r"output=\S+explanations: is not empty, and holds no explanations"),
    (_break("data/nuts/test/crack/002.png"), [CRACKS], r"data/nuts/test/crack/002.png: is not an image"),
    (_break("weights.pth"), [CRACKS], r"model.weights=weights.pth: is damaged"),
    (_diverged, [CRACKS], r"NaN or infinite"),
    (_grey_mask, TEST, r"001_mask.png: the mask has \d+ grey values above 0, expected only one; set mask_threshold="),
]


@pytest.mark.parametrize(("prepare", "arguments", "message"), BAD)
def test_a_mistake_gets_one_line_and_leaves_nothing(place, prepare, arguments, message):
    if prepare:
        prepare(place)
    before = files_in(place)
    given = {argument.partition("=")[0] for argument in arguments}
    status, _, err = call(place, *(word for word in NETWORK if word.partition("=")[0] not in given), *arguments)
    assert status == 2
    assert len(err.strip().splitlines()) == 1, err
    assert err.startswith("xairank: error: ")
    assert re.search(message, err), err
    assert "data.image_size" not in err
    assert "data.mask_threshold" not in err
    assert files_in(place) == before
    assert not list(place.glob(".*"))
