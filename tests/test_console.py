import pytest

from xairank.console import command
from xairank.errors import UserError


def test_a_mistake_is_one_line_on_standard_error_and_status_2(capsys):
    @command
    def main():
        raise UserError("data.root=x:\n  no such\tfolder")

    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    captured = capsys.readouterr()
    assert captured.err == "xairank: error: data.root=x: no such folder\n"
    assert captured.out == ""


def test_a_defect_of_the_program_keeps_its_trace():
    @command
    def main():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        main()
