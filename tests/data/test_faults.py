import pytest

from xairank.data.faults import Faults
from xairank.errors import UserError


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        (["a.png: broken"], "a.png: broken"),
        (["a.png: broken", "b"], "a.png: broken (and 1 more fault; check it lists all)"),
        (["a.png: broken", "b", "c"], "a.png: broken (and 2 more faults; check it lists all)"),
    ],
)
def test_the_first_is_told_with_the_number_of_the_others(messages, told):
    faults = Faults("check it")
    for message in messages:
        faults.add(message)
    with pytest.raises(UserError) as caught:
        faults.stop()
    assert str(caught.value) == told


def test_without_faults_all_goes_on():
    Faults().stop()


def test_a_mistake_becomes_a_fault_and_anything_else_goes_through():
    faults = Faults()
    with faults.collect():
        raise UserError("x")
    assert faults.messages == ["x"]
    with pytest.raises(ZeroDivisionError), faults.collect():
        raise ZeroDivisionError
