"""``python -m audit``: runs the grid, gathers its results, and writes the document."""

import argparse
import sys
from pathlib import Path

from rich.table import Table

from audit.collect import RESULTS, collect, read_results, write_results
from audit.document import DOCS, write_document
from audit.grid import PREFIX, Cell, Places, grid
from audit.repeated import compare, comparison_table
from audit.running import Selection, lacking, run_all, runs_of
from audit.study import Study
from xairank.console import command, console, print_line
from xairank.errors import UserError

USAGE = """The audit of the paper's conclusion: runs the grid, gathers its results, writes docs/audit.md.

    make audit                                                      # everything; what is complete is skipped
    make audit ARGS="--dry-run"                                     # the cells and what they cost
    make audit ARGS="--only hazelnut/base --seeds 42 --folds 0"     # a part, beside audit/results

Further arguments are overrides of every run, such as trainer.max_epochs=1; give them another --prefix, so that these
runs are not taken for those of the audit. Exit status 1 if a run has no result.
"""


@command
def main() -> None:
    """Runs what the arguments choose."""
    arguments = _parse()
    if arguments.overrides and arguments.prefix == PREFIX:
        raise UserError(f"{arguments.overrides[0]}: changes the runs of the audit; give them another --prefix")
    places = Places(arguments.data, arguments.weights, arguments.device)
    cells = _chosen(arguments.only)
    selection = Selection(cells, arguments.seeds, arguments.folds, arguments.overrides, arguments.prefix)
    _print_cost(selection)
    if arguments.dry_run:
        return
    log = Path("multirun", f"{arguments.prefix}_log")
    run_all(runs_of(selection, places), log, processes=arguments.jobs, minutes=arguments.minutes, say=print_line)
    incomplete = lacking(runs_of(selection, places))
    for line in incomplete:
        print_line(line)
    if arguments.prefix == PREFIX:
        whole = not (incomplete or arguments.only or arguments.seeds or arguments.folds)
        _conclude() if whole else _compare(selection)
    sys.exit(1 if incomplete else 0)


def _conclude() -> None:
    """Gathers the whole grid and writes the document."""
    write_results(collect(Path("multirun")), RESULTS)
    write_document(Study(read_results()), DOCS)
    print_line(f"Document: {DOCS / 'audit.md'}")


def _compare(selection: Selection) -> None:
    """Shows how the runs of the selection compare with those that are gathered."""
    found = compare(collect(Path("multirun"), cells=selection.cells), read_results())
    for name, chosen in (("seed", selection.seeds), ("fold", selection.folds)):
        found = found[found[name].isin(chosen)] if chosen else found
    console.print(comparison_table(found) if len(found) else f"{RESULTS} has none of these runs yet.")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m audit", description=USAGE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of all data (default data)")
    parser.add_argument("--weights", type=Path, default=Path("weights"), help="folder of weights (default weights)")
    parser.add_argument("--device", choices=["auto", "cpu", "gpu"], default="auto", help="what computes")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once (default 1)")
    parser.add_argument("--minutes", type=float, help="after which nothing is started and what runs is ended")
    parser.add_argument("--only", type=_texts, default=[], help="cells, such as hazelnut/base,tiles")
    parser.add_argument("--seeds", type=_numbers, default=[], help="of these seeds only, such as 42,43")
    parser.add_argument("--folds", type=_numbers, default=[], help="of these folds only, such as 0,1")
    parser.add_argument("--prefix", default=PREFIX, help=f"of the names of the sweeps (default {PREFIX})")
    parser.add_argument("--dry-run", action="store_true", help="print what would be run")
    parser.add_argument("overrides", nargs="*", help="of every run")
    return parser.parse_intermixed_args()


def _texts(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def _numbers(text: str) -> list[int]:
    return [int(part) for part in _texts(text)]


def _chosen(only: list[str]) -> list[Cell]:
    """The cells named: by data set and switch, or by the data set alone.

    Raises:
        UserError: There is no such cell.
    """
    cells = list(grid())
    for name in only:
        if not [cell for cell in cells if name in (cell.key, cell.data.name)]:
            raise UserError(f"--only {name}: no such cell; expected one of {', '.join(cell.key for cell in cells)}")
    return [cell for cell in cells if not only or cell.key in only or cell.data.name in only]


def _print_cost(selection: Selection) -> None:
    table = Table(title="The grid", title_justify="left")
    for heading in ("Cell", "Runs", "Images explained", "Passes, in thousands"):
        table.add_column(heading, justify="left" if heading == "Cell" else "right")
    rows = []
    for cell in selection.cells:
        runs = len(selection.runs(cell))
        rows.append((runs, runs * cell.data.defects, runs * cell.passes / 1000))
        table.add_row(cell.key, f"{rows[-1][0]}", f"{rows[-1][1]:,}", f"{rows[-1][2]:,.0f}")
    totals = [sum(column) for column in zip(*rows, strict=True)]
    table.add_section()
    table.add_row("all", f"{totals[0]}", f"{totals[1]:,}", f"{totals[2]:,.0f}")
    console.print(table)


if __name__ == "__main__":
    main()
