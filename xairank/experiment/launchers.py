"""The launchers of ``conf/hydra/launcher``: what each needs, and that these files count, not those of the plug-ins."""

import ctypes
import multiprocessing
import shutil
import signal
import sys
import threading
from importlib.util import find_spec

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from xairank.config import CONFIGURATION
from xairank.errors import UserError

_PR_SET_PDEATHSIG = 1  # of linux/prctl.h
_PACKAGES = {
    "joblib": ("joblib", "hydra_plugins.hydra_joblib_launcher"),
    "submitit_local": ("submitit", "hydra_plugins.hydra_submitit_launcher"),
    "submitit_slurm": ("submitit", "hydra_plugins.hydra_submitit_launcher"),
    "ray": ("ray",),
}


def prefer_own_files() -> None:
    """Takes the plug-ins' configurations of the same names away.

    Hydra would check our files by them, with a warning in every process. Their keys are those of the plug-ins all the
    same, which refuse others.
    """
    Plugins.instance()  # imports the plug-ins, which leave their configurations in the store
    stored = ConfigStore.instance().repo.get("hydra", {}).get("launcher", {})
    for file in (CONFIGURATION / "hydra" / "launcher").glob("*.yaml"):
        stored.pop(file.name, None)


def check_launcher(name: str) -> None:
    """Checks that what a launcher needs is there.

    Args:
        name: Of the option of ``hydra/launcher``.

    Raises:
        UserError: A package is not installed, or Slurm's commands are not here.
    """
    for package in _PACKAGES.get(name, ()):
        if not _is_installed(package):
            raise UserError(
                f"hydra/launcher={name}: is not installed; install it with pip install 'xairank[launchers]'"
            )
    if name == "submitit_slurm" and not shutil.which("sbatch"):
        raise UserError(
            f"hydra/launcher={name}: sbatch is not on this machine; start the sweep where Slurm's commands are, or "
            "choose hydra/launcher=joblib"
        )


def let_workers_start_processes() -> None:
    """Lets a worker of joblib render in several processes, or use several devices, as any process does.

    joblib names its own way to start processes the standard one, of which the processes that a worker starts by
    Python's own ways have never heard, so that they end at once.
    """
    if multiprocessing.get_start_method(allow_none=True) == "loky":
        multiprocessing.set_start_method("spawn", force=True)


def depend_on_the_command() -> None:
    """In a worker, as of joblib: a terminal sends Ctrl-C to it too, but the command ends it, without a trace.

    Where the command is killed, which leaves it no time for that, Linux kills the worker too; its run can be resumed.
    """
    in_worker = multiprocessing.current_process().name != "MainProcess"
    if in_worker and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # of a package inside hydra_plugins, where there is none
        return False
