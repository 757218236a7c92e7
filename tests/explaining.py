"""What the tests of ``python -m xairank.explain`` share: a call in this process, a network, the truth about it."""

import contextlib
import io
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image

from tests.conftest import write_category
from xairank import explain

METHODS = ("gradcam", "saliency", "integrated_gradients")
SIZE = 48
NETWORK = [
    "model=torchvision",
    "model.name=shufflenet_v2_x0_5",
    "model.weights=weights.pth",
    "model.classes=classes.txt",
    f"image_size={SIZE}",
    "device=cpu",
    "attribution.methods.integrated_gradients.n_steps=2",
]
TEST = ["images=data/nuts/test", "masks=data/nuts/ground_truth"]


def call(folder, *arguments, module=explain):
    """Runs a command in ``folder``, in this process; its exit status, output and errors."""
    home, argv, status = Path.cwd(), sys.argv, 0
    out, err = io.StringIO(), io.StringIO()
    os.chdir(folder)
    sys.argv = [module.__name__, *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            module.main()
    except SystemExit as exit_:
        status = exit_.code or 0
    finally:
        os.chdir(home)
        sys.argv = argv
    return status, out.getvalue(), err.getvalue()


def done(folder, *arguments):
    """The manifest, and what was printed, of a call that succeeds."""
    status, out, err = call(folder, *NETWORK, *arguments)
    assert status == 0, err
    return manifest_of(folder), out


def manifest_of(folder, output="explanations"):
    return json.loads((folder / output / "manifest.json").read_text())


def files_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def network_of(folder):
    network = torchvision.models.shufflenet_v2_x0_5(num_classes=3)
    network.load_state_dict(torch.load(folder / "weights.pth", weights_only=True))
    return network.eval()


def input_of(path):
    """An image as torchvision's networks take it: ImageNet's mean and standard deviation."""
    pixels = torch.from_numpy(np.asarray(Image.open(path).convert("RGB"), np.float32) / 255).permute(2, 0, 1)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return pixels, lambda images: (images - mean[:, None, None]) / std[:, None, None]


def map_of(folder, record):
    with np.load(folder / "explanations" / record["npz"]) as arrays:
        assert arrays.files == ["attribution"]
        return arrays["attribution"]


def write_place(folder):
    """A category in ``data/nuts``, and a network with random weights that calls most images cracks."""
    write_category(folder / "data" / "nuts", good=6, defects=3, size=SIZE)
    torch.manual_seed(0)
    torch.save(torchvision.models.shufflenet_v2_x0_5(num_classes=3).state_dict(), folder / "weights.pth")
    pixels, normalize = input_of(folder / "data/nuts/test/crack/000.png")
    said = int(network_of(folder)(normalize(pixels)[None]).argmax())
    names = ["good", "hole"]
    names.insert(said, "crack")
    (folder / "classes.txt").write_text("\n".join(names))
    return folder
