"""What ``run.json`` says of the machine and the software."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from xairank.attribution import kernels_in_use

PACKAGES = ("xairank", "torch", "torchvision", "pytorch-lightning", "timm", "torchmetrics", "numpy", "pandas")


def describe_environment(device: torch.device) -> dict[str, Any]:
    """Versions and revision, and what the rounding of results depends on: device, threads, kernels."""
    return {
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}},
        "git_revision": _git_revision(),
        "platform": platform.platform(),
        "device": str(device),
        "threads": torch.get_num_threads(),
        "kernels": kernels_in_use(device),
    }


def _git_revision() -> str | None:
    """The revision of the checkout this package runs from; None for an installed package."""
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
