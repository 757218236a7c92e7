"""How jobs are interrupted, once each: that of seed 1 is killed; on Slurm, others are preempted or out of time."""

import os
import signal
import subprocess


def interrupt(seed: int) -> None:
    """Kills seed 1. On Slurm, seed 2 is preempted, and seed 3 told that its time is nearly over; both are requeued.

    With ``INTERRUPT=group`` in the environment, seed 1 sends SIGINT to all processes of the command, as a terminal
    does; with ``INTERRUPT=command``, to the process that started it, which ``INTERRUPT=kill_command`` kills.
    """
    if seed == 1:
        ways = {"group": interrupt_group, "command": interrupt_command, "kill_command": kill_command}
        ways.get(os.environ.get("INTERRUPT", ""), kill)()
    if "SLURM_JOB_ID" not in os.environ:
        return
    if seed == 2:
        subprocess.run(["scontrol", "requeue", os.environ["SLURM_JOB_ID"]], check=True)
        while True:  # until Slurm ends it
            signal.pause()
    if seed == 3:
        os.kill(os.getpid(), signal.SIGUSR2)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt_group() -> None:
    os.killpg(os.getpgrp(), signal.SIGINT)


def interrupt_command() -> None:
    os.kill(os.getppid(), signal.SIGINT)


def kill_command() -> None:
    os.kill(os.getppid(), signal.SIGKILL)
