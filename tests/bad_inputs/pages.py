"""Mistakes at the start of the live page."""

import contextlib
import socket
from pathlib import Path

from tests.bad_inputs.case import Case, dashboard
from tests.bad_inputs.making import write_network

NETWORK = "model=python model.factory=nets:build model.classes=[crack,good,hole] image_size=48 device=cpu"
OURS = f"{NETWORK} model.weights=net.pth"
_held = socket.socket()


def _take_port() -> None:
    """Listens where the page should; another program that does is as good."""
    write_network()
    with contextlib.suppress(OSError):
        _held.bind(("127.0.0.1", 5099))
        _held.listen()


CASES = [
    Case("no run for the page", command=dashboard),
    Case("a run of the page that is not there", arguments="model=run model.path=multirun/x", command=dashboard),
    Case("a folder of the page that is not a run", lambda: Path("multirun/x").mkdir(parents=True),
         "model=run model.path=multirun/x", dashboard),
    Case("weights of the page that are not there", write_network, f"{NETWORK} model.weights=nett.pth", dashboard),
    Case("weights of the page that are a text", lambda: [write_network(), Path("net.pth").write_text("hello")], OURS,
         dashboard),
    Case("a network of the page without classes", write_network,
         "model=python model.factory=nets:build model.weights=net.pth", dashboard),
    Case("a page for others that is not said to be", write_network, f"{OURS} host=0.0.0.0", dashboard),
    Case("a port that does not exist", arguments="port=70000", command=dashboard),
    Case("a port that is taken", _take_port, f"{OURS} host=127.0.0.1 port=5099", dashboard),
    Case("a method of the page that does not exist", write_network,
         f"{OURS} attribution.methods.gradcam._target_=xairank.attribution.GradCam", dashboard),
]  # fmt: skip
