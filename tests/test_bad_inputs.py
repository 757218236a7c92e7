"""Each mistake of :mod:`tests.bad_inputs` is answered in one line, as ``docs/errors.md`` says, and leaves nothing."""

import re

import pytest

from tests.bad_inputs import CASES, PAGE, page
from tests.bad_inputs.case import answer, dashboard


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_is_answered_in_one_line_and_leaves_nothing(case, tmp_path):
    if case.command is dashboard:
        pytest.importorskip("panel")
    status, errors, new = answer(case, tmp_path.resolve())
    assert status == 2, errors
    assert errors.startswith("xairank: error: ")
    assert errors.count("\n") == 1
    assert new == set()
    line, lines = page([(case, errors)]).splitlines()[-1], PAGE.read_text(encoding="utf-8").splitlines()
    if case.quotes_another:
        line, *lines = (re.sub(r" \([^;]+\);", " (...);", text) for text in [line, *lines])
    assert line in lines


def test_the_page_has_every_case_once():
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    titles = [line.removeprefix("| ") for line in lines if line.startswith("| ")][2:]
    assert len(titles) == len(CASES) >= 60
    for case, line in zip(CASES, titles, strict=True):
        assert line.startswith(case.title)
