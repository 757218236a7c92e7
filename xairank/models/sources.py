"""Networks that exist: built by timm, torchvision or the user's own function, with weights from a file."""

import difflib
import importlib
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import timm
import torchvision
from torch import nn

from xairank.errors import UserError
from xairank.models.encoder import check_encoder
from xairank.models.encoder_decoder import IMAGENET_MEAN, IMAGENET_STD
from xairank.models.state import fit_state, read_state

Options = Mapping[str, Any]
Channels = tuple[float, ...] | None


def build_network(options: Options, n_classes: int) -> nn.Module:
    """The network of ``model=timm``, ``torchvision`` or ``python``, with random weights or its own.

    Args:
        options: The keys of ``model``: ``source``, ``name`` or ``factory``, ``arguments``.
        n_classes: Outputs of a network of timm or torchvision.

    Raises:
        UserError: There is no such network, or it cannot be built.
    """
    return _BUILDERS[options["source"]](options, n_classes)


def load_weights(network: nn.Module, options: Options, path: Path) -> list[str]:
    """Loads ``model.weights``; returns the names of the file's tensors that are not the network's.

    Raises:
        UserError: They are not weights of this network.
    """
    what = f"model.name={options['name']}" if options["name"] else f"model.factory={options['factory']}"
    return fit_state(network, read_state(path, "model.weights"), f"model.weights={path}", what)


def normalization(network: nn.Module, options: Options) -> tuple[Channels, Channels]:
    """What is subtracted from each channel and what it is divided by; ``auto`` is what the source is known to take."""
    own: dict[str, Any] = {"mean": None, "std": None}
    if options["source"] == "timm":
        statistics = getattr(network, "pretrained_cfg", {})
        own = {"mean": statistics.get("mean", IMAGENET_MEAN), "std": statistics.get("std", IMAGENET_STD)}
    elif options["source"] == "torchvision":
        own = {"mean": IMAGENET_MEAN, "std": IMAGENET_STD}
    mean, std = (own[key] if options[key] == "auto" else options[key] for key in ("mean", "std"))
    return (None if mean is None else tuple(mean)), (None if std is None else tuple(std))


def _from_timm(options: Options, n_classes: int) -> nn.Module:
    name = options["name"]
    check_encoder(name, "model.name")
    return _built(
        f"model.name={name}",
        lambda: timm.create_model(name, pretrained=False, num_classes=n_classes, **options["arguments"]),
    )


def _from_torchvision(options: Options, n_classes: int) -> nn.Module:
    name = options["name"]
    known = torchvision.models.list_models(torchvision.models)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {', '.join(near)}?" if near else "torchvision.models.list_models() lists the names"
        raise UserError(
            f"model.name={name}: not a classifier of torchvision {torchvision.__version__.partition('+')[0]}; {hint}"
        )
    return _built(
        f"model.name={name}",
        lambda: torchvision.models.get_model(name, weights=None, num_classes=n_classes, **options["arguments"]),
    )


def _from_python(options: Options, n_classes: int) -> nn.Module:
    where = f"model.factory={options['factory']}"
    module_name, colon, name = options["factory"].partition(":")
    if not colon or not name:
        raise UserError(f"{where}: expected package.module:function, for example my_package.models:build")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and module_name.startswith(error.name):
            raise UserError(
                f"{where}: no module {error.name}; run in the folder that holds it, or install its package"
            ) from None
        raise UserError(f"{where}: {error}; install what {module_name} needs") from None
    except Exception as error:  # whatever the user's code raises
        raise _failed(where, error) from None
    factory = getattr(module, name, None)
    if not callable(factory):
        near = difflib.get_close_matches(name, [key for key in vars(module) if not key.startswith("_")], n=1)
        hint = f"did you mean {near[0]}?" if near else "expected a function that returns a torch.nn.Module"
        raise UserError(f"{where}: {module_name} has no function {name}; {hint}")
    network = _built(where, lambda: factory(**options["arguments"]))
    if not isinstance(network, nn.Module):
        raise UserError(f"{where}: gives {type(network).__name__}; expected a torch.nn.Module")
    return network


_BUILDERS: dict[str, Callable[[Options, int], nn.Module]] = {
    "timm": _from_timm,
    "torchvision": _from_torchvision,
    "python": _from_python,
}


def _built(where: str, build: Callable[[], nn.Module]) -> nn.Module:
    try:
        return build()
    except Exception as error:  # whatever a library or the user's code raises
        raise _failed(where, error) from None


def _failed(where: str, error: Exception) -> UserError:
    place = traceback.extract_tb(error.__traceback__)[-1]
    reason = " ".join(str(error).split())[:160]
    at = f" ({place.filename}, line {place.lineno})" if place.filename != __file__ else ""
    return UserError(f"{where}: cannot be built: {type(error).__name__}: {reason}{at}; fix it, or model.arguments")
