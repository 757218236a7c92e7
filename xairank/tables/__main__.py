"""``python -m xairank.tables name=...``: Tables 1 to 4 of the paper and the statistics, of a sweep."""

import sys

from xairank.console import command, console, print_line, sweep_folder

USAGE = """\
python -m xairank.tables name=<sweep> [folder=multirun]

Writes the tables of a sweep into <folder>/<name>/tables, as CSV, Markdown and LaTeX:
hyperparameters, performance, win_rate_train, win_rate_test (Tables 1 to 4 of the paper, on the paper's data with the
published values beside), ranking, statistics and agreement.

  name=paper            the sweep (required)
  folder=multirun       where sweeps are"""

# What is printed, and the columns that eighty characters have no room for.
_OVERVIEW = {
    "performance": ("Images", "Seeds"),
    "win_rate_test": ("Images", "Seeds", "Excluded"),
    "ranking": ("Chance-corrected", "Against chance", "Against controls", "Mean rank", "Images", "Cases", "Seeds"),
}


@command
def main() -> None:
    """Writes the tables and prints the most important ones with the conclusions."""
    folder = sweep_folder(sys.argv[1:], usage=USAGE)
    # pandas and scipy take a second to import, which help and mistakes need not wait for.
    from xairank.runs.sweep import read_sweep
    from xairank.tables.collection import NOTHING_RANKED, make_results

    sweep = read_sweep(folder)
    results = make_results(sweep)
    for table in results.tables:
        table.write(folder / "tables")
    shown = _OVERVIEW if len(sweep.groups) == 1 else ["ranking"]
    for table in results.tables:
        if table.name in shown:
            console.print(table.to_rich(_OVERVIEW[table.name], console.width))
    for line in [NOTHING_RANKED] if sweep.scores.empty else results.words:
        print_line(line)
    print_line(f"Tables: {folder / 'tables'}")


if __name__ == "__main__":
    main()
