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


def test_what_the_system_refuses_is_one_line_with_the_file(capsys, tmp_path):
    @command
    def main():
        (tmp_path / "missing").read_text()

    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    said = f"{tmp_path / 'missing'}: No such file or directory; check its permissions, its place and its name"
    assert capsys.readouterr().err == f"xairank: error: {said}\n"


def test_who_stops_it_sees_no_trace(capsys):
    @command
    def main():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 130
    assert capsys.readouterr().err.count("\n") == 1


def test_a_defect_of_the_program_keeps_its_trace():
    @command
    def main():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        main()
