"""``python -m xairank.figures name=...``: the figures of a sweep as PDF, SVG and PNG."""

import sys

from xairank.console import command, console, progress
from xairank.figures.options import parse_options


@command
def main() -> None:
    """Draws every figure and prints the files, and what was left out and why."""
    options = parse_options(sys.argv[1:])
    # What draws takes a second or two to import, which help and mistakes need not wait for.
    from xairank.runs.sweep import read_sweep

    sweep = read_sweep(options.folder / options.name)
    import matplotlib as mpl

    from xairank.figures.catalog import list_figures
    from xairank.figures.style import RC, save

    figures, left_out = list_figures(sweep, options)
    with mpl.rc_context(RC), progress() as bar:
        task = bar.add_task("Drawing", total=len(figures))
        files = []
        for name, draw in figures.items():
            files += save(draw(), sweep.folder / "figures" / name, options.formats)
            bar.advance(task)
    for file in files:
        print(file)
    for line in left_out:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
