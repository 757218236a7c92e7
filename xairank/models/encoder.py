"""Encoders from timm, by name, with ImageNet weights or those of a local file."""

import difflib
from pathlib import Path
from typing import Any

import timm
from timm.models import get_pretrained_cfg
from torch import Tensor, nn

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


def create_encoder(
    name: str,
    *,
    pretrained: bool,
    weights: Path | None,
    image_size: int | None = None,
    monitor: Monitor | None = None,
) -> nn.Module:
    """A timm network without its head: ``forward_features(images)`` gives a map or tokens.

    Args:
        name: Any timm model.
        pretrained: Whether to load its ImageNet weights, downloaded where :func:`xairank.models.weights.find_weights`
            finds none; ignored where ``weights`` is given.
        weights: A state dict of the same architecture (.safetensors, or .pth of plain tensors); its classifier is left
            out.
        image_size: Height and width of the images, in pixels, for which a network of fixed size is made; its position
            embeddings are interpolated from those of the weights. None for its own.
        monitor: Shows the progress of a download; None shows nothing.

    Raises:
        UserError: An unknown name, a size that the encoder cannot be made for, weights that cannot be had or do not
            fit.
    """
    check_encoder(name)
    imagenet = None
    if pretrained and weights is None:
        imagenet = find_weights(name) or download_weights(name, monitor=monitor)
    options = _size_options(name, image_size)
    encoder = _build(name, {"file": str(imagenet)} if imagenet else None, options)
    return encoder if weights is None else _with_weights(encoder, name, weights, options)


def _size_options(name: str, image_size: int | None) -> dict[str, Any]:
    """What timm must know to make a network of fixed size for images of another size than its own."""
    own_size = _own_size(name)
    return {"img_size": image_size} if own_size and image_size not in (None, own_size) else {}


def _own_size(name: str) -> int | None:
    """Height and width of the images of a network of fixed size, in pixels; None of any other."""
    config = get_pretrained_cfg(name)
    return config.input_size[-1] if config and config.fixed_input_size else None


def _build(name: str, start: dict[str, Any] | None = None, options: dict[str, Any] | None = None) -> nn.Module:
    """The network with weights to start from, a ``file`` or a ``state_dict``, which timm makes fit its size."""
    overlay = start and {**start, "custom_load": False}
    try:
        encoder: nn.Module = timm.create_model(
            name, pretrained=start is not None, pretrained_cfg_overlay=overlay, num_classes=0, **(options or {})
        )
    except Exception as error:  # timm, PyTorch and safetensors each raise their own
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        if start is not None:
            if options:
                _build(name, None, options)  # tells where it is the size
            raise UserError(
                f"{start['file']}: cannot be loaded as weights of model.encoder={name} ({reason}); delete it to get it "
                "again"
            ) from None
        if options:
            raise UserError(
                f"data.image_size={options['img_size']}: timm cannot make model.encoder={name} for it ({reason}); set "
                f"data.image_size={_own_size(name)}, or choose another encoder"
            ) from None
        raise UserError(f"model.encoder={name}: timm cannot build it ({reason}); choose another encoder") from None
    return encoder


def _with_weights(encoder: nn.Module, name: str, path: Path, options: dict[str, Any]) -> nn.Module:
    """The encoder with the weights of a file; they may be those for images of another size, as timm's own are."""
    state = read_state(path, "model.encoder_weights")
    wanted = encoder.state_dict()
    if options and any(key in wanted and some.shape != wanted[key].shape for key, some in state.items()):
        _check_state(_build(name), name, path, state)
        return _build(name, {"file": str(path), "state_dict": state}, options)
    _check_state(encoder, name, path, state)
    encoder.load_state_dict({key: state[key] for key in wanted})
    return encoder


def _check_state(encoder: nn.Module, name: str, path: Path, state: dict[str, Tensor]) -> None:
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


def _classifiers(encoder: nn.Module) -> tuple[str, ...]:
    """The modules that hold nothing but the classifier: of ``head.linear`` all of ``head``."""
    names = getattr(encoder, "pretrained_cfg", {}).get("classifier") or "classifier"
    return tuple(name.partition(".")[0] for name in ((names,) if isinstance(names, str) else names))
