"""Files that come in parts."""

import pytest

pytest.importorskip("panel")

from xairank.dashboard.dropper import Dropper, Upload
from xairank.errors import UserError


@pytest.fixture
def taken():
    return []


@pytest.fixture
def dropper(taken):
    return Dropper(taken.append, limit=10)


def part(name, number, parts, data):
    return {"name": name, "part": number, "parts": parts, "data": data}


def test_parts_are_joined_and_not_kept(dropper, taken):
    for number, data in enumerate([b"abcd", b"efgh", b"i"]):
        dropper._handle_msg(part("folder/a.png", number, 3, data))
    assert taken == [Upload("a.png", b"abcdefghi")]
    assert dropper._parts == []


def test_an_empty_file_is_a_file(dropper, taken):
    dropper._handle_msg(part("a.png", 0, 1, b""))
    assert taken == [Upload("a.png", b"")]


def test_the_server_has_the_last_word_on_the_size(dropper, taken):
    for number in range(4):
        dropper._handle_msg(part("a.png", number, 4, b"abcd"))
    (refused,) = taken
    assert isinstance(refused, UserError)
    assert str(refused) == "a.png: has more than 20 MB; choose another file"
    assert dropper._parts == []


def test_a_browser_cannot_raise_the_limit(dropper, taken):
    dropper.limit = 1000
    dropper._handle_msg(part("a.png", 0, 1, b"eleven byte"))
    assert isinstance(taken[0], UserError)


def test_a_browser_that_refuses_says_so(dropper, taken):
    dropper._handle_msg({"name": "a.png", "refused": True})
    assert "a.png: has more than 20 MB" in str(taken[0])


def test_a_file_replaces_another_that_is_on_its_way(dropper, taken):
    dropper._handle_msg(part("a.png", 0, 2, b"abcd"))
    dropper._handle_msg(part("b.png", 0, 1, b"efgh"))
    dropper._handle_msg(part("a.png", 1, 2, b"ijkl"))
    assert taken == [Upload("b.png", b"efgh")]


@pytest.mark.parametrize("data", [10**12, [1, 2], "abcd", None])
def test_what_is_no_part_of_a_file_is_not_made_into_one(dropper, taken, data):
    with pytest.raises(TypeError, match="expected bytes"):
        dropper._handle_msg(part("a.png", 0, 1, data))
    assert taken == []
