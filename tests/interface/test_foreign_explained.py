"""``python -m xairank.explain`` on networks of other libraries: files, overlaps, and the gradients that torch gives."""

import importlib
import json
import sys

import numpy as np
import pytest
import torch

from tests.interface.foreign_networks import CLASSES, NETWORKS, named, tiles
from xairank.data.images import View, read_image, read_mask, view_image
from xairank.data.masks import view_mask
from xairank.evaluation import topk_overlap
from xairank.models.layers import logits_of

METHODS = ("gradcam", "saliency", "integrated_gradients")


@pytest.mark.parametrize("name", NETWORKS)
def test_the_command_explains_a_tile(name, shared, tmp_path, monkeypatch):
    size, ((path, mask_path),) = NETWORKS[name][2], tiles(shared, "fray", 1)
    monkeypatch.chdir(tmp_path)
    options = ["model=python", "model.factory=tests.interface.foreign_networks:named", f"model.arguments.name={name!r}"]
    options += [f"model.classes=[{','.join(CLASSES)}]", f"image_size={size}", "mask_threshold=127", "device=cpu"]
    options += ["attribution.methods.integrated_gradients.n_steps=2", f"masks={mask_path}", f"images={path}"]
    monkeypatch.setattr(sys, "argv", ["explain", *options])
    importlib.import_module("xairank.explain").main()
    (entry,) = json.loads((tmp_path / "explanations" / "manifest.json").read_text())["images"]
    maps = {}
    for method in METHODS:
        with np.load(tmp_path / "explanations" / entry["methods"][method]["npz"]) as arrays:
            maps[method] = torch.from_numpy(arrays["attribution"])[None]
        assert (tmp_path / "explanations" / entry["methods"][method]["overlay"]).is_file()

    view, whole = View(size, "none"), read_image(path)
    mask = torch.from_numpy(view_mask(read_mask(mask_path, whole.size, 127), view).mask)[None]
    for method, values in maps.items():
        expected = float(topk_overlap(values.double(), mask))
        assert entry["methods"][method]["topk_overlap"] == pytest.approx(expected, abs=1e-9)
    image = torch.from_numpy(np.array(view_image(whole, view))).permute(2, 0, 1)[None] / 255
    image.requires_grad_()
    logits = logits_of(named(name).eval()(image))
    assert entry["predicted"] == CLASSES[int(logits.argmax())]
    found, expected = (list(entry["probabilities"].values()), logits[0].softmax(0).tolist())
    assert found == pytest.approx(expected, abs=1e-4)
    (gradient,) = torch.autograd.grad(logits.max(), image)
    saliency = gradient.abs().amax(dim=1)
    # Random float32 networks give another gradient at the kinks of their ReLUs, whoever computes it.
    assert (maps["saliency"] - saliency).norm() < 0.1 * saliency.norm()
