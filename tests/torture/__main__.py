"""The command: batches at once, and one report of them all."""

import argparse
import multiprocessing
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.torture import __doc__ as description
from tests.torture.attempts import WORK, prepare
from tests.torture.batch import Account, Batch, Torture, undisturbed


def main() -> None:
    options = parse(sys.argv[1:])
    prepare()
    started, wrong = time.monotonic(), []
    lines = [f"Torture of xairank on {platform.node()}, {time.strftime('%F %T')}, {options.jobs} batches at once"]
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
        for real, title in ((False, "Forked processes"), (True, "Real commands")):
            if not (options.commands if real else options.kills or options.pairs):
                continue
            account = inflict(divide(options, Path(folder) / title.split()[0], started + options.seconds, real=real))
            lines += [f"{title}:", *account.lines()]
            wrong += account.wrong
    lines += [f"{len(wrong)} results lost, changed or left over, or processes that ended otherwise", *wrong]
    lines += [f"{time.monotonic() - started:.0f} s"]
    print(*lines, sep="\n")
    options.report.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.exit(1 if wrong else 0)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="of forked sweeps (default 200)")
    parser.add_argument("--pairs", type=int, default=50, help="of processes started at once (default 50)")
    parser.add_argument("--commands", type=int, default=20, help="kills of real command lines (default 20)")
    parser.add_argument(
        "--work", nargs="+", choices=list(WORK), default=list(WORK), help="what is disturbed (default all)"
    )
    parser.add_argument("--no-full-disk", action="store_true", help="leave out the disk that is full at each file")
    parser.add_argument("--jobs", type=int, default=1, help="batches at once, one a processor core (default 1)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop early after so long")
    parser.add_argument("--random-state", type=int, default=0, help="of the moments (default 0)")
    parser.add_argument("--report", type=Path, default=Path("torture.txt"), help="file of the report")
    return parser.parse_args(arguments)


def divide(options: argparse.Namespace, base: Path, end: float, *, real: bool) -> list[Batch]:
    """The batches of forked processes, or those of real commands."""
    base.mkdir()
    numbers = range(options.jobs)
    kills = [len(range(number, options.commands if real else options.kills, options.jobs)) for number in numbers]
    pairs = [0 if real else len(range(number, options.pairs, options.jobs)) for number in numbers]
    disks = () if real or options.no_full_disk else tuple(options.work)
    return [
        Batch(
            base,
            number,
            random_state=options.random_state,
            work=tuple(options.work),
            kills=kills[number],
            pairs=pairs[number],
            full_disks=disks[number :: options.jobs],
            real=real,
            end=end,
        )
        for number in numbers
        if kills[number] or pairs[number]
    ]


def inflict(batches: Sequence[Batch]) -> Account:
    """Carries out batches at once, each in a process that forks its attempts."""
    expected = {work: undisturbed(batches[0].base, work, real=batches[0].real) for work in batches[0].work}
    with ProcessPoolExecutor(len(batches), multiprocessing.get_context("fork")) as pool:
        accounts = [pool.submit(Torture(batch, expected).inflict) for batch in batches]
        return sum((account.result() for account in accounts), Account())


if __name__ == "__main__":
    main()
