"""A table of results: its numbers as CSV, its text as Markdown, LaTeX (booktabs) and in the terminal."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table as RichTable

from xairank.files import write_text

MISSING = "-"

# Compiled alone this is a page with the table; with \input it is the table alone.
_LATEX_HEAD = r"""% Compile this file as it is, or use \input{NAME} in a document that loads booktabs.
\expandafter\ifx\csname @nodocument\endcsname\relax\else
\documentclass{article}
\usepackage[a4paper,landscape,margin=12mm]{geometry}
\usepackage{booktabs}
\begin{document}
\def\xairankend{\end{document}}
\fi
"""
_LATEX_TAIL = r"""\ifdefined\xairankend\expandafter\xairankend\fi
"""
_LATEX = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "β": r"$\beta$",
    "χ²": r"$\chi^2$",
}


@dataclass
class Table:
    """Cells are texts in which ``**`` marks bold.

    Attributes:
        name: Of the files.
        title: A sentence.
        data: The numbers, one cell of the table a row, for the CSV file.
        header: Names of the columns; the first ``n_text`` hold words, the others numbers.
        blocks: Groups of rows with a line between them.
        notes: Sentences beneath the table.
    """

    name: str
    title: str
    data: pd.DataFrame
    header: list[str]
    blocks: list[list[list[str]]]
    notes: list[str] = field(default_factory=list)
    n_text: int = 1

    def write(self, folder: Path) -> None:
        """Writes ``<name>.csv``, ``.md`` and ``.tex``."""
        write_text(folder / f"{self.name}.csv", self.to_csv())
        write_text(folder / f"{self.name}.md", self.to_markdown())
        write_text(folder / f"{self.name}.tex", self.to_latex())

    def to_csv(self) -> str:
        """The numbers."""
        return self.data.to_csv(index=False, float_format="%.9g", lineterminator="\n")

    def to_markdown(self) -> str:
        """A pipe table, columns aligned in the source too."""
        rows = [[cell.replace("|", r"\|") for cell in row] for row in [self.header, *self._rows()]]
        widths = [max(len(row[column]) for row in rows) for column in range(len(self.header))]
        lines = ["| " + " | ".join(self._padded(row, widths)) + " |" for row in rows]
        rule = ["-" * width if column < self.n_text else "-" * (width - 1) + ":" for column, width in enumerate(widths)]
        lines.insert(1, "| " + " | ".join(rule) + " |")
        notes = [f"- {note}" for note in self.notes]
        return "\n".join([f"# {self.title}", "", *lines, *([""] if notes else []), *notes, ""])

    def to_latex(self) -> str:
        """A booktabs table that compiles alone and can be included."""
        alignment = "l" * self.n_text + "r" * (len(self.header) - self.n_text)
        blocks = ["".join(f"{_latex_row(row)} \\\\\n" for row in block) for block in self.blocks]
        notes = "".join(f"\\par\\smallskip {_latex(note)}\n" for note in self.notes)
        return (
            _LATEX_HEAD.replace("NAME", self.name)
            + f"\\begin{{table}}[htbp]\n\\centering\\footnotesize\n\\caption{{{_latex(self.title)}}}\n\\smallskip\n"
            f"\\begin{{tabular}}{{{alignment}}}\n\\toprule\n{_latex_row(self.header)} \\\\\n\\midrule\n"
            + "\\midrule\n".join(blocks)
            + f"\\bottomrule\n\\end{{tabular}}\n\\begin{{flushleft}}\n{notes}\\end{{flushleft}}\n"
            + f"\\end{{table}}\n{_LATEX_TAIL}"
        )

    def to_rich(self, leave_out: Sequence[str] = (), width: int | None = None) -> RichTable:
        """For the terminal, where some columns may have to go.

        Args:
            leave_out: Columns that are not shown.
            width: Of the terminal, in characters; a wider table lies on its side: a row a column, a column a row.
        """
        columns = [column for column, name in enumerate(self.header) if name not in leave_out]
        header = [self.header[column] for column in columns]
        blocks = [[[row[column] for column in columns] for row in block] for block in self.blocks]
        every = [header, *(row for block in blocks for row in block)]
        needed = sum(max(map(len, cells)) + 1 for cells in zip(*every, strict=True))
        if width is not None and needed > width and self.n_text == 1:
            header, *lines = (list(cells) for cells in zip(*every, strict=True))
            blocks = [lines]
        table = RichTable(title=self.title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for column, name in enumerate(header):
            table.add_column(name, justify="left" if column < self.n_text else "right")
        for block in blocks:
            for row in block:
                table.add_row(*(re.sub(r"\*\*(.+?)\*\*", r"[bold]\1[/bold]", escape(cell)) for cell in row))
            table.add_section()
        return table

    def _rows(self) -> list[list[str]]:
        return [row for block in self.blocks for row in block]

    def _padded(self, row: Sequence[str], widths: Sequence[int]) -> list[str]:
        return [
            cell.ljust(width) if column < self.n_text else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]


def mean_and_std(mean: float, std: float, *, bold: bool = False) -> str:
    """Mean and standard deviation as the paper prints them; the mean alone where there is no deviation.

    Example:
        >>> mean_and_std(0.87131, 0.06784, bold=True)
        '**0.8713** ± 0.0678'
    """
    shown = f"**{mean:.4f}**" if bold else f"{mean:.4f}"
    if math.isnan(mean):
        return MISSING
    return shown if math.isnan(std) else f"{shown} ± {std:.4f}"


def with_interval(value: float, low: float, high: float, *, bold: bool = False) -> str:
    """A value with its interval, "0.559 [0.503, 0.614]"; without limits where there are none."""
    shown = f"**{value:.3f}**" if bold else f"{value:.3f}"
    return shown if math.isnan(low) else f"{shown} [{low:.3f}, {high:.3f}]"


def p_value(p: float) -> str:
    """A p-value to three places, or "<0.001"."""
    return MISSING if math.isnan(p) else "<0.001" if p < 0.0005 else f"{p:.3f}"


def _latex_row(row: Sequence[str]) -> str:
    return " & ".join(_latex(cell) for cell in row)


def _latex(text: str) -> str:
    pattern = "|".join(re.escape(sign) for sign in _LATEX)
    escaped = re.sub(pattern, lambda match: _LATEX[match[0]], text)
    return re.sub(r"\*\*(.+?)\*\*", r"\\textbf{\1}", escaped)
