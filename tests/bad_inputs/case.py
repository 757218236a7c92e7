"""One mistake, and what the command answers to it."""

import contextlib
import importlib
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from tests.conftest import write_category
from xairank import train

# The name xairank.rank is the function.
rank = importlib.import_module("xairank.rank")
dashboard = importlib.import_module("xairank.dashboard.__main__")
CATEGORY = Path("data/nuts")
# fmt: off
QUICK = [
    "name=test", "data.root=data", "data.category=nuts", "data.image_size=48", "data.crop=none", "data.batch_size=8",
    "model.encoder=resnet10t", "model.pretrained=false", "trainer.max_epochs=1", "trainer.accelerator=cpu",
]
RANK = [
    "name=test", "data.root=data", "data.category=nuts", "data.image_size=48", "device=cpu", "model=python",
    "model.factory=nets:build", "model.weights=net.pth",
]
# fmt: on


class Case(NamedTuple):
    """One mistake: what it is, how it comes about, what the user adds to the command.

    The answer may quote another package, in brackets, whose words change with its version.
    """

    title: str
    prepare: Callable[[], object] = lambda: None
    arguments: str = ""
    command: ModuleType = train
    quotes_another: bool = False


def answer(case: Case, folder: Path) -> tuple[int, str, set[str]]:
    """Exit status, what went to standard error, and the files that are new, of the case in an empty ``folder``."""
    write_category(folder / CATEGORY, good=10, defects=6)
    errors = io.StringIO()
    with _working_in(folder):
        case.prepare()
        before = _files()
        given = case.arguments.split()
        keys = {argument.partition("=")[0].lstrip("+~") for argument in given}
        quick = QUICK if case.command is train else [] if case.command is dashboard or "maps" in keys else RANK
        sys.argv = ["xairank", *(word for word in quick if word.partition("=")[0] not in keys), *given]
        status = 0
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            try:
                case.command.main()
            except SystemExit as exit_:
                status = int(exit_.code or 0)
        text = re.sub(
            r"\b(timm|torchvision) \d[\w.+]*", r"\1 VERSION", errors.getvalue().replace(str(folder), "FOLDER")
        )
        return status, text, _files() - before


@contextlib.contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    home, argv = Path.cwd(), sys.argv
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        os.chdir(home)
        sys.argv = argv
        sys.path.remove(str(folder))
        sys.modules.pop("nets", None)


def _files() -> set[str]:
    return {str(path) for path in Path().rglob("*")}
