"""How results become HTML: the templates, and what they need to show tables."""

import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from xairank.schema import SPLITS
from xairank.tables.answer import Answer
from xairank.tables.beside import BENEATH
from xairank.tables.collection import NOTHING_RANKED, Results
from xairank.tables.table import Table
from xairank.tables.words import ABOUT, CAUTION, CONCLUSION, SUPPORT, UNKNOWN, Sentence

# Heaviest first, with what a reader sees beside the subject.
_WEIGHTS = {CAUTION: "but", CONCLUSION: "", UNKNOWN: "not looked at", SUPPORT: "holds"}


def environment() -> Environment:
    """The templates; whatever is filled in is escaped."""
    found = Environment(
        loader=PackageLoader("xairank.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"cell": cell, "row_header": row_header}
    found.filters |= {"names_group": lambda table, row: names_group(row), "texts": texts, "marks": marks}
    found.filters |= {"identity": id, "split_name": lambda split: f"{SPLITS[str(split)].lower()} set"}
    found.globals |= {"beneath": BENEATH, "weights": _WEIGHTS}
    return found


def notebook_html(results: Results) -> str:
    """The answer, the ranking and what qualifies it, for a notebook."""
    (table,) = (table for table in results.tables if table.name == "ranking")
    headlines = results.headlines or [NOTHING_RANKED]
    return environment().get_template("notebook.html").render(headlines=headlines, table=table, words=results.words)


def cell(text: str) -> Markup:
    """A cell's text; what stands between ``**`` is bold.

    Example:
        >>> str(cell("**0.5** < 1"))
        '<strong>0.5</strong> &lt; 1'
    """
    return Markup(re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", str(escape(text))))


def row_header(table: Table) -> int:
    """The column that names a row: the last one of words, or the first where all hold words."""
    return 0 if table.n_text == len(table.header) else table.n_text - 1


def names_group(row: list[str]) -> bool:
    """Whether a row is the line that names a group of runs."""
    return len(row) > 1 and row[0].startswith("**") and not any(row[1:])


def texts(table: Table) -> list[tuple[str, str, str]]:
    """The table as others read it: label, suffix of its file, text."""
    return [("LaTeX", "tex", table.to_latex()), ("Markdown", "md", table.to_markdown()), ("CSV", "csv", table.to_csv())]


def marks(answer: Answer) -> list[tuple[str, str, list[Sentence]]]:
    """What qualifies an answer, the heaviest first: the subject in words, its weight, its sentences."""
    found = []
    for about, label in ABOUT.items():
        own = [sentence for sentence in answer.sentences if sentence.about == about]
        if own:
            weight = min((sentence.weight for sentence in own), key=list(_WEIGHTS).index)
            found.append((label, weight, own))
    order = (CONCLUSION, CAUTION, SUPPORT, UNKNOWN)
    return sorted(found, key=lambda one: order.index(one[1]))
