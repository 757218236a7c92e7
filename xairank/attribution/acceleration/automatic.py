"""The frozen copies that plain calls make on their own, where the work repays them."""

import contextlib
import threading
from typing import Any, NamedTuple, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from xairank.attribution.acceleration.frozen import FrozenModel, try_to_freeze
from xairank.attribution.protocol import Model

# Freezing costs as much as it saves of some 20 (EfficientNet-B0) to 45 (ResNet-50) images' gradients, two passes each.
REPAYS = 120  # forward passes, from which on a copy is made
# Making sure that a copy is still that of the model costs less than one gradient.
REUSED = 8  # forward passes, from which on a copy that exists is looked for


class _Kept(NamedTuple):
    """A copy of a model.

    Attributes:
        settings: Of the model when it was copied, see :func:`_settings`.
        frozen: None where the model could not be folded and split, so that a copy is no faster.
    """

    settings: list[object]
    frozen: FrozenModel | None


_kept: WeakKeyDictionary[nn.Module, _Kept] = WeakKeyDictionary()  # a copy knows nothing of its model, and dies with it
_lock = threading.Lock()


def accelerated(model: Model, images: Tensor, passes: float) -> Model:
    """A frozen copy of a model where it repays, else the model itself: the same function.

    A copy is kept as long as the model lives, and made again when a weight, a module or an attribute has changed, or
    when the images have another size or type. Threads may share it.

    Args:
        model: Left as it is.
        images: (B, C, H, W), those that will be explained.
        passes: About how many images will be sent forward through the model.
    """
    module = cast(nn.Module, model)
    if isinstance(model, FrozenModel) or passes < REUSED or not len(images) or _has_hooks(module):
        return model
    settings = [images.shape[1:], images.dtype, images.device, *_settings(module)]
    with _lock:
        kept = _kept.get(module)
        if kept is None or not _same(kept, module, settings):
            if passes < REPAYS:
                return model
            kept = _kept[module] = _Kept(settings, _copy(module, images))
    return kept.frozen or model


def _copy(module: nn.Module, images: Tensor) -> FrozenModel | None:
    """A frozen copy; None where the network cannot be copied, folded or split, which is nobody's mistake here."""
    with contextlib.suppress(Exception):
        frozen, reason = try_to_freeze(module, images[:1])
        return None if reason else frozen
    return None


def _has_hooks(module: nn.Module) -> bool:
    """Whether somebody else's functions run with the network's; copies would run them too, at other times."""
    names = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return any(getattr(part, name, None) for part in module.modules() for name in names)


def _same(kept: _Kept, module: nn.Module, settings: list[object]) -> bool:
    """Whether a model is as it was when it was copied; a failure is known of the settings alone."""
    if kept.settings != settings:
        return False
    if kept.frozen is None:
        return True
    ones, others = _tensors(module), _tensors(kept.frozen.plain)
    if any(one.dtype != other.dtype for one, other in zip(ones, others, strict=True)):
        return False
    if ones and ones[0].device.type != "cpu":  # where to look at a result is to wait: for one a type, not one a tensor
        ones, others = _joined(ones), _joined(others)
    return all(map(torch.equal, ones, others))


def _tensors(module: nn.Module) -> list[Tensor]:
    """All by their places, those of several places too: which share one may change."""
    named = (module.named_parameters, module.named_buffers)
    return [tensor for names in named for _, tensor in names(remove_duplicate=False)]


def _joined(tensors: list[Tensor]) -> list[Tensor]:
    """All values of each type in one tensor, the types in the order in which they come."""
    types = dict.fromkeys(tensor.dtype for tensor in tensors)
    return [torch.cat([tensor.flatten() for tensor in tensors if tensor.dtype == kind]) for kind in types]


def _settings(module: nn.Module) -> list[object]:
    """What a network computes beside its weights: its modules, the shapes of what they hold, and their attributes."""
    found: list[object] = []
    for name, part in module.named_modules():
        own = (*part.named_parameters(recurse=False), *part.named_buffers(recurse=False))
        found.append((name, type(part), part.extra_repr(), [(key, tensor.shape) for key, tensor in own]))
        found.append([(key, _value(value)) for key, value in vars(part).items() if key[0] != "_" and key != "training"])
    return found


def _value(value: Any) -> object:  # noqa: ANN401
    """Something that changes when an attribute does."""
    if isinstance(value, Tensor):
        return (id(value), value._version)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return repr(value) if isinstance(value, list | tuple | dict | set) else id(value)
