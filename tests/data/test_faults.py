import pytest

from xairank.data.faults import Faults
from xairank.errors import UserError


@pytest.mark.parametrize(
    ("messages", "answer"),
    [
        (["a.png: broken"], "a.png: broken"),
        (["a.png: broken", "b"], "a.png: broken (and 1 more fault; check it lists all)"),
        (["a.png: broken", "b", "c"], "a.png: broken (and 2 more faults; check it lists all)"),
    ],
)
def test_the_first_is_named_with_the_number_of_the_others(messages, answer):
    faults = Faults("check it")
    for message in messages:
        faults.add(message)
    with pytest.raises(UserError) as caught:
        faults.stop()
    assert str(caught.value) == answer


def test_without_faults_nothing_stops():
    Faults().stop()


def test_a_mistake_becomes_a_fault_and_anything_else_goes_through():
    faults = Faults()
    with faults.collect():
        raise UserError("x")
    assert faults.messages == ["x"]
    with pytest.raises(ZeroDivisionError), faults.collect():
        raise ZeroDivisionError


def test_of_many_alike_the_first_are_shown_and_the_others_counted():
    faults = Faults()
    for number in range(5):
        faults.add(f"m{number}: {number} grey values; set a threshold")
        if number == 1:
            faults.add("x.png: broken; replace it")
    assert faults.grouped(shown=3) == [
        "m0: 0 grey values; set a threshold",
        "m1: 1 grey values; set a threshold",
        "x.png: broken; replace it",
        "m2: 2 grey values; set a threshold",
        "and 2 more like it (set a threshold)",
    ]
    assert faults.grouped(shown=5) == faults.messages
