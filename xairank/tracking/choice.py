"""Which tracker ``logger`` chooses; whether it takes runs, found out before anything is trained."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.utils import get_object, instantiate

from xairank.errors import UserError
from xairank.tracking.aim import Aim
from xairank.tracking.mlflow import MLflow
from xairank.tracking.tensorboard import TensorBoard
from xairank.tracking.tracker import Subject, Tracker
from xairank.tracking.wandb import WandB

Config = Mapping[str, Any]
_KINDS = {"TensorBoardLogger": TensorBoard, "MLFlowLogger": MLflow, "WandbLogger": WandB, "AimLogger": Aim}


def is_chosen(entry: Config) -> bool:
    """Whether ``logger`` is more than ``none``."""
    return bool(entry.get("_target_"))


def check_logger(entry: Config, sweep: str) -> None:
    """Finds out whether a tracker is installed, can be reached and takes runs; no run of it begins.

    Args:
        entry: ``logger`` of the configuration.
        sweep: The sweep's name.

    Raises:
        UserError: It does not.
    """
    if not is_chosen(entry):
        return
    try:
        get_object(entry["_target_"])
        _kind(entry).check(entry, sweep)
    except Exception as error:  # whatever a tracker raises
        raise _refusal(entry, error) from None


def start_tracker(entry: Config, subject: Subject, file: Path) -> Tracker:
    """Begins a run in the tracker, or goes on with a known one.

    Args:
        entry: ``logger`` of the configuration.
        subject: What the run is of.
        file: Which says what is known.

    Raises:
        UserError: The tracker refuses.
    """
    kind = _kind(entry)
    try:
        tracker = kind(instantiate(entry, **kind.arguments(entry, subject)))
        tracker.start()
    except Exception as error:  # whatever a tracker raises
        raise _refusal(entry, error, f"delete {file} to begin a new run there, " if subject.known else "") from None
    return tracker


def _kind(entry: Config) -> type[Tracker]:
    return _KINDS.get(str(entry["_target_"]).rpartition(".")[2], Tracker)


def _refusal(entry: Config, error: BaseException, advice: str = "") -> UserError:
    name = str(entry["_target_"]).rpartition(".")[2]
    while error.__cause__ is not None and not isinstance(error, ImportError):
        error = error.__cause__
    if isinstance(error, ImportError):
        extra = "aim" if name == "AimLogger" else "trackers"
        return UserError(
            f"logger: {name} needs a package that is not installed ({reason(error)}); pip install 'xairank[{extra}]', "
            "or choose logger=none"
        )
    return UserError(
        f"logger: {name} cannot begin a run: {reason(error)}; {advice}start or repair it, correct its keys, or choose "
        "logger=none"
    )


def reason(error: BaseException) -> str:
    """What went wrong, in one line that is not too long."""
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]} ..."
