"""Breaks a tiny category, or writes a network, maps and tables that are wrong."""

import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.bad_inputs.case import CATEGORY, QUICK
from tests.test_config import composed
from xairank.runs.folder import RunFolder
from xairank.runs.identity import run_label

CRACK, MASKS = CATEGORY / "test/crack", CATEGORY / "ground_truth/crack"
# A user's own module, which finds bright cracks and dark holes.
NETS = """
from torch import nn


def build(classes=3):
    layers = [nn.Conv2d(3, 2, 1), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(2, classes)]
    return nn.Sequential(*layers)


def flat():
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 48 * 48, 3))


def without_pooling():
    return nn.Conv2d(3, 3, 3)


def broken():
    raise RuntimeError("the training server is down")


def nothing():
    return {"classes": 3}
"""


def save(path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(path)


def mask(path: str = "000_mask.png") -> np.ndarray:
    return np.asarray(Image.open(MASKS / path))


def truncate(path: Path, share: float = 0.5) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def bomb() -> None:
    """A valid PNG header of 20,000 x 20,000 pixels, without the pixels."""
    path = CRACK / "000.png"
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", 20_000, 20_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(bytes(content))


def keep(folder: Path, count: int) -> None:
    for path in sorted(folder.iterdir())[count:]:
        path.unlink()


def keep_of_crack(count: int) -> None:
    keep(CRACK, count)
    keep(MASKS, count)


def replace(path: Path, *, folder: bool = False, text: str = "not an image") -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.mkdir() if folder else path.write_text(text)


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere.png")


def weights(**options: object) -> None:
    save_file(timm.create_model("resnet18", pretrained=False).state_dict(), "weights.safetensors")
    if options.get("cut"):
        truncate(Path("weights.safetensors"))


def table(text: str) -> None:
    Path("table.csv").write_text(text)


def started(name: str, text: str, *others: str) -> None:
    """The folder of the run that the command would make, begun with other overrides, with a file in it."""
    config = composed(*QUICK, *others)
    folder = RunFolder(Path("multirun/test") / run_label(QUICK, config["seed"]), config)
    folder.claim()
    (folder.path / name).parent.mkdir(exist_ok=True)
    (folder.path / name).write_text(text)


def write_network(**changes: object) -> None:
    """Writes ``nets.py`` and the weights of its network, which classifies every image of the category correctly."""
    Path("nets.py").write_text(NETS)
    state = {
        "0.weight": torch.tensor([10 / 3, -10 / 3]).view(2, 1, 1, 1).expand(2, 3, 1, 1).clone(),
        "0.bias": torch.tensor([-8.0, 2.0]),
        "4.weight": torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]),  # crack, good, hole
        "4.bias": torch.tensor([0.0, 0.5, 0.0]),
    }
    torch.save({**state, **changes}, "net.pth")


def trace() -> None:
    write_network()
    torch.jit.script(torch.nn.Linear(2, 2)).save("net.pth")


def maps(**changes: object) -> None:
    """A map of each defect by two methods; changes replace that of ``mine/crack/000`` or write another file."""
    generator = np.random.default_rng(0)
    for method in ("gradcam", "mine"):
        for label in ("crack", "hole"):
            (Path("maps") / method / label).mkdir(parents=True)
            for path in (CATEGORY / "test" / label).glob("*.png"):
                np.save(Path("maps") / method / label / f"{path.stem}.npy", generator.random((12, 12), dtype="f4"))
    if "values" in changes:
        np.save("maps/mine/crack/000.npy", np.asarray(changes["values"], np.float32))


def predictions(text: str) -> None:
    maps()
    Path("predictions.csv").write_text(text)
