"""Every key of the configuration, from the comments in ``conf``: ``python -m tests.configuration_page`` writes a page.

``docs/configuration.md`` is the page, and ``tests/test_configuration_page.py`` finds it when it is stale. The comment
at the head of a file says what the file is for; a comment on the line of a key, or right above it, what the key means;
``xairank/rules.py`` what it allows.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

from tests.method_pages import pages
from xairank.rules import RULES

ROOT = Path(__file__).parents[1]
CONF = ROOT / "conf"
PAGE = ROOT / "docs" / "configuration.md"
INTRO = """\
# Configuration

Every key, its default, what it allows and what it means. `python -m xairank.train --help` shows the same for one
command, `--cfg job` what a command line comes to. This page is generated from the comments in `conf/`:
`python -m tests.configuration_page`.

- `key=value` on the command line changes a key: `model.beta=0.1`. Lists and mappings are YAML, in quotes where the
  shell would read them: `'model.classes=[good,hole]'`.
- `group=option` chooses a file of `conf/<group>/`: `data=folder`, `attribution=extended`.
- `+attribution.methods.saliency.smooth=4` adds an option that a file does not name, and `~attribution.methods.saliency`
  takes an entry out.
- `key=a,b,c -m` is a sweep, a run each.
- A file `conf/experiment/mine.yaml`, chosen with `experiment=mine`, holds several changes; `--config-dir=FOLDER` adds a
  folder of your own beside `conf/`.
"""
COMMANDS = ("train", "rank", "explain", "dashboard")
# By group: its files from what everybody has to what few need, what it is about, and the command whose rules hold.
GROUPS = {
    "data": (("mvtec", "folder", "synthetic"), "Images and masks", "train"),
    "model": (("multitask", "none", "timm", "torchvision", "python", "run"), "The network", "rank"),
    "attribution": (("gradients", "extended", "controls"), "Methods and controls", "train"),
    "evaluation": (("plausibility", "faithfulness", "overlap"), "Metrics", "train"),
    "trainer": (("default",), "Training", "train"),
    "logger": (("none", "tensorboard", "mlflow", "wandb", "aim"), "Experiment trackers", "train"),
    "experiment": (("demo", "paper", "reference_code"), "Several keys at once", "train"),
}


class Row(NamedTuple):
    """A key as its file has it."""

    key: str
    default: str
    comment: str
    is_entry: bool = False


def text() -> str:
    """The page."""
    parts = [INTRO]
    for command in COMMANDS:
        parts.append(_section(CONF / f"{command}.yaml", f"## `python -m xairank.{command}`", "", command))
    for group, (options, title, command) in GROUPS.items():
        parts.append(f"## {title}: `{group}`\n")
        for option in options:
            prefix = "" if group == "experiment" else f"{group}."
            rules = "train" if option == "multitask" else command
            parts.append(_section(CONF / group / f"{option}.yaml", f"### `{group}={option}`", prefix, rules))
    return "\n".join(parts)


def rows(path: Path, prefix: str = "") -> list[Row]:
    """The keys of a file, in its order; an entry with a class is one row, and its options are one each."""
    content = path.read_text(encoding="utf-8")
    lines = content.splitlines()
    root = yaml.compose(content)
    return list(_rows(root, lines, prefix)) if isinstance(root, yaml.MappingNode) else []


def header(path: Path) -> str:
    """The comment at the head of a file, without Hydra's directives."""
    lines: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @"):
            lines.append(line.lstrip("# "))
    return "\n".join(lines)


def _section(path: Path, heading: str, prefix: str, command: str) -> str:
    lines = [heading, ""]
    if says := header(path):
        own = says.removeprefix(f"python -m xairank.{command}: ")  # as the heading has it already
        lines += [_as_prose(says if own == says else own[0].upper() + own[1:]), ""]
    if based := _based_on(path):
        lines += [f"It begins with {based}.", ""]
    found = rows(path, prefix)
    if found:
        lines += ["| key | default | allowed | meaning |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in _cells(row, command))} |" for row in found
        ]
        lines.append("")
    return "\n".join(lines)


def _cells(row: Row, command: str) -> tuple[str, str, str, str]:
    rule = RULES[command].get(row.key)
    allowed = rule.allowed if rule else ""
    default = _class_link(row.default) if row.is_entry else f"`{row.default}`" if row.default else ""
    return f"`{row.key}`", default, _as_prose(allowed), _as_prose(row.comment)


def _as_prose(text: str) -> str:
    """Text as Markdown shows it, whatever characters it holds."""
    return text.replace("<", "&lt;").replace("*", r"\*").replace("_target_", "`_target_`")


def _class_link(target: str) -> str:
    """A class, as a link to its page where it has one."""
    name = target.rpartition(".")[2]
    for kind in ("methods", "metrics"):
        for page in pages(kind):
            if page.cls.__name__ == name:
                return f"[{name}]({kind}/{page.name}.md)"
    return f"`{name}`"


def _based_on(path: Path) -> str:
    """The options that a file names under ``defaults``."""
    defaults = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("defaults", [])
    chosen = [f"`{path.parent.name}={one}`" for one in defaults if isinstance(one, str) and one != "_self_"]
    for one in (one for one in defaults if isinstance(one, dict)):
        for group, option in one.items():
            group = group.removeprefix("override ").lstrip("/")
            if not group.startswith("hydra") and option is not None:
                chosen.append(f"`{group}={option}`")
    return ", ".join(chosen)


def _rows(node: yaml.MappingNode, lines: list[str], prefix: str) -> Iterator[Row]:
    for key, value in node.value:
        if key.value in ("defaults", "hydra"):
            continue
        name, comment = f"{prefix}{key.value}", _comment(key, value, lines)
        if not isinstance(value, yaml.MappingNode) or value.flow_style:
            yield Row(name, _source(value, lines), comment)
            continue
        target = next((one.value for key, one in value.value if key.value == "_target_"), None)
        if target:
            yield Row(name, target, comment, is_entry=True)
        elif comment:
            yield Row(name, "", comment)
        yield from (row for row in _rows(value, lines, f"{name}.") if row.key != f"{name}._target_")


def _source(node: yaml.Node, lines: list[str]) -> str:
    """A value as it is written."""
    line = lines[node.start_mark.line]
    return line[node.start_mark.column : node.end_mark.column].strip() or "null"


def _comment(key: yaml.Node, value: yaml.Node, lines: list[str]) -> str:
    """What is written of a key above it, then behind it."""
    number = key.start_mark.line
    above: list[str] = []
    while number - len(above) > 0 and lines[number - len(above) - 1].startswith(" " * key.start_mark.column + "#"):
        above.insert(0, lines[number - len(above) - 1].strip().lstrip("# "))
    if len(above) == number:  # the head of the file
        above = []
    scalar = not isinstance(value, yaml.MappingNode) or value.flow_style
    rest = lines[number][value.end_mark.column if scalar else key.end_mark.column :]
    behind = rest.partition("# ")[2].strip()
    return " ".join([*above, behind]).strip()


def main() -> None:
    """Writes the page."""
    PAGE.write_text(text(), encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
