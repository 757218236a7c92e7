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
