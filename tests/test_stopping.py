"""Signals that ask a command to end: one line, the status of the signal, and no further run."""

import functools
import os
import signal
import subprocess
import sys
import threading

import pytest

from xairank import stopping
from xairank.console import command
from xairank.errors import UserError
from xairank.stopping import StoppedError, stoppable

SIGNALS = [(signal.SIGINT, 130, ""), (signal.SIGTERM, 143, " by SIGTERM"), (signal.SIGUSR1, 138, " by SIGUSR1")]


@pytest.fixture(autouse=True)
def usual():
    """The usual handlers, also where the tests run in the background of a shell, which ignores Ctrl-C there."""
    usual = [signal.default_int_handler, *[signal.SIG_DFL] * 3]
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
    before = [signal.signal(number, one) for number, one in zip(numbers, usual, strict=True)]
    yield
    for number, one in zip(numbers, before, strict=True):
        signal.signal(number, one)


def handlers():
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)]


@pytest.mark.parametrize(("number", "status", "by"), SIGNALS)
def test_a_command_says_in_one_line_what_stopped_it_and_how_to_resume(capsys, number, status, by):
    @command
    def main():
        os.kill(os.getpid(), number)
        pytest.fail("went on")

    before = handlers()
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == status
    assert capsys.readouterr().err == f"xairank: stopped{by}; run the same command again to resume\n"
    assert handlers() == before


@pytest.mark.parametrize(
    "of", [RuntimeError("unexpected pos 5043968"), UserError("file: cannot be read"), OSError(5, "I/O", "f")]
)
def test_what_fails_because_it_was_interrupted_is_an_interruption(capsys, of):
    @command
    def main():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            raise of

    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 143
    assert capsys.readouterr().err == "xairank: stopped by SIGTERM; run the same command again to resume\n"


def test_only_the_first_signal_counts_so_that_what_cleans_up_is_not_interrupted():
    cleaned = []

    def work():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            cleaned.append(True)

    with pytest.raises(StoppedError, match="SIGTERM"), stoppable():
        work()
    assert cleaned


def test_a_signal_that_somebody_else_handles_or_ignores_stays_theirs():
    theirs = []
    before = handlers()
    try:
        signal.signal(signal.SIGUSR2, lambda *_: theirs.append("submitit"))
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with stoppable():
            os.kill(os.getpid(), signal.SIGUSR2)
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGUSR2, before[3])
        signal.signal(signal.SIGTERM, before[1])
    assert theirs == ["submitit"]


def test_nothing_is_done_outside_the_main_thread():
    found = []

    def work():
        with stoppable():
            found.append(handlers())

    before = handlers()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [before]


def test_a_forked_process_takes_its_signals_as_they_come():
    with stoppable():
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(1)
        _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGTERM


STUCK = """
import os, signal, sys, time
from xairank import stopping
from xairank.console import command
from xairank.errors import UserError

stopping.GRACE = 0.1

class Swallows:
    def __del__(self):
        print("computing", flush=True)
        time.sleep(60)

@command
def main():
    Swallows()
    print("went on", flush=True)
    time.sleep(60)

main()
"""


def test_what_swallows_the_exception_is_ended_all_the_same():
    with subprocess.Popen(
        [sys.executable, "-c", STUCK], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "computing\n"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 143
    assert out == "went on\n"
    assert err.splitlines()[-1] == "xairank: stopped by SIGTERM; run the same command again to resume"


def test_the_promised_time_is_kept():
    assert stopping.GRACE < 5


@pytest.fixture
def signalled(run, monkeypatch):
    """Runs a sweep of two seeds that gets a signal where ``place``, a method of ``owner``, is called again."""

    def start(number, owner, place, calls):
        original = getattr(owner, place)
        count = []

        @functools.wraps(original)
        def method(*arguments, **options):
            count.append(place)
            if len(count) == calls:
                os.kill(os.getpid(), number)
            return original(*arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(owner, place, method)
            return run("seed=1,2", "-m", "trainer.max_epochs=2", "attribution.batch_limit=3")

    return start


def test_a_sweep_stops_in_training_and_in_explaining_and_goes_on_to_the_same_result(signalled, run, tmp_path):
    from xairank.experiment.explaining import Parts
    from xairank.models import MultitaskModule

    one = ("seed=1", "trainer.max_epochs=2", "attribution.batch_limit=3")
    run(*one)
    sweep = tmp_path / "multirun" / "test"
    sweep.rename(tmp_path / "expected")
    places = [(MultitaskModule, "training_step", 7), (Parts, "add", 3)]
    for (number, status, by), place in zip(SIGNALS[1:], places, strict=True):
        ended, _, err = signalled(number, *place)
        assert ended == status, err
        assert err == f"xairank: stopped{by}; run the same command again to resume\n"
        (begun,) = (path.name for path in sweep.iterdir() if path.is_dir())
        assert begun.endswith("seed=1")
    ended, _, err = run(*one)
    assert ended == 0, err
    for path in (tmp_path / "expected").rglob("*"):
        if path.name in ("scores.parquet", "maps.npz", "metrics.csv", "excluded.csv"):
            assert (sweep / path.relative_to(tmp_path / "expected")).read_bytes() == path.read_bytes(), path


def test_lightning_leaves_the_slurm_job_and_its_signals_to_us(monkeypatch, tmp_path):
    from tests.test_config import composed
    from xairank.experiment.trainer import create_trainer

    for name, value in {"SLURM_NTASKS": "1", "SLURM_JOB_NAME": "paper", "SLURM_JOB_ID": "7"}.items():
        monkeypatch.setenv(name, value)
    trainer = create_trainer(composed("data=synthetic", "trainer.accelerator=cpu"), [])
    assert not hasattr(trainer._accelerator_connector.cluster_environment, "auto_requeue")
