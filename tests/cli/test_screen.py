"""How wide commands print, in which colours, and what stands there for progress."""

import io
import re
import sys
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from lipcert.cli import screen
from lipcert.cli.command import set_loudness
from tests.cli.terminal import in_terminal, piped

ROOT = Path(__file__).parents[2]
BOUND = ("bound", ROOT / "demo" / "digits.safetensors", "--domain", "box:0,1", "--seconds", "0.1")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_MOVES = re.compile(r"\x1b\[[0-9;?]*[A-HJKlhu]")
"""What moves the cursor or erases, not what colours."""


def table() -> Table:
    found = Table("layer", "proved", title="net", title_justify="left")
    found.add_row("features.0.conv", Text("10^320.500"))
    found.add_row("head", Text("2.00001"))
    return found


def printed(width: int) -> str:
    out = screen.Screen(file=io.StringIO(), width=width, highlight=False)
    out.print(table())
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


@pytest.mark.parametrize("width", [20, 24, 30, 31, 32, 40, 200])
def test_no_number_is_ever_cut_short(width: int) -> None:
    shown = printed(width)
    assert "…" not in shown
    assert "10^320.500" in shown
    assert all(len(line) <= width for line in shown.splitlines())


def test_a_table_is_no_wider_than_it_has_to_be() -> None:
    assert printed(200) == printed(1000)
    assert max(map(len, printed(200).splitlines())) < 40


def test_a_pipe_gets_whole_lines_and_no_control_characters() -> None:
    done = piped(*BOUND)
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stderr == ""
    claim = next(line for line in done.stdout.splitlines() if line.startswith("proved"))
    assert claim.endswith("input 1×8×8")
    assert len(claim) > 100


@pytest.mark.parametrize(
    ("given", "moves"),
    [
        ({}, True),
        ({"CI": "false"}, True),
        ({"CI": "true"}, False),
        ({"TERM": "dumb"}, False),
        ({"TERM": "unknown"}, False),
    ],
)
def test_a_bar_moves_where_somebody_watches(
    given: dict[str, str], moves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ({"CI": "", "TERM": "xterm"} | given).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert not screen.watched()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert screen.watched() == moves


def test_a_narrow_terminal_of_a_ci_gets_a_layer_in_lines_of_its_own_and_nothing_moves() -> None:
    shown = in_terminal(*BOUND, columns=60, CI="true")
    assert not _MOVES.search(shown)
    lines = [line.strip() for line in _CONTROL.sub("", shown).splitlines()]
    assert "proved        2.66751" in lines
    assert max(map(len, lines)) <= 60


def test_forced_colour_in_a_pipe_is_colour_and_no_movement() -> None:
    done = piped(*BOUND, FORCE_COLOR="1", CI="1")
    assert "\x1b[" in done.stdout
    assert not _MOVES.search(done.stdout + done.stderr)
    assert "input 1×8×8" in _CONTROL.sub("", done.stdout)


def test_no_color_leaves_no_colour() -> None:
    assert re.search(r"\x1b\[[0-9;]*3[0-9]", in_terminal("doctor", columns=120))
    shown = in_terminal("doctor", columns=120, NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", shown)


def test_columns_is_obeyed_in_a_pipe() -> None:
    lines = piped("ops", COLUMNS="60").stdout.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 60


def test_progress_in_a_log_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with screen.progress() as say:
        for now in (1.0, 9.0, 11.0, 12.0, 21.0, 23.0, 40.0, 47.0):
            say("attacking", int(now), 50)
    assert capsys.readouterr().err.splitlines() == [
        "11 s: attacking 11/50", "23 s: attacking 23/50", "47 s: attacking 47/50",
    ]  # fmt: skip


def test_quiet_says_nothing_on_the_way(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    set_loudness(quiet=True, verbose=0)
    try:
        now = 0.0
        monkeypatch.setattr("time.monotonic", lambda: now)
        with screen.progress() as say:
            now = 100.0
            say("attacking", 1, 2)
    finally:
        set_loudness(quiet=False, verbose=0)
    assert capsys.readouterr().err == ""
