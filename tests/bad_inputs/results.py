"""Mistakes in results, and in networks and maps that exist."""

from pathlib import Path

import numpy as np
import torch

from tests.bad_inputs.case import Case, rank
from tests.bad_inputs.making import maps, predictions, save, started, trace, truncate, write_network

MAPS = "name=test data.root=data data.category=nuts data.image_size=48 maps=maps"
PREDICTIONS = f"{MAPS} predictions=predictions.csv"
CASES = [
    # Results
    Case("a file where the results should go", lambda: Path("multirun").write_text("hello")),
    Case("a checkpoint cut in half", lambda: started("checkpoints/last.ckpt", "PK")),
    Case("results of another configuration", lambda: started("metrics.csv", "epoch\n", "model.beta=7")),
    Case("a record of a run that is not JSON", lambda: started("run.json", "{")),
    Case("a configuration that is not YAML", lambda: started("config.yaml", "a: [")),
    # A network that exists
    Case("neither a network nor maps", arguments="model=none model.factory=null model.weights=null", command=rank),
    Case("a network and maps", maps, f"{MAPS} model=python model.factory=nets:build", rank),
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
    Case("a TorchScript archive", trace, command=rank),
    Case("weights of a network cut in half", lambda: [write_network(), truncate(Path("net.pth"))], command=rank),
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
         "model.factory=nets:flat model.weights=null data.image_size=64", rank, quotes_another=True),
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
    Case("a map that is missing", lambda: [maps(), Path("maps/mine/crack/000.npy").unlink()], MAPS, rank),
    Case("maps of other names", lambda: [maps(), Path("maps/mine/crack/000.npy").rename("maps/mine/crack/a.npy")],
         MAPS, rank),
    Case("two maps of one image", lambda: [maps(), save(Path("maps/mine/crack/000.png"), np.eye(9, dtype="u1"))],
         MAPS, rank),
    Case("a map with NaN", lambda: maps(values=np.full((12, 12), np.nan)), MAPS, rank),
    Case("a map with negative values", lambda: maps(values=-np.eye(12)), MAPS, rank),
    Case("a map with channels", lambda: maps(values=np.zeros((3, 12, 12))), MAPS, rank),
    Case("a picture in colours as a map",
         lambda: [maps(), Path("maps/mine/crack/000.npy").unlink(),
                  save(Path("maps/mine/crack/000.png"), np.zeros((9, 9, 3), "u1"))], MAPS, rank),
    Case("a map that is a text", lambda: [maps(), Path("maps/mine/crack/000.npy").write_text("hello")], MAPS, rank),
    Case("a sign rule without maps", write_network, "maps_sign=abs", rank),
    Case("a sign rule that does not exist", maps, f"{MAPS} maps_sign=square", rank),
    Case("predictions that are not there", maps, PREDICTIONS, rank),
    Case("predictions without the column predicted", lambda: predictions("image,class\ncrack/000,crack\n"),
         PREDICTIONS, rank),
    Case("a prediction of no image", lambda: predictions("image,predicted\ncrack/999,crack\n"), PREDICTIONS, rank),
    Case("predictions of some images only", lambda: predictions("image,predicted\ncrack/000,crack\n"), PREDICTIONS,
         rank),
    Case("a probability of 95", lambda: predictions("image,predicted,probability\ncrack/000,crack,95\n"), PREDICTIONS,
         rank),
]  # fmt: skip
