from pathlib import Path

import pytest

from xairank.errors import UserError
from xairank.figures.options import FORMATS, Options, parse_options


def test_defaults():
    assert parse_options(["name=paper"]) == Options("paper", Path("multirun"), None, "test", None, FORMATS)


def test_every_key():
    arguments = ["name=a", "folder=x/y", "sample=crack/000", "split=train", "seed=42", "formats=svg,png"]
    assert parse_options(arguments) == Options("a", Path("x/y"), "crack/000", "train", 42, ("svg", "png"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name: missing"),
        (["name="], "found no value"),
        (["name=a", "sampel=crack/000"], "sampel: no such key; did you mean sample"),
        (["paper"], "paper: found no '='"),
        (["name=a", "seed=-1"], "seed=-1 is not allowed"),
        (["name=a", "split=validation"], "split=validation is not allowed: expected train or test"),
        (["name=a", "formats=pdf,jpg"], "formats=jpg is not allowed: expected pdf or svg or png"),
        (["name=a", "formats="], "formats=: found no value"),
    ],
)
def test_mistakes_are_told(arguments, message):
    with pytest.raises(UserError) as caught:
        parse_options(arguments)
    assert message in str(caught.value)
