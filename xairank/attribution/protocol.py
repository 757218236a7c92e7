"""What a model must offer, and the state in which it is explained."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from xairank.attribution.acceleration.memory import freed_memory_kept

_lock = threading.Lock()
_wanted: dict[object, tuple[int, Callable[[], None]]] = {}  # how often, and what restores it


class Model(Protocol):
    """timm's protocol, with one addition: where the head needs more than the feature map, it is handed on with it.

    Such are residuals that pass the cut, or the class token of a transformer; see :func:`xairank.adapt`.
    """

    def forward_features(self, images: Tensor, /) -> Any:  # noqa: ANN401
        """Images (B, 3, H, W) -> feature map (B, C, h, w), or a tuple of it and what else the head takes."""
        ...

    def forward_head(self, features: Tensor, /, *others: Any) -> Tensor:  # noqa: ANN401
        """What ``forward_features`` gave -> logits (B, classes)."""
        ...


def as_parts(features: Any) -> tuple[Any, ...]:  # noqa: ANN401
    """What ``forward_features`` gave, as a tuple that begins with the feature map."""
    return features if isinstance(features, tuple) else (features,)


@contextmanager
def explaining(model: Model) -> Iterator[None]:
    """Evaluation mode, no gradients of parameters, full precision, gradients on; all as before at exit.

    Neither the caller's gradient mode nor its autocast counts, and convolutions and products leave TF32 and bfloat16
    aside: a rounding of 10 bits moves the top-K set.

    Raises:
        ValueError: The model was made in inference mode, whose tensors have no gradients ever.
    """
    module = cast(nn.Module, model)
    if any(tensor.is_inference() for tensor in (*module.parameters(), *module.buffers())):
        raise ValueError(
            "model: its parameters or buffers were made in inference mode and can have no gradients; make or load it "
            "outside torch.inference_mode()"
        )
    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
    with (
        _shared(id(module), lambda: _set_evaluation(module)),
        _shared("precision", _set_full_precision),
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast(device.type, enabled=False),
        freed_memory_kept(),
    ):
        yield


@contextmanager
def _shared(key: object, enter: Callable[[], Callable[[], None]]) -> Iterator[None]:
    """A state that several may want at once, threads too: the first one enters it, the last one restores it."""
    with _lock:
        count, restore = _wanted.get(key) or (0, enter())
        _wanted[key] = count + 1, restore
    try:
        yield
    finally:
        with _lock:
            count, restore = _wanted.pop(key)
            if count > 1:
                _wanted[key] = count - 1, restore
            else:
                restore()


def _set_evaluation(module: nn.Module) -> Callable[[], None]:
    modes = [(part, part.training) for part in module.modules()]
    flags = [(parameter, parameter.requires_grad) for parameter in module.parameters()]
    module.eval()
    for parameter, _ in flags:
        parameter.requires_grad_(False)

    def restore() -> None:
        for part, mode in modes:
            part.training = mode
        for parameter, flag in flags:
            parameter.requires_grad_(flag)

    return restore


def _set_full_precision() -> Callable[[], None]:
    backends: Any = torch.backends
    name: str
    full: str | bool
    if hasattr(backends.cuda.matmul, "fp32_precision"):  # torch 2.9: whoever reads the older switches too, gets errors
        name, full = "fp32_precision", "ieee"
        parts = [backends.cuda.matmul, backends.cudnn.conv, backends.mkldnn.matmul, backends.mkldnn.conv]
    else:
        name, full = "allow_tf32", False
        parts = [backends.cuda.matmul, backends.cudnn]
    before = [getattr(part, name) for part in parts]
    for part in parts:
        setattr(part, name, full)

    def restore() -> None:
        for part, value in zip(parts, before, strict=True):
            setattr(part, name, value)

    return restore


def checked(images: Tensor, targets: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Images (B, C, H, W) and targets (B,) to compute with, also where the caller is in inference mode.

    Raises:
        ValueError: They do not fit each other or the protocol.
    """
    for name, value in (("images", images), ("targets", images if targets is None else targets)):
        if not isinstance(value, Tensor):
            raise ValueError(f"{name}: found {type(value).__name__}, expected a tensor")
    if images.ndim != 4 or not images.is_floating_point():
        raise ValueError(f"images: found shape {tuple(images.shape)} of {images.dtype}, expected floating (B, C, H, W)")
    whole = targets is None or not (targets.is_floating_point() or targets.dtype == torch.bool)
    if targets is not None and (targets.shape != images.shape[:1] or not whole):
        raise ValueError(
            f"targets: found shape {tuple(targets.shape)} of {targets.dtype}, expected one class index for each of the "
            f"{len(images)} images"
        )
    # Tensors made in inference mode can never take part in a graph; only those are worth a copy.
    copied = images.clone() if images.is_inference() else images.detach()
    return copied, targets.clone().long() if targets is not None else None


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error is a lack of memory, on a CPU or an accelerator."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "DefaultCPUAllocator" in str(error)
