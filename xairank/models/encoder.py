"""Convolutional encoders from timm, by name, with weights from the hub or from a local file."""

import difflib
import logging
import pickle
from pathlib import Path

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from xairank.errors import UserError


def check_encoder(name: str) -> None:
    """Raises a UserError where timm does not know ``name``; reads no data and no weights."""
    if timm.is_model(name.split(".")[0]):
        return
    near = difflib.get_close_matches(name, timm.list_models(), n=3)
    hint = f"did you mean {', '.join(near)}?" if near else "timm.list_models() lists the names"
    raise UserError(f"model.encoder={name}: not a model of timm {timm.__version__}; {hint}")


def create_encoder(name: str, *, pretrained: bool, weights: Path | None) -> nn.Module:
    """A timm network without its head: ``forward_features(images)`` gives (B, C, h, w).

    Args:
        name: Any convolutional timm model.
        pretrained: Whether timm downloads its weights; ignored where ``weights`` is given.
        weights: A state dict of the same architecture (.safetensors, or .pth of plain tensors); its classifier is left
            out.

    Raises:
        UserError: An unknown name, an encoder without a feature map, weights that cannot be had or do not fit.
    """
    check_encoder(name)
    download = pretrained and weights is None
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries are many lines; ours is one
    try:
        encoder = timm.create_model(name, pretrained=download, num_classes=0)
    except Exception as error:  # the hub, the network, the cache and timm each raise their own
        if not download:
            raise UserError(f"model.encoder={name}: timm cannot build it ({error}); choose another encoder") from None
        raise UserError(
            f"model.pretrained=true: the weights of {name} could not be downloaded ({type(error).__name__}); connect "
            "to the network, give a local file with model.encoder_weights=FILE, or train from scratch with "
            "model.pretrained=false"
        ) from None
    if weights is not None:
        _load(encoder, name, weights)
    return encoder


def _load(encoder: nn.Module, name: str, path: Path) -> None:
    state = _read_weights(path)
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


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise UserError(f"model.encoder_weights={path}: no such file; give the path of a .safetensors or .pth file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError):
        raise UserError(
            f"model.encoder_weights={path}: is damaged or holds more than tensors; expected a whole state dict of "
            "tensors, .safetensors or .pth"
        ) from None
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise UserError(
            f"model.encoder_weights={path}: expected a state dict, a name and a tensor each; found other things"
        )
    return state


def _classifiers(encoder: nn.Module) -> tuple[str, ...]:
    names = getattr(encoder, "pretrained_cfg", {}).get("classifier") or "classifier"
    return (names,) if isinstance(names, str) else tuple(names)
