import errno
import io
import subprocess
import sys

import pytest
from rich.console import Console

from xairank.console import ConsoleMonitor, command, file_error, print_line, tracker
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


def test_a_full_disk_is_one_line_with_what_to_do():
    error = OSError(errno.ENOSPC, "[Errno 28] Error writing bytes to file", "scores.parquet")
    said = "scores.parquet: No space left on device; free some space, and run again to resume"
    assert str(file_error(error)) == said


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


def test_a_line_is_printed_as_it_stands(capsys):
    text = "a [red]word[/red] " + "long " * 50 + "1"
    print_line(text)
    assert capsys.readouterr().out == f"{text}\n"


@pytest.fixture
def screen(monkeypatch):
    """A function that makes the console write to a text, as to a terminal or to a file, and returns the text."""

    def replace(terminal):
        text = io.StringIO()
        shown = Console(file=text, force_terminal=terminal, force_interactive=terminal, width=100)
        monkeypatch.setattr("xairank.console.console", shown)
        return text

    return replace


@pytest.mark.parametrize("terminal", [False, True])
def test_tracked_items_pass_unchanged_and_show_a_bar_in_a_terminal_only(screen, terminal):
    text = screen(terminal)
    assert list(tracker("Decoding")(iter("abc"), 3)) == ["a", "b", "c"]
    assert ("Decoding" in text.getvalue()) == terminal


def test_a_download_shows_its_name_and_size_in_a_terminal(screen):
    text = screen(True)
    monitor = ConsoleMonitor()
    monitor.message("Downloading [x]")
    with monitor.bar("a.tar", 2000, 500) as advance:
        advance(1500)
    shown = text.getvalue()
    assert shown.startswith("Downloading [x]\n")
    assert "a.tar" in shown
    assert "2.0/2.0 kB" in shown


def test_a_command_ends_without_a_last_look_at_all_that_was_imported():
    script = """
import atexit, gc
before = gc.get_threshold()
from xairank.console import command
atexit.register(lambda: print(gc.get_freeze_count() > 0))  # runs after what the command registers
command(lambda: print(gc.get_freeze_count(), gc.get_threshold() == (10_000, *before[1:])))()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "True", "True"]


def test_a_command_leaves_a_collector_that_is_off_as_it_is():
    script = """
import gc
from xairank.console import command
gc.set_threshold(0)
command(lambda: print(gc.get_threshold()[0]))()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0"]
