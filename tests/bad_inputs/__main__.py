"""Writes ``docs/errors.md``."""

import tempfile
from pathlib import Path

from tests.bad_inputs import CASES, PAGE, page
from tests.bad_inputs.case import answer


def main() -> None:
    """Writes the page."""
    answers = []
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            print(case.title, flush=True)
            answers.append((case, answer(case, Path(folder).resolve())[1]))
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(answers), encoding="utf-8")
    print(f"{PAGE}: {len(answers)} cases")


if __name__ == "__main__":
    main()
