"""The options of methods, from their constructors."""

import pytest

from tests.dashboard.serving import configuration
from xairank.attribution import AttributionMethod
from xairank.dashboard.options import make_method, options_of, parse, shown
from xairank.errors import UserError

ENTRIES = configuration()["attribution"]["methods"]


class Odd(AttributionMethod):
    """A method of somebody's own, with an option whose values nobody lists."""

    def __init__(self, depth=(1, 2), mood="calm", **options):
        super().__init__(**options)
        self.depth, self.mood = depth, mood

    def attribute(self, forward):
        return forward.images[:, 0], {}


def test_the_options_of_integrated_gradients():
    found = {option.name: option for option in options_of(ENTRIES["integrated_gradients"])}
    assert list(found) == ["n_steps", "rule", "baseline", "tolerance", "score", "smooth"]
    assert (found["n_steps"].label, found["n_steps"].value, found["n_steps"].choices) == ("Steps", 25, ())
    assert found["baseline"].choices == ("black", "white", "mean_color", "blurred", "uniform")
    assert found["score"].choices == ("logit", "probability", "contrast")
    assert found["smooth"].label == "Blur, in pixels"


def test_the_entry_wins_over_the_constructor():
    (layer,) = [option for option in options_of(ENTRIES["hires_cam"]) if option.name == "layer"]
    assert layer.value == -2


def test_a_method_of_ones_own_has_its_options():
    entry = {"_target_": f"{__name__}.Odd"}
    assert [(option.name, option.value, option.choices) for option in options_of(entry)][:2] == [
        ("depth", (1, 2), ()),
        ("mood", "calm", ()),
    ]
    assert make_method("Odd", entry, {"mood": "wild", "smooth": 2}).mood == "wild"


@pytest.mark.parametrize("name", ENTRIES)
def test_what_is_shown_is_what_is_made(name):
    made = make_method(name, ENTRIES[name], {})
    typed = {option.name: parse(shown(option.value)) for option in options_of(ENTRIES[name])}
    again = make_method(name, ENTRIES[name], typed)
    plain = {key: value for key, value in vars(made).items() if isinstance(value, str | int | float | None)}
    assert plain == {key: getattr(again, key) for key in plain}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"n_steps": "many"}, "n_steps=many is not allowed: expected a whole number of at least 1, or auto"),
        ({"smooth": -1}, "smooth=-1 is not allowed: expected a number of pixels"),
    ],
)
def test_a_wrong_value_is_told_in_the_words_of_the_method(values, reason):
    with pytest.raises(UserError, match=f"^Path: .*{reason}"):
        make_method("Path", ENTRIES["integrated_gradients"], values)


@pytest.mark.parametrize("text", ["{_target_: builtins.open, file: made.txt, mode: w}", "${oc.env:HOME}"])
def test_what_is_typed_is_never_a_configuration(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "secret")
    with pytest.raises(UserError, match="expected a whole number") as refused:
        make_method("Path", ENTRIES["integrated_gradients"], {"n_steps": parse(text)})
    assert "secret" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "values", "most"),
    [
        ("integrated_gradients", {"n_steps": 100_000}, "1,000"),
        ("rise", {"n_masks": 10**12}, "10,000"),
        ("rise", {"cells": 10_000}, "64"),
        ("saliency", {"smooth": 1e300}, "1,000"),
    ],
)
def test_what_a_page_cannot_afford_is_refused_before_it_costs_anything(name, values, most):
    (option,) = values
    with pytest.raises(UserError, match=rf"^Some: {option}=\S+ is not allowed: expected at most {most} on this page$"):
        make_method("Some", ENTRIES[name], values)
    assert f"{next(one.most for one in options_of(ENTRIES[name]) if one.name == option):,}" == most


def test_a_text_that_is_too_long_is_not_read():
    assert parse("a" * 200) == "a" * 200
    with pytest.raises(UserError, match="has 201 characters; expected at most 200"):
        parse("a" * 201)
