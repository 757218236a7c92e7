"""``python -m xairank``: what commands there are."""

from xairank.console import command

COMMANDS = """\
xairank: which explanation method should I trust for my defect classifier?

  python -m xairank.rank      rank the methods for a classifier you have, or maps you have; with -m, over checkpoints
  python -m xairank.train     train a classifier, explain its correct decisions, rank the methods; with -m, over seeds
  python -m xairank.explain   a network and images: maps over them, with predictions, as files
  python -m xairank.tables    the tables and statistics of a sweep, as CSV, Markdown and LaTeX
  python -m xairank.figures   its figures, as PDF, SVG and PNG
  python -m xairank.report    all of it as one page that opens from disk
  python -m xairank.dashboard the live page: drop in an image, choose methods and options, see the maps
  python -m xairank.data      download a data set or weights, verify them, check your own images and masks

Each explains itself with --help. Nothing at hand? python -m xairank.train experiment=demo"""


@command
def main() -> None:
    """Prints the commands."""
    print(COMMANDS)


if __name__ == "__main__":
    main()
