"""What a user can get wrong, with what the command answers; ``python -m tests.bad_inputs`` writes the page.

A case breaks a tiny category, or gives an argument, or both. ``docs/errors.md`` is the list with the answers, and
``tests/test_bad_inputs.py`` holds the program to it.
"""

from pathlib import Path

from tests.bad_inputs import commands, pages, places, results
from tests.bad_inputs.case import Case, dashboard, rank

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
CASES = [*commands.CASES, *places.CASES, *results.CASES, *pages.CASES]


def page(answers: list[tuple[Case, str]]) -> str:
    """``docs/errors.md``."""
    lines = [
        "# What the program answers",
        "",
        "Every mistake gets one line that names the file or the key, and exit status 2; nothing is left half-written.",
        "The data is a tiny category `data/nuts` with the classes `crack`, `hole` and `good`. The command is",
        "`python -m xairank.train`, or `python -m xairank.rank` or `python -m xairank.dashboard` where it says so.",
        "This page is generated: `python -m tests.bad_inputs`.",
        "",
        "| mistake | answer |",
        "| --- | --- |",
    ]
    for case, text in answers:
        given = f" `{case.arguments}`" if case.arguments else ""
        given += {rank: " (rank)", dashboard: " (dashboard)"}.get(case.command, "")
        message = text.removeprefix("xairank: error: ").strip().replace("|", "\\|")
        lines.append(f"| {case.title}{given.replace('|', chr(92) + '|')} | {message} |")
    return "\n".join(lines) + "\n"
