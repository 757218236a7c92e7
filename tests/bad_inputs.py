"""What a user can get wrong, with what the command answers; ``python -m tests.bad_inputs`` writes the page.

A case breaks a tiny category, or gives an argument, or both. ``docs/errors.md`` is the list with the answers, and
``tests/test_bad_inputs.py`` holds the program to it.
"""

import contextlib
import importlib
import io
import os
import shutil
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import timm
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

from tests.conftest import write_category
from tests.test_config import composed
from xairank import train
from xairank.runs.folder import RunFolder
from xairank.runs.identity import run_label

# The name xairank.rank is the function.
rank = importlib.import_module("xairank.rank")
PAGE = Path(__file__).parents[1] / "docs" / "errors.md"
CATEGORY = Path("data/nuts")
CRACK, MASKS = CATEGORY / "test/crack", CATEGORY / "ground_truth/crack"
# fmt: off
QUICK = [
    "name=test", "data.root=data", "data.category=nuts", "data.image_size=48", "data.crop=none", "data.batch_size=8",
    "model.encoder=resnet10t", "model.pretrained=false", "trainer.max_epochs=1", "trainer.accelerator=cpu",
]
RANK = [
    "name=test", "data.root=data", "data.category=nuts", "data.image_size=48", "device=cpu", "model=python",
    "model.factory=nets:build", "model.weights=net.pth",
]
MAPS = "name=test data.root=data data.category=nuts data.image_size=48 maps=maps"
# fmt: on
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


class Case(NamedTuple):
    """One mistake: what it is, how it comes about, and what the user adds to the command."""

    title: str
    prepare: Callable[[], object] = lambda: None
    arguments: str = ""
    command: ModuleType = train


def answer(case: Case, folder: Path) -> tuple[int, str, set[str]]:
    """Exit status, what went to standard error, and the files that are new, of the case in an empty ``folder``."""
    write_category(folder / CATEGORY, good=10, defects=6)
    errors = io.StringIO()
    with _working_in(folder):
        case.prepare()
        before = _files()
        given = case.arguments.split()
        keys = {argument.partition("=")[0].lstrip("+~") for argument in given}
        quick = QUICK if case.command is train else [] if "maps" in keys else RANK
        sys.argv = ["xairank", *(word for word in quick if word.partition("=")[0] not in keys), *given]
        status = 0
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            try:
                case.command.main()
            except SystemExit as exit_:
                status = int(exit_.code or 0)
        return status, errors.getvalue().replace(str(folder), "FOLDER"), _files() - before


@contextlib.contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    home, argv = Path.cwd(), sys.argv
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        os.chdir(home)
        sys.argv = argv
        sys.path.remove(str(folder))
        sys.modules.pop("nets", None)


def _files() -> set[str]:
    return {str(path) for path in Path().rglob("*")}


def _save(path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(path)


def _mask(path: str = "000_mask.png") -> np.ndarray:
    return np.asarray(Image.open(MASKS / path))


def _truncate(path: Path, share: float = 0.5) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def _bomb() -> None:
    """A valid PNG header of 20,000 x 20,000 pixels, without the pixels."""
    path = CRACK / "000.png"
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", 20_000, 20_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(bytes(content))


def _keep(folder: Path, count: int) -> None:
    for path in sorted(folder.iterdir())[count:]:
        path.unlink()


def _keep_of_crack(count: int) -> None:
    _keep(CRACK, count)
    _keep(MASKS, count)


def _replace(path: Path, *, folder: bool = False, text: str = "not an image") -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.mkdir() if folder else path.write_text(text)


def _dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere.png")


def _weights(**options: object) -> None:
    save_file(timm.create_model("resnet18", pretrained=False).state_dict(), "weights.safetensors")
    if options.get("cut"):
        _truncate(Path("weights.safetensors"))


def _table(text: str) -> None:
    Path("table.csv").write_text(text)


def _started(name: str, text: str, *others: str) -> None:
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


def _trace() -> None:
    write_network()
    torch.jit.script(torch.nn.Linear(2, 2)).save("net.pth")


def _maps(**changes: object) -> None:
    """A map of each defect by two methods; changes replace that of ``mine/crack/000`` or write another file."""
    generator = np.random.default_rng(0)
    for method in ("gradcam", "mine"):
        for label in ("crack", "hole"):
            (Path("maps") / method / label).mkdir(parents=True)
            for path in (CATEGORY / "test" / label).glob("*.png"):
                np.save(Path("maps") / method / label / f"{path.stem}.npy", generator.random((12, 12), dtype="f4"))
    if "values" in changes:
        np.save("maps/mine/crack/000.npy", np.asarray(changes["values"], np.float32))


def _predictions(text: str) -> None:
    _maps()
    Path("predictions.csv").write_text(text)


FOLDER = "data=folder data.root=null"
PREDICTIONS = f"{MAPS} predictions=predictions.csv"
CASES = [
    # The command
    Case("a key that does not exist", arguments="model.betta=1"),
    Case("a key of another group", arguments="beta=1"),
    Case("a group's option that does not exist", arguments="data=mvtek"),
    Case("an experiment that does not exist", arguments="experiment=papper"),
    Case("a value of the wrong type", arguments="trainer.max_epochs=ten"),
    Case("a value out of range", arguments="model.beta=-1"),
    Case("not a number", arguments="model.lr=nan"),
    Case("a choice that does not exist", arguments="model.mask_loss=dice"),
    Case("a switch that is none", arguments="model.pretrained=maybe"),
    Case("several seeds without -m", arguments="seed=1,2"),
    Case("a path that Hydra reads otherwise", arguments="data.root=~/nuts"),
    Case("a path with an equals sign", arguments="data.root=a=b/nuts"),
    Case("a user's home that is none", arguments="data.root='~nobody-here/nuts'"),
    Case("a fold beyond the folds", arguments="data.fold=5"),
    Case("one fold", arguments="data.n_folds=1"),
    Case("a batch of one", arguments="data.batch_size=1"),
    Case("an image size of 0", arguments="data.image_size=0"),
    Case("a name with a slash", arguments="name=a/b"),
    Case("an empty name", arguments="name="),
    Case("a seed below 0", arguments="seed=-1"),
    Case("no methods", arguments="~attribution.methods"),
    Case("a method that does not exist", arguments="attribution.methods.gradcam._target_=xairank.attribution.GradCam"),
    Case("an option that a method lacks", arguments="+attribution.methods.saliency.steps=3"),
    Case("a baseline that does not exist", arguments="attribution.methods.integrated_gradients.baseline=grey"),
    Case("half a step", arguments="attribution.methods.integrated_gradients.n_steps=2.5"),
    Case("one step of the trapezoid rule",
         arguments="attribution.methods.integrated_gradients.rule=trapezoid "
                   "attribution.methods.integrated_gradients.n_steps=1"),
    Case("a score that does not exist", arguments="+attribution.methods.saliency.score=loss"),
    Case("a blur below 0", arguments="+attribution.methods.saliency.smooth=-1"),
    Case("a layer that the encoder lacks", arguments="+attribution.methods.gradcam.layer=layer9"),
    Case("a control with the name of a method",
         arguments="+attribution.controls.gradcam._target_=xairank.attribution.controls.Center"),
    Case("a method among the controls",
         arguments="+attribution.controls.plain._target_=xairank.attribution.Saliency"),
    Case("a ladder of a metric that asks the network",
         arguments="attribution.ladder=true evaluation=faithfulness ranking.metric=deletion_blurred"),
    Case("a batch limit of 0", arguments="attribution.batch_limit=0"),
    Case("an accelerator that does not exist", arguments="trainer.accelerator=tpu"),
    Case("an override without a value", arguments="model.beta"),
    # The model
    Case("an encoder with a typing mistake", arguments="model.encoder=efficientnet_bO"),
    Case("an encoder without a feature map", arguments="model.encoder=pit_ti_224 data.image_size=64"),
    Case("weights that are not there", arguments="model.encoder_weights=weights.safetensors"),
    Case("weights of another architecture", _weights,
         "model.encoder=resnet10t model.encoder_weights=weights.safetensors"),
    Case("weights cut in half", lambda: _weights(cut=True),
         "model.encoder=resnet18 model.encoder_weights=weights.safetensors"),
    Case("weights that are a pickled object", lambda: torch.save({"model": yaml.YAMLObject}, "weights.pth"),
         "model.encoder_weights=weights.pth"),
    Case("weights that are a text", lambda: Path("weights.pth").write_text("hello"),
         "model.encoder_weights=weights.pth"),
    # The place
    Case("a data folder that is not there", arguments="data.root=elsewhere"),
    Case("a category that is not there", arguments="data.category=bolts"),
    Case("a file where the category should be", lambda: _replace(CATEGORY)),
    Case("a category without test images", lambda: shutil.rmtree(CATEGORY / "test")),
    Case("a category without masks", lambda: shutil.rmtree(CATEGORY / "ground_truth")),
    Case("an empty class folder", lambda: _keep(CRACK, 0)),
    Case("one class only", lambda: [shutil.rmtree(CATEGORY / part) for part in
                                    ("test/crack", "test/hole", "ground_truth/crack", "ground_truth/hole")]),
    Case("one image in a class", lambda: _keep_of_crack(1)),
    Case("fewer images than folds", lambda: _keep_of_crack(4)),
    Case("a rendered category with other options", arguments="data=synthetic data.image_size=64"),
    Case("a class with a reserved name", lambda: [folder.rename(folder.with_name("overall"))
                                                  for folder in (CRACK, MASKS)]),
    Case("classes that differ in case", lambda: [shutil.copytree(folder, folder.with_name("Crack"))
                                                 for folder in (CRACK, MASKS)]),
    # Images
    Case("a truncated image", lambda: _truncate(CRACK / "000.png")),
    Case("an image of zero bytes", lambda: _truncate(CRACK / "000.png", 0)),
    Case("a text with an image's name", lambda: (CRACK / "000.png").write_text("hello")),
    Case("a file that is not an image", lambda: (CRACK / "notes.txt").write_text("hello")),
    Case("two images of one name", lambda: shutil.copy(CRACK / "000.png", CRACK / "000.bmp")),
    Case("a folder with an image's name", lambda: _replace(CRACK / "000.png", folder=True)),
    Case("a dangling link", lambda: _dangling(CRACK / "000.png")),
    Case("an image of 20,000 x 20,000 pixels", _bomb),
    Case("an image without its mask", lambda: (MASKS / "000_mask.png").unlink()),
    Case("names that differ in case", lambda: (MASKS / "000_mask.png").rename(MASKS / "000_MASK.png")),
    # Masks
    Case("a mask without its image", lambda: (CRACK / "000.png").unlink()),
    Case("two masks for one image", lambda: shutil.copy(MASKS / "000_mask.png", MASKS / "000.png")),
    Case("a mask of another size", lambda: _save(MASKS / "000_mask.png", _mask()[:40])),
    Case("a mask with three channels", lambda: _save(MASKS / "000_mask.png", np.stack([_mask()] * 3, axis=2))),
    Case("a mask with grey values", lambda: _save(MASKS / "000_mask.png", np.eye(48, dtype="u1") * 100 + _mask() // 2)),
    Case("a threshold out of range", arguments="data.mask_threshold=-1"),
    Case("a threshold that no mask can reach", arguments="data.mask_threshold=255"),
    Case("a threshold above every mask", lambda: [_save(path, np.asarray(Image.open(path)) // 255)
                                                  for path in (CATEGORY / "ground_truth").glob("*/*.png")],
         "data.mask_threshold=127"),
    Case("a mask that is all black", lambda: _save(MASKS / "000_mask.png", _mask() * 0)),
    Case("a mask that is all white", lambda: _save(MASKS / "000_mask.png", _mask() * 0 + 255)),
    Case("a truncated mask", lambda: _truncate(MASKS / "000_mask.png")),
    Case("a mask of zero bytes", lambda: _truncate(MASKS / "000_mask.png", 0)),
    Case("three faults at once", lambda: [_truncate(CRACK / f"00{i}.png") for i in range(3)]),
    # Tables and folders
    Case("data=folder without a place", arguments=FOLDER),
    Case("images without masks", arguments=f"{FOLDER} data.images=data/nuts/test"),
    Case("a table that is not there", arguments=f"{FOLDER} data.table=table.csv"),
    Case("a table without the column label", lambda: _table("image,mask\na.png,\n"),
         f"{FOLDER} data.table=table.csv"),
    Case("a table without rows", lambda: _table("image,mask,label\n"), f"{FOLDER} data.table=table.csv"),
    Case("a table that names a missing image", lambda: _table("image,mask,label\na.png,,good\n"),
         f"{FOLDER} data.table=table.csv"),
    Case("a table with half a split",
         lambda: _table("image,mask,label,split\n" + "".join(
             f"data/nuts/test/crack/00{i}.png,data/nuts/ground_truth/crack/00{i}_mask.png,crack,{split}\n"
             for i, split in enumerate(("train", "test", "")))), f"{FOLDER} data.table=table.csv"),
    Case("a table with the ending of another", lambda: Path("table.parquet").write_text("hello"),
         f"{FOLDER} data.table=table.parquet"),
    # Results
    Case("a file where the results should go", lambda: Path("multirun").write_text("hello")),
    Case("a checkpoint cut in half", lambda: _started("checkpoints/last.ckpt", "PK")),
    Case("results of another configuration", lambda: _started("metrics.csv", "epoch\n", "model.beta=7")),
    Case("a record of a run that is not JSON", lambda: _started("run.json", "{")),
    Case("a configuration that is not YAML", lambda: _started("config.yaml", "a: [")),
    # A network that exists
    Case("neither a network nor maps", arguments="model=none model.factory=null model.weights=null", command=rank),
    Case("a network and maps", _maps, f"{MAPS} model=python model.factory=nets:build", rank),
    Case("a key that only training has", arguments="model=multitask", command=rank),
    Case("a key that only ranking has", arguments="model=timm"),
    Case("a network without a name", arguments="model=timm model.factory=null", command=rank),
    Case("a network without weights", arguments="model=torchvision model.factory=null model.name=resnet18 "
                                                "model.weights=null", command=rank),
    Case("a key of another kind of network", write_network, "model.path=multirun/paper/seed=42", rank),
    Case("a timm model with a typing mistake", write_network, "model=timm model.factory=null model.name=resnet5O",
         rank),
    Case("a torchvision model with a typing mistake", write_network,
         "model=torchvision model.factory=null model.name=resnet_18", rank),
    Case("weights of a network that are not there", arguments="model.weights=nett.pth", command=rank),
    Case("weights of another network", write_network, "model=torchvision model.factory=null model.name=resnet18", rank),
    Case("weights of another number of classes",
         lambda: write_network(**{"4.weight": torch.ones(5, 2), "4.bias": torch.ones(5)}), command=rank),
    Case("a pickled network", lambda: [write_network(), torch.save(torch.nn.Linear(2, 2), "net.pth")], command=rank),
    Case("a TorchScript archive", _trace, command=rank),
    Case("weights of a network cut in half", lambda: [write_network(), _truncate(Path("net.pth"))], command=rank),
    Case("weights that are a list", lambda: [write_network(), torch.save([1, 2], "net.pth")], command=rank),
    Case("weights that are NaN", lambda: write_network(**{"0.bias": torch.full((2,), torch.nan)}), command=rank),
    Case("a factory without a function", write_network, "model.factory=nets", rank),
    Case("a module that is not there", write_network, "model.factory=networks:build", rank),
    Case("a function that is not there", write_network, "model.factory=nets:biuld", rank),
    Case("a function that fails", write_network, "model.factory=nets:broken", rank),
    Case("a function that gives no network", write_network, "model.factory=nets:nothing", rank),
    Case("an argument that the function lacks", write_network, "model.arguments.depth=3", rank),
    Case("a network without logits", write_network, "model.factory=nets:without_pooling model.weights=null", rank),
    Case("a layer that is not there", write_network, "model.layer=layer4", rank),
    Case("a layer without a feature map", write_network, "model.layer='3'", rank),
    Case("images of another size than the network takes", write_network,
         "model.factory=nets:flat model.weights=null data.image_size=64", rank),
    Case("classes in another order", write_network, "model.classes=[hole,good,crack]", rank),
    Case("classes that lack one of the data", write_network, "model.classes=[crack,good,scratch]", rank),
    Case("more classes than the network has outputs", write_network, "model.classes=[crack,good,hole,print] "
         "model.arguments.classes=3 model.weights=null", rank),
    Case("a class twice", write_network, "model.classes=[crack,good,good]", rank),
    Case("a list of classes that is not there", write_network, "model.classes=classes.txt", rank),
    Case("a mean of one number", write_network, "model.mean=[0.5]", rank),
    Case("a device that is not there", write_network, "device=cuda:7", rank),
    Case("a run that is not there", arguments="model=run model.factory=null model.weights=null model.path=multirun/x",
         command=rank),
    Case("a folder that is not a run", lambda: Path("multirun/x").mkdir(parents=True),
         "model=run model.factory=null model.weights=null model.path=multirun/x", rank),
    # Maps that exist
    Case("a folder of maps that is not there", arguments=MAPS, command=rank),
    Case("a folder of maps without methods", lambda: Path("maps").mkdir(), MAPS, rank),
    Case("a map that is missing", lambda: [_maps(), Path("maps/mine/crack/000.npy").unlink()], MAPS, rank),
    Case("maps of other names", lambda: [_maps(), Path("maps/mine/crack/000.npy").rename("maps/mine/crack/a.npy")],
         MAPS, rank),
    Case("two maps of one image", lambda: [_maps(), _save(Path("maps/mine/crack/000.png"), np.eye(9, dtype="u1"))],
         MAPS, rank),
    Case("a map with NaN", lambda: _maps(values=np.full((12, 12), np.nan)), MAPS, rank),
    Case("a map with negative values", lambda: _maps(values=-np.eye(12)), MAPS, rank),
    Case("a map with channels", lambda: _maps(values=np.zeros((3, 12, 12))), MAPS, rank),
    Case("a picture in colours as a map",
         lambda: [_maps(), Path("maps/mine/crack/000.npy").unlink(),
                  _save(Path("maps/mine/crack/000.png"), np.zeros((9, 9, 3), "u1"))], MAPS, rank),
    Case("a map that is a text", lambda: [_maps(), Path("maps/mine/crack/000.npy").write_text("hello")], MAPS, rank),
    Case("a sign rule without maps", write_network, "maps_sign=abs", rank),
    Case("a sign rule that does not exist", _maps, f"{MAPS} maps_sign=square", rank),
    Case("predictions that are not there", _maps, PREDICTIONS, rank),
    Case("predictions without the column predicted", lambda: _predictions("image,class\ncrack/000,crack\n"),
         PREDICTIONS, rank),
    Case("a prediction of no image", lambda: _predictions("image,predicted\ncrack/999,crack\n"), PREDICTIONS, rank),
    Case("predictions of some images only", lambda: _predictions("image,predicted\ncrack/000,crack\n"), PREDICTIONS,
         rank),
    Case("a probability of 95", lambda: _predictions("image,predicted,probability\ncrack/000,crack,95\n"), PREDICTIONS,
         rank),
]  # fmt: skip


def page(answers: list[tuple[Case, str]]) -> str:
    """``docs/errors.md``."""
    lines = [
        "# What the program answers",
        "",
        "Every mistake gets one line that names the file or the key, and exit status 2; nothing is left half-written.",
        "The data is a tiny category `data/nuts` with the classes `crack`, `hole` and `good`. The command is",
        "`python -m xairank.train`, or `python -m xairank.rank` where it says so. This page is generated:",
        "`python -m tests.bad_inputs`.",
        "",
        "| mistake | answer |",
        "| --- | --- |",
    ]
    for case, text in answers:
        given = f" `{case.arguments}`" if case.arguments else ""
        given += " (rank)" if case.command is rank else ""
        message = text.removeprefix("xairank: error: ").strip().replace("|", "\\|")
        lines.append(f"| {case.title}{given.replace('|', chr(92) + '|')} | {message} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Writes the page."""
    answers = []
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            print(case.title, flush=True)
            answers.append((case, answer(case, Path(folder).resolve())[1]))
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(answers), encoding="utf-8")
    print(f"{PAGE}: {len(answers)} cases")


if __name__ == "__main__":
    main()
