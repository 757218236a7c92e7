"""``python -m xairank`` and the help of every command, as a user types them."""

import pkgutil
import re
import subprocess
import sys

import pytest

import xairank
from xairank.__main__ import COMMANDS

NAMES = re.findall(r"python -m (xairank\.\w+) ", COMMANDS)


def run(*arguments):
    return subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, timeout=120)


def test_the_list_names_every_module_that_can_be_run():
    modules = pkgutil.iter_modules(xairank.__path__, "xairank.")
    packages = {module.name for module in modules if module.ispkg}
    runnable = {name for name in packages if "__main__" in {m.name for m in pkgutil.iter_modules(_folder(name))}}
    assert set(NAMES) == runnable | {"xairank.train", "xairank.rank", "xairank.explain"}
    assert run("xairank").stdout.strip() == COMMANDS


def _folder(package):
    return [f"{xairank.__path__[0]}/{package.rpartition('.')[2]}"]


@pytest.mark.parametrize("name", NAMES)
def test_help_helps(name):
    found = run(name, "--help")
    assert found.returncode == 0, found.stderr
    assert f"python -m {name}" in found.stdout
    assert found.stderr == ""


@pytest.mark.parametrize("name", ["xairank", *NAMES])
def test_a_reader_that_closes_the_pipe_early_sees_no_trace(name):
    process = subprocess.Popen(
        [sys.executable, "-m", name, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()  # before the first line is written: what `| head -0` does
    assert process.stderr.read() == ""
    assert process.wait(timeout=120) in (0, 141)
