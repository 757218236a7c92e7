"""Kills a sweep of three seeds (SIGKILL) at random moments, lets it finish, and compares it with an undisturbed one.

Prints where each kill fell. Exit status 1 if a file of scores differs, or if the killed sweep left anything behind.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OVERRIDES = (
    "experiment=demo name=sweep data.root=data data.synthetic.good=24 data.image_size=96 data.synthetic.image_size=96 "
    "data.synthetic.defects={crack:12,hole:12} trainer.max_epochs=5 attribution.batch_limit=8 seed=1,2,3 -m"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10, help="how often the sweep is killed (default 10)")
    parser.add_argument("--random-state", type=int, default=0, help="of the moments (default 0)")
    options = parser.parse_args()
    chance = random.Random(options.random_state)
    with tempfile.TemporaryDirectory() as folder:
        undisturbed, killed = Path(folder) / "undisturbed", Path(folder) / "killed"
        undisturbed.mkdir()
        killed.mkdir()
        duration, idle = finish(undisturbed), finish(undisturbed)
        print(f"Undisturbed: {duration:.0f} s, {idle:.0f} s once complete, {len(files(undisturbed))} files", flush=True)
        for number in range(1, options.kills + 1):
            # Past what every start costs, so that the kills walk through the whole sweep, not its first seed alone.
            moment = idle + chance.uniform(0, 3 * (duration - idle) / options.kills)
            print(f"Kill {number}: {kill_one(killed, moment)}", flush=True)
        finish(killed)
        sys.exit(compare(undisturbed, killed))


def start(folder: Path) -> subprocess.Popen[bytes]:
    """The sweep, in a process group of its own, so that a kill reaches all of its processes."""
    command = [sys.executable, "-m", "xairank.train", *OVERRIDES.split()]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    with (folder.parent / f"{folder.name}.log").open("ab") as log:
        return subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )


def finish(folder: Path) -> float:
    """Runs the sweep to its end; the seconds it took."""
    started = time.monotonic()
    if start(folder).wait() != 0:
        sys.exit(f"the sweep failed:\n{(folder.parent / f'{folder.name}.log').read_text()}")
    return time.monotonic() - started


def kill_one(folder: Path, seconds: float) -> str:
    """Starts the sweep, kills it after ``seconds``, and says how far it had come."""
    process = start(folder)
    try:
        process.wait(timeout=seconds)
        return f"had ended within {seconds:.1f} s"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()
    names = [path.name for path in files(folder)]
    epochs = [len(path.read_text().splitlines()) - 1 for path in sorted(folder.rglob("metrics.csv"))]
    unfinished = [name for name in names if ".part" in name]
    return (
        f"after {seconds:.1f} s; epochs by seed {epochs}, {names.count('scores.parquet')} scored, "
        f"{names.count('run.json')} complete, half-written {unfinished or 'nothing'}"
    )


def compare(undisturbed: Path, killed: Path) -> int:
    """Prints what differs; the number of differences."""
    expected, found = files(undisturbed), files(killed)
    differences = [f"left behind: {path}" for path in sorted(found - expected)]
    differences += [f"missing: {path}" for path in sorted(expected - found)]
    scores = sorted(path for path in expected & found if path.name in ("scores.parquet", "excluded.csv", "metrics.csv"))
    for path in scores:
        if (undisturbed / path).read_bytes() != (killed / path).read_bytes():
            differences.append(f"differs: {path}")
    print(*differences, sep="\n")
    print(
        f"{len(scores)} files of results compared byte for byte, {len(expected)} names; {len(differences)} differences"
    )
    return min(len(differences), 1) if scores else 1


def files(folder: Path) -> set[Path]:
    """Every file below ``folder``, hidden ones too."""
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


if __name__ == "__main__":
    main()
