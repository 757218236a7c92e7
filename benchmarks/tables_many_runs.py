"""Time and memory of ``python -m xairank.tables`` on many runs: ``python benchmarks/tables_many_runs.py [--runs N]``.

The runs are written to a temporary folder with simulated scores, as large as those of the paper's hazelnut: 64 defects
and 431 good images, three methods, 30 epochs. Limits: 5 s for 10 runs; 30 s and 1 GB for 1,000.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.runs_fixture import write_fake_sweep

READ = "from pathlib import Path; import sys; from xairank.runs.sweep import read_sweep; read_sweep(Path(sys.argv[1]))"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="runs of the large sweeps (default 1000)")
    runs = parser.parse_args().runs
    print(f"{'runs':>6} {'groups':>7} {'read_sweep':>11} {'tables':>9} {'peak memory':>12}")
    with tempfile.TemporaryDirectory() as folder:
        for n_groups, n_seeds in ((1, 10), (1, runs), (max(runs // 10, 1), 10)):
            sweep = Path(folder) / f"{n_groups}x{n_seeds}"
            variants = [{"model.beta": beta} for beta in range(n_groups)]
            write_fake_sweep(sweep, range(n_seeds), n_epochs=30, n_good=431, variants=variants)
            read, _ = measure("-c", READ, str(sweep))
            tables, memory = measure("-m", "xairank.tables", f"name={sweep.name}", f"folder={folder}")
            print(f"{n_groups * n_seeds:6} {n_groups:7} {read:9.1f} s {tables:7.1f} s {memory:9.0f} MB", flush=True)


def measure(*arguments: str) -> tuple[float, float]:
    """Seconds of a Python process, its start included, and the largest memory of any process so far in MB."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=Path(__file__).parents[1], check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


if __name__ == "__main__":
    main()
