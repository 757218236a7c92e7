"""A Slurm cluster of this machine alone: Debian's slurm-wlm and munge, on loopback, in a temporary folder.

``python -m tests.engines.local_slurm COMMAND ...`` runs a command inside one, such as ``sinfo``, or a sweep with
``hydra/launcher=submitit_slurm``. Nothing in ``/etc`` is read or written. It has two slots, no accounting (``sacct``),
and starts a requeued job after seconds instead of minutes.
"""

import getpass
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
SECONDS = 120  # to start in, on a busy machine
CONFIGURATION = """\
ClusterName=local
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
SlurmctldParameters=idle_on_node_suspend
JobRequeue=1
KillWait=1
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """The programs that are not installed, in words; empty where all are."""
    return ", ".join(name for name in PROGRAMS if not shutil.which(name, path=PATH))


@contextmanager
def local_slurm() -> Iterator[dict[str, str]]:
    """Starts the cluster, yields the environment of commands that use it, and stops it."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as name, ExitStack() as running:
        folder = Path(name)
        folder.chmod(0o755)  # munge wants its socket where everybody may look
        for part in ("state", "spool"):
            (folder / part).mkdir()
        environment = {**os.environ, "PATH": PATH, "SLURM_CONF": str(folder / "slurm.conf")}
        _write_configuration(folder)
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        places = [f"--{part}-file={folder}/munge.{part}" for part in ("key", "log", "pid", "seed")]
        munged = ["munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *places]
        for command in (munged, ["slurmctld", "-D"], ["slurmd", "-D", "-N", _host()]):
            running.enter_context(_running(command, environment, folder))
            if command is munged:
                _wait(lambda: (folder / "munge.socket").exists(), folder)
        _wait(lambda: _output("sinfo --noheader --format=%T", environment).startswith("idle"), folder)
        try:
            yield environment
        finally:
            _output(f"scancel --user={getpass.getuser()}", environment)
            _wait(lambda: not _output("squeue --noheader", environment), folder)


def _write_configuration(folder: Path) -> None:
    with socket.socket() as one, socket.socket() as other:
        for some in (one, other):
            some.bind(("127.0.0.1", 0))
        ports = {"controller": one.getsockname()[1], "daemon": other.getsockname()[1]}
    text = CONFIGURATION.format(host=_host(), user=getpass.getuser(), folder=folder, **ports)
    (folder / "slurm.conf").write_text(text, encoding="utf-8")


def _host() -> str:
    return socket.gethostname().partition(".")[0]


@contextmanager
def _running(command: list[str], environment: dict[str, str], folder: Path) -> Iterator[None]:
    with (folder / f"{command[0]}.out").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _output(command: str, environment: dict[str, str]) -> str:
    return subprocess.run(command.split(), env=environment, capture_output=True, text=True).stdout


def _wait(condition, folder: Path) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > end:
            logs = "\n".join(f"{path.name}:\n{path.read_text(errors='replace')}" for path in folder.glob("*.out"))
            raise RuntimeError(f"the cluster does not answer\n{logs}")
        time.sleep(0.1)


def main() -> None:
    if absent := missing():
        sys.exit(f"not installed: {absent}; apt-get install slurm-wlm munge")
    with local_slurm() as environment:
        status = subprocess.run(sys.argv[1:], env=environment).returncode
    sys.exit(status)


if __name__ == "__main__":
    main()
