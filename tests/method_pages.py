"""A page a method, control and metric, from its class and its entry; ``python -m tests.method_pages`` writes them.

``docs/methods`` and ``docs/metrics`` are the pages, and ``tests/test_method_pages.py`` finds those that are stale. A
class docstring has one sentence; the formula and its source; in its last paragraph, when to use it and when not;
options. ``--pictures`` draws the pictures too, by networks that it trains; ``--pictures=FOLDER`` keeps them there.
"""

import functools
import inspect
import re
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import yaml
from hydra.utils import get_class

from tests.method_costs import method_cost, method_needs, metric_cost, metric_needs
from xairank.evaluation import ImageMeasure
from xairank.names import display_name, in_words

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
LINE = "\n"
# By kind of page: the group, its files from what everybody has to what few need, and the keys of entries.
SOURCES = {
    "methods": ("attribution", ("gradients", "extended", "controls"), ("methods", "controls")),
    "metrics": ("evaluation", ("overlap", "plausibility", "faithfulness"), ("metrics", "measures")),
}
# What the entries of a file are, and where they take part.
PARTS = {
    "gradients": ("The paper's methods", "`attribution=gradients`, the default, and `attribution=extended`"),
    "extended": ("Others", "`attribution=extended`"),
    "controls": ("Controls, scored beside the methods; they never win", "every option of `attribution`"),
    "overlap": ("The paper's metric, and what is measured of images", "every option of `evaluation`"),
    "plausibility": ("Where the map lies", "`evaluation=plausibility`, the default"),
    "faithfulness": ("What the model says of the map", "`evaluation=faithfulness`"),
}
INTROS = {
    "methods": """\
# Methods

What `attribution.methods` may hold, and the controls beside them. A forward pass is one image sent through the network,
the prediction's own included; a backward pass to the image counts as one more. The passes are measured, with the
options of the configuration and an image of 224 pixels. This page and those it links are generated:
`python -m tests.method_pages`.

The pictures are of one rendered nut and of small networks, trained on few images for a few minutes. They show what maps
look like, not which method is good: a map may be empty where the network does not decide by the defect.
""",
    "metrics": """\
# Metrics

What `evaluation.metrics` and `evaluation.measures` may hold. The cost is measured, with the options of the
configuration. K is the number of the mask's pixels, N of the image's. This page and those it links are generated:
`python -m tests.method_pages`.
""",
}


class Page(NamedTuple):
    """What one page is about: a class, and its entries in one file of the configuration."""

    name: str
    source: str
    key: str
    entries: dict[str, dict]
    cls: type
    options: dict

    @property
    def title(self) -> str:
        single = len(self.entries) == 1 and getattr(self.cls, "label", "")
        return single or getattr(self.cls, "name", "") or display_name(self.name)


def pages(kind: str) -> list[Page]:
    """All pages of ``methods`` or ``metrics``, in the order of the configuration."""
    group, files, keys = SOURCES[kind]
    found = []
    for file in files:
        content = yaml.safe_load((ROOT / "conf" / group / f"{file}.yaml").read_text(encoding="utf-8"))
        for key in keys:
            entries = content.get(key) or {}
            for target in dict.fromkeys(entry["_target_"] for entry in entries.values()):
                own = {name: entry for name, entry in entries.items() if entry["_target_"] == target}
                name = next(iter(own)) if len(own) == 1 else target.rpartition(".")[2].lower()
                found.append(Page(name, file, key, own, get_class(target), next(iter(own.values()))))
    return found


@functools.cache
def texts() -> dict[str, str]:
    """Every page by its path below ``docs``."""
    found = {}
    for kind in SOURCES:
        known = {page.cls.__name__: f"[{page.title}]({page.name}.md)" for page in pages(kind)}
        lines = [INTROS[kind]]
        for file in SOURCES[kind][1]:
            title, where = PARTS[file]
            lines += [
                f"## {title}",
                "",
                f"In {where}.",
                "",
                "| name | what it is | cost | needs |",
                "| --- | --- | --- | --- |",
            ]
            for page in (page for page in pages(kind) if page.source == file):
                cost, needs = facts(kind, page)
                found[f"{kind}/{page.name}.md"] = text(kind, page, cost, needs, known)
                sentence = markdown(_paragraphs(page.cls)[0], known).replace("\n", " ")
                cells = [f"[{page.title}]({page.name}.md)", _without_source(sentence), cost, needs]
                lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
            lines.append("")
        found[f"{kind}/README.md"] = "\n".join(lines).rstrip() + "\n"
    return found


def facts(kind: str, page: Page) -> tuple[str, str]:
    """What it costs, measured, and what it needs."""
    if kind == "methods":
        return method_cost(page.options), method_needs(page.options)
    return metric_cost(page.options), metric_needs(page.options)


def text(kind: str, page: Page, cost: str, needs: str, known: dict[str, str]) -> str:
    """One page."""
    first, *formula, use = [markdown(paragraph, known) for paragraph in _paragraphs(page.cls)]
    lines = [f"# {page.title}", "", first, "", f"![{_alt(kind, page)}](pictures/{page.name}.png)", ""]
    lines += [f"- Cost: {cost}", f"- Needs: {needs}", *_values(kind, page)]
    lines += [f"- In {PARTS[page.source][1]}", ""]
    lines += ["## How it is computed", "", "\n\n".join(formula), "", "## When to use it", "", use, ""]
    options = _options(page.cls)
    if options:
        lines += ["## Options", "", "| option | default | meaning |", "| --- | --- | --- |"]
        lines += [
            f"| `{name}` | {default} | {markdown(says, known).replace(LINE, ' ')} |" for name, default, says in options
        ]
        lines.append("")
    lines += ["## In the configuration", "", f"From `conf/{SOURCES[kind][0]}/{page.source}.yaml`:", ""]
    lines += ["```yaml", f"{page.key}:", *_entry_lines(kind, page), "```"]
    return "\n".join(lines) + "\n"


def markdown(text: str, known: dict[str, str]) -> str:
    """A docstring's text: literals with one backtick, classes that have a page as links to it, lines filled anew."""

    def name(match: re.Match) -> str:
        last = match.group(1).lstrip("~").split(".")[-1]
        return known.get(last, f"`{last}`")

    prose, *items = re.sub(r":\w+:`([^`]+)`", name, text).replace("``", "`").split("\n\n- ")
    filled = textwrap.fill(prose, 120, break_long_words=False, break_on_hyphens=False)
    return "\n\n- ".join([filled, *items])


def _paragraphs(cls: type) -> list[str]:
    """The class docstring without its sections; a list belongs to the paragraph before it."""
    prose = re.split(r"\n\n(?=(?:Args|Raises|Attributes|Example):\n)", inspect.getdoc(cls) or "")[0]
    return re.split(r"\n\n(?!- )", prose)


def _without_source(sentence: str) -> str:
    return re.sub(r" \([^()]*\d[^()]*\)\.$", ".", sentence)


def _options(cls: type) -> list[tuple[str, str, str]]:
    """Name, default and meaning of each argument of the constructor and of those it hands on to."""
    meanings, defaults = {}, {}
    for part in cls.__mro__:
        for name, says in _arguments(part.__dict__.get("__doc__") or "").items():
            meanings.setdefault(name, says)
        for name, parameter in _parameters(part).items():
            if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL) and name != "self":
                defaults.setdefault(name, _written(parameter.default))
    return [(name, default, meanings[name].replace("|", "\\|")) for name, default in defaults.items()]


def _parameters(cls: type) -> dict[str, inspect.Parameter]:
    made = cls.__dict__.get("__init__")
    return dict(inspect.signature(made).parameters) if made else {}


def _arguments(docstring: str) -> dict[str, str]:
    """The section ``Args`` of a docstring, by name."""
    section = re.search(r"^ *Args:\n(.*?)(?:\n\s*\n|\Z)", docstring, re.MULTILINE | re.DOTALL)
    found: dict[str, str] = {}
    for line in inspect.cleandoc("\n" + section.group(1)).splitlines() if section else ():
        if not line.startswith(" "):
            name, _, says = line.partition(": ")
            found[name] = says
        else:
            found[name] += f" {line.strip()}"
    return found


def _written(value: object) -> str:
    """A default as YAML has it."""
    if isinstance(value, tuple):
        return f"`[{', '.join(value)}]`"
    return f"`{ {None: 'null'}.get(value, value) }`".replace("` ", "`").replace(" `", "`")


def _values(kind: str, page: Page) -> list[str]:
    """Lines on the numbers: a metric's range, direction and chance, what a method or measure reports beside."""
    if kind == "methods":
        return [f"- Reports: `{name}`, the {words}" for name, words in page.cls.diagnostics.items()]
    if issubclass(page.cls, ImageMeasure):
        columns = {f"{page.name}_{end}".rstrip("_"): words for end, words in page.cls.columns.items()}
        return [f"- Gives: `{name}`, {words}" for name, words in columns.items()]
    metric = page.cls(**{key: value for key, value in page.options.items() if key != "_target_"})
    better = "more" if metric.higher_is_better else "less"
    lines = [f"- Range: from {metric.low:g}{'' if metric.high is None else f' to {metric.high:g}'}; {better} is better"]
    says = inspect.getdoc(page.cls.__dict__["chance"]) if "chance" in page.cls.__dict__ else "not known"
    words = says.splitlines()[0].split(": (B")[0].rstrip(".")
    return [*lines, f"- Chance, the mean score of random maps: {words.replace('The ', 'the ', 1)}"]


def _entry_lines(kind: str, page: Page) -> list[str]:
    """The lines of the entries as they are in the file, comments too."""
    path = ROOT / "conf" / SOURCES[kind][0] / f"{page.source}.yaml"
    found, inside = [], False
    for line in path.read_text(encoding="utf-8").splitlines():
        if re.match(r" ? ?\S", line):
            inside = line.startswith("  ") and line.strip().partition(":")[0] in page.entries
        if inside:
            found.append(line)
    return found


def _alt(kind: str, page: Page) -> str:
    if kind == "methods":
        return f"A rendered nut with the outline of its defect, and the map of {page.title} over it"
    if issubclass(page.cls, ImageMeasure):
        return (
            f"A rendered nut, its defect hidden, and another place hidden, with the logits that {page.title} compares"
        )
    return f"Three maps over the outline of one defect, with the {page.title} of each written below"


def main() -> None:
    """Writes the pages, and the pictures where they are asked for."""
    found = texts()
    for path, content in found.items():
        (DOCS / path).parent.mkdir(exist_ok=True)
        (DOCS / path).write_text(content, encoding="utf-8")
    print(f"{in_words([f'{DOCS / kind}' for kind in SOURCES])}: {len(found)} pages")
    for argument in sys.argv[1:]:
        if argument.startswith("--pictures"):
            from tests.method_pictures import draw

            folder = argument.partition("=")[2]
            draw(Path(folder).resolve() if folder else None)


if __name__ == "__main__":
    main()
