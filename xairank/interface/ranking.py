"""A ranking as an object: its tables, words and figures, read from a finished sweep as the commands read it."""

import difflib
import shutil
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from xairank.errors import UserError
from xairank.figures.catalog import Figures, list_figures
from xairank.figures.options import Options
from xairank.figures.style import RC
from xairank.names import count
from xairank.report.page import write_report
from xairank.report.rendering import notebook_html
from xairank.runs.sweep import Sweep, read_sweep
from xairank.tables.collection import NOTHING_RANKED, Results, make_results
from xairank.tables.table import Table


class Ranking:
    """A finished sweep: one ranking of attribution methods, whoever made it.

    :func:`xairank.rank` and :func:`xairank.rank_maps` return one; ``Ranking("multirun/paper")`` opens what the commands
    made.

    Args:
        folder: The folder of a sweep.
        place: A temporary folder that lives as long as the ranking.

    Raises:
        UserError: There is no finished run in the folder.
    """

    def __init__(self, folder: str | Path, place: TemporaryDirectory | None = None) -> None:
        self.folder = Path(folder)
        self._place = place
        self.sweep: Sweep = read_sweep(self.folder)

    @property
    def scores(self) -> pd.DataFrame:
        """A row an image, method and network: every metric, chance, K, predicted class and probability.

        Those of the controls are in ``sweep.scores``, beside these.
        """
        controls = {name for group in self.sweep.groups for name in group.controls}
        scores = self.sweep.scores[~self.sweep.scores["method"].isin(controls)].reset_index(drop=True)
        return scores.drop(columns="group") if len(self.sweep.groups) == 1 else scores

    @property
    def excluded(self) -> pd.DataFrame:
        """A row an image that is not ranked, with the reason: ``good``, ``misclassified`` or ``empty_mask``."""
        return self.sweep.excluded.drop(columns="group") if len(self.sweep.groups) == 1 else self.sweep.excluded

    @property
    def table(self) -> pd.DataFrame:
        """A row a split and method, the best first: mean score, rank and win rate, each with its interval."""
        table = self._tables["ranking"].data
        if table.empty:
            return pd.DataFrame(columns=["split", "method", "score", "rank", "win_rate"])
        table = table[table["control"] == ""].drop(columns="control").dropna(axis="columns", how="all")
        first = [name for name in ("group", "split", "method") if name != "group" or len(self.sweep.groups) > 1]
        ordered = table.sort_values([*first[:-1], "rank"], kind="stable")
        return ordered[[*first, *(name for name in ordered if name not in (*first, "group"))]].reset_index(drop=True)

    @property
    def controls(self) -> pd.DataFrame:
        """A row a split and control, maps that a method must beat: mean score with its interval; no rank and no win."""
        table = self._tables["ranking"].data
        if table.empty:
            return pd.DataFrame(columns=["split", "method", "control", "score"])
        table = table[table["control"] != ""].dropna(axis="columns", how="all")
        first = [name for name in ("group", "split", "method", "control") if name in table]
        return table[[*first, *(name for name in table if name not in first)]].reset_index(drop=True)

    @property
    def statistics(self) -> pd.DataFrame:
        """A row a pair of methods: difference, tests with their corrections, and the verdict."""
        return self._tables["statistics"].data.dropna(axis="columns", how="all").reset_index(drop=True)

    @property
    def conclusion(self) -> str:
        """What the ranking shows and what it does not, in sentences."""
        if self.sweep.scores.empty:
            return NOTHING_RANKED
        return "\n".join(self._made.words)

    @property
    def figures(self) -> list[str]:
        """The names that :meth:`figure` takes."""
        return list(self._drawings)

    def figure(self, name: str) -> Figure:
        """Draws a figure.

        Args:
            name: One of :attr:`figures`, or a part of one: ``"overlap"`` is ``"overlap_distribution"``.

        Raises:
            UserError: No figure has such a name.
        """
        found = name if name in self._drawings else next((key for key in self._drawings if name in key), None)
        if found is None:
            near = difflib.get_close_matches(name, self._drawings, n=1, cutoff=0.3)
            hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(self._drawings) or 'none'}"
            left_out = f" ({self._listed[1][0]})" if self._listed[1] and not near else ""
            raise UserError(f"figure {name}: there is none; {hint}{left_out}")
        with mpl.rc_context(RC):
            return self._drawings[found]()

    def save(self, folder: str | Path) -> Path:
        """Copies the runs to a folder, as the commands write a sweep: ``multirun/mine`` is ``name=mine`` to them.

        Args:
            folder: New, or empty.

        Returns:
            The folder.

        Raises:
            UserError: There is something else in it.
        """
        target = Path(folder)
        if target.resolve() == self.folder.resolve():
            return target
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise UserError(f"{target}: is not empty; choose a new folder, or delete it")
        for run in self.sweep.runs["folder"]:
            shutil.copytree(run, target / Path(run).name)
        return target

    def report(self, folder: str | Path | None = None) -> Path:
        """Writes the report, a page that opens from disk with all tables and figures.

        Args:
            folder: Where to; files of an earlier report there are replaced. By default ``report`` in the ranking's own
                folder.

        Returns:
            The page, ``index.html``.

        Raises:
            UserError: The ranking's folder is a temporary one, and no other is given.
        """
        if folder is None and self._place is not None:
            raise UserError("report: the ranking is in a temporary folder; name one, as in ranking.report('my_report')")
        return write_report(self.sweep, self._made, self.folder / "report" if folder is None else Path(folder))

    def to_markdown(self) -> str:
        """All tables with their notes, and the conclusion, in Markdown."""
        parts = ["# Ranking of attribution methods", self.conclusion]
        parts += [table.to_markdown() for table in self._made.tables]
        return "\n\n".join(parts) + "\n"

    def __str__(self) -> str:
        shown = ["split", "method", "score", "score_low", "score_high", "rank", "win_rate", "n_images"]
        table = self.table
        text = table[[name for name in shown if name in table]].to_string(index=False, float_format="{:.3f}".format)
        return f"{text if len(table) else ''}\n\n{self.conclusion}".strip()

    def __repr__(self) -> str:
        images = self.sweep.scores["sample"].nunique()
        methods = len(self.sweep.groups[0].methods)
        return f"<Ranking of {count(methods, 'method')} on {count(images, 'image')}; print() shows it>"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return notebook_html(self._made)

    def _repr_markdown_(self) -> str:
        """What a notebook shows that has no HTML."""
        return f"{self._tables['ranking'].to_markdown()}\n\n{self.conclusion}"

    @cached_property
    def _made(self) -> Results:
        return make_results(self.sweep)

    @property
    def _tables(self) -> dict[str, Table]:
        return {table.name: table for table in self._made.tables}

    @cached_property
    def _listed(self) -> tuple[Figures, list[str]]:
        options = Options(self.folder.name, self.folder.parent, None, "test", None, ())
        return list_figures(self.sweep, options)

    @property
    def _drawings(self) -> Figures:
        return self._listed[0]
