"""The questions: a module each, and what stands at its figure and table."""

from pathlib import Path

import yaml

from audit.answers import choices, controls, defects, ladder, randomised, reliance, rendered, repeats, ties, wins

MODULES = {
    "wins": wins,
    "ties": ties,
    "controls": controls,
    "ladder": ladder,
    "defects": defects,
    "choices": choices,
    "reliance": reliance,
    "randomised": randomised,
    "repeats": repeats,
    "rendered": rendered,
}
_SHOWN = "Bold: shown not to be 0, corrected over the document."


def sections() -> dict[str, dict[str, str]]:
    """Of each question, ``question``, ``figure`` and ``table`` in words."""
    texts = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    return {
        name: {part: text.replace("{shown}", _SHOWN) for part, text in parts.items()} for name, parts in texts.items()
    }
