"""Convolutional encoders from timm, by name, with ImageNet weights or those of a local file."""

import difflib
from pathlib import Path

import timm
from torch import nn

from xairank.errors import UserError
from xairank.models.state import read_state
from xairank.models.weights import download_weights, find_weights
from xairank.progress import Monitor


def check_encoder(name: str, key: str = "model.encoder") -> None:
    """Raises a UserError, about ``key``, where timm does not know ``name``; reads no data and no weights."""
    architecture, _, tag = name.partition(".")
    if timm.is_model(architecture):
        tags = [model.partition(".")[2] for model in timm.list_pretrained(f"{architecture}.*")]
        if tag and tag not in tags:
            raise UserError(
                f"{key}={name}: timm {timm.__version__} has no weights {tag} of {architecture}; expected "
                f"{', '.join([*tags, 'or no tag'])}"
            )
        return
    near = difflib.get_close_matches(name, timm.list_models(), n=3)
    hint = f"did you mean {', '.join(near)}?" if near else "timm.list_models() lists the names"
    raise UserError(f"{key}={name}: not a model of timm {timm.__version__}; {hint}")


def create_encoder(name: str, *, pretrained: bool, weights: Path | None, monitor: Monitor | None = None) -> nn.Module:
    """A timm network without its head: ``forward_features(images)`` gives (B, C, h, w).

    Args:
        name: Any convolutional timm model.
        pretrained: Whether to load its ImageNet weights, downloaded where :func:`xairank.models.weights.find_weights`
            finds none; ignored where ``weights`` is given.
        weights: A state dict of the same architecture (.safetensors, or .pth of plain tensors); its classifier is left
            out.
        monitor: Shows the progress of a download; None shows nothing.

    Raises:
        UserError: An unknown name, an encoder without a feature map, weights that cannot be had or do not fit.
    """
    check_encoder(name)
    imagenet = None
    if pretrained and weights is None:
        imagenet = find_weights(name) or download_weights(name, monitor=monitor)
    overlay = {"file": str(imagenet), "custom_load": False} if imagenet else None
    try:
        encoder = timm.create_model(
            name, pretrained=imagenet is not None, pretrained_cfg_overlay=overlay, num_classes=0
        )
    except Exception as error:  # timm, PyTorch and safetensors each raise their own
        reason = " ".join(str(error).split())[:120]
        if imagenet is None:
            raise UserError(f"model.encoder={name}: timm cannot build it ({reason}); choose another encoder") from None
        raise UserError(
            f"{imagenet}: cannot be loaded as weights of model.encoder={name} ({reason}); delete it to get it again"
        ) from None
    if weights is not None:
        _load(encoder, name, weights)
    return encoder


def _load(encoder: nn.Module, name: str, path: Path) -> None:
    state = read_state(path, "model.encoder_weights")
    wanted = encoder.state_dict()
    missing = [key for key in wanted if key not in state]
    wrong = [key for key in wanted if key in state and state[key].shape != wanted[key].shape]
    classifier = tuple(f"{prefix}." for prefix in _classifiers(encoder))
    unknown = [key for key in state if key not in wanted and not key.startswith(classifier)]
    for faults, what in ((missing, "missing"), (wrong, "of another shape"), (unknown, "unknown")):
        if faults:
            raise UserError(
                f"model.encoder_weights={path}: not weights of model.encoder={name}: {len(faults)} of {len(wanted)} "
                f"tensors {what}, first {faults[0]}; give the file of this encoder or name its encoder"
            )
    encoder.load_state_dict({key: state[key] for key in wanted})


def _classifiers(encoder: nn.Module) -> tuple[str, ...]:
    names = getattr(encoder, "pretrained_cfg", {}).get("classifier") or "classifier"
    return (names,) if isinstance(names, str) else tuple(names)
