"""``python -m xairank.rank``: ranks the methods for a network that exists, or maps that exist; with ``-m``, a sweep.

The function of the same name is :func:`xairank.interface.rank`.
"""

import sys
from types import ModuleType
from typing import Any

import hydra
from omegaconf import DictConfig

from xairank.config import CONFIGURATION
from xairank.console import command
from xairank.errors import UserError
from xairank.hydra_command import run_command

_mistakes: list[UserError] = []


@hydra.main(config_path=str(CONFIGURATION), config_name="rank", version_base="1.3")
def _job(config: DictConfig) -> None:
    # Imported here: joblib's launcher pickles this function with whatever else it names.
    from xairank.experiment.task import execute

    if mistake := execute(config):
        _mistakes.append(mistake)


@command
def main() -> None:
    """Explains, or reads maps, and ranks."""
    run_command(_job, "rank", _mistakes)


class _CallableModule(ModuleType):
    """Importing this module makes it ``xairank.rank``, which must then do what the function of that name does."""

    def __call__(self, *arguments: Any, **options: Any) -> object:  # noqa: ANN401
        from xairank.interface import rank

        return rank(*arguments, **options)


if __name__ == "__main__":
    main()
else:
    sys.modules[__name__].__class__ = _CallableModule
