"""Weights in files: read without running any code of theirs, and fitted to a network whatever wrapped it."""

import pickle
import re
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from xairank.errors import UserError

State = dict[str, Tensor]
# Where training scripts keep the state dict among other things.
_PLACES = ("state_dict", "model_state_dict", "model_state", "model", "network", "net", "weights")
_COUNTERS = ".num_batches_tracked"  # of batch norm; older files lack them, and evaluation does not read them


def read_state(path: Path, key: str) -> State:
    """Reads a state dict from a ``.safetensors`` file or a file of ``torch.save``, with ``weights_only=True``.

    Args:
        path: The file.
        key: Of the configuration that names it, for messages.

    Raises:
        UserError: There is no such file, it is damaged, or it holds other things than tensors.
    """
    where = f"{key}={path}"
    if not path.is_file():
        raise UserError(f"{where}: no such file; give the path of a .safetensors or .pth file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*TorchScript")  # which is told below
            found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _pickled(where, error) from None
    except RuntimeError as error:
        if "TorchScript" in str(error):
            raise UserError(
                f"{where}: a TorchScript archive, in which no layer can be found; expected a state dict; save "
                "torch.save(model.state_dict(), FILE) where the network was made"
            ) from None
        raise _damaged(where) from None
    except Exception:  # SafetensorError, and whatever torch's unpickler stumbles over in a damaged file
        raise _damaged(where) from None
    return _state_in(found, where)


def fit_state(network: nn.Module, state: State, where: str, what: str) -> list[str]:
    """Loads a state dict, also one of a network that was wrapped: ``module.``, ``model.`` or any other prefix.

    Args:
        network: Takes the weights.
        state: As of :func:`read_state`.
        where: The file, for messages.
        what: The network, for messages.

    Returns:
        The names of tensors that are not the network's, such as those of a loss; they are not used.

    Raises:
        UserError: The tensors are not the network's.
    """
    wanted = network.state_dict()
    prefix = _prefix(state, wanted)
    own = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    missing = [name for name in wanted if name not in own and not name.endswith(_COUNTERS)]
    wrong = [name for name in wanted if name in own and own[name].shape != wanted[name].shape]
    parts = {name.partition(".")[0] for name in wanted}
    unknown = [name for name in own if name not in wanted and name.partition(".")[0] in parts]
    used = {prefix + name for name in wanted} | {prefix + name for name in unknown}
    if wrong and not missing and (numbers := _class_counts(own, wanted, wrong)):
        raise UserError(
            f"{where}: weights of a classifier of {numbers[0]} classes, expected {numbers[1]}; give model.classes the "
            f"{numbers[0]} names in the order of its outputs, or the weights of another network"
        )
    for faults, kind in ((missing, "missing"), (wrong, "of another shape"), (unknown, "unknown")):
        if faults:
            raise UserError(
                f"{where}: not weights of {what}: {len(faults)} of {len(wanted)} tensors {kind}, first {faults[0]}; "
                "give the file of this network, or name the network of this file"
            )
    network.load_state_dict({name: own.get(name, wanted[name]) for name in wanted})
    return [name for name in state if name not in used]


def _state_in(found: Any, where: str) -> State:  # noqa: ANN401 - whatever a file holds
    places = [found, *(found.get(name) for name in _PLACES)] if isinstance(found, dict) else []
    for state in places:
        if isinstance(state, dict) and state and all(isinstance(value, Tensor) for value in state.values()):
            return {str(name): tensor for name, tensor in state.items()}
    kind = (
        f"a dictionary of {', '.join(map(str, list(found)[:4]))}" if isinstance(found, dict) else type(found).__name__
    )
    raise UserError(f"{where}: found {kind}; expected a state dict, a name and a tensor each; save model.state_dict()")


def _pickled(where: str, error: Exception) -> UserError:
    """What a pickle would build; torch names the first thing that it does not allow."""
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    if not named:
        return _damaged(where)
    return UserError(
        f"{where}: holds a pickled {named.group(1)}, which is not loaded, as a pickle can run any code; save "
        "torch.save(model.state_dict(), FILE) where the network was made"
    )


def _damaged(where: str) -> UserError:
    return UserError(
        f"{where}: is damaged or no file of weights; expected a whole state dict of tensors, .safetensors or .pth"
    )


def _prefix(state: State, wanted: Iterable[str]) -> str:
    """What stands before the network's own names: the text that fits most of them, the shortest of several."""
    last = {name.rpartition(".")[2] for name in wanted}
    own = set(wanted)
    found: Counter[str] = Counter({"": 0})
    for name in state:
        if name.rpartition(".")[2] not in last:
            continue
        parts = name.split(".")
        for start in range(min(len(parts), 6)):
            if ".".join(parts[start:]) in own:
                found["".join(f"{part}." for part in parts[:start])] += 1
    return max(found, key=lambda prefix: (found[prefix], -len(prefix)))


def _class_counts(own: State, wanted: State, wrong: list[str]) -> tuple[int, int] | None:
    """The number of classes there and here, where only the last layer's number of outputs differs."""
    pairs = {(own[name].shape[:1], wanted[name].shape[:1]) for name in wrong}
    same_rest = all(own[name].shape[1:] == wanted[name].shape[1:] for name in wrong)
    if len(pairs) != 1 or not same_rest or len(wrong) > 2:
        return None
    ((there, here),) = pairs
    return (there[0], here[0]) if there and here else None
