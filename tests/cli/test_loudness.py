"""-q and -v: what each leaves out and adds, on every command and before it."""

import json
import logging
import re
from pathlib import Path

import pytest

from lipcert.cli import main as cli
from lipcert.cli.command import Loudness, loudness, set_loudness
from lipcert.errors import ExitCode

ROOT = Path(__file__).parents[2]
BOUND = ("bound", str(ROOT / "demo" / "digits.safetensors"), "--domain", "box:0,1", "--seconds", "0.1")
_STAGE = re.compile(r"\d\d:\d\d:\d\d  (.+): \d+\.\d\d s")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """main() with these arguments: exit code, stdout, stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["lipcert", *arguments])
        code = cli.main()
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    yield call
    set_loudness(quiet=False, verbose=0)


@pytest.mark.parametrize("arguments", [("-q", *BOUND), (*BOUND, "--quiet")])
def test_quiet_prints_the_claim_alone(run, arguments: tuple[str, ...]) -> None:
    code, out, err = run(*arguments)
    assert code == ExitCode.OK
    assert out.startswith("proved  ")
    assert out.count("\n") == 1
    assert err == ""


@pytest.mark.parametrize("arguments", [("-v", *BOUND), (*BOUND, "--verbose")])
def test_verbose_logs_every_stage_with_its_duration(run, arguments: tuple[str, ...]) -> None:
    _, out, err = run(*arguments)
    stages = [found[1] for line in err.splitlines() if (found := _STAGE.fullmatch(line))]
    assert len(stages) == len(err.splitlines())
    wanted = ["capturing the network", "bounding the values", "proving layer by layer", "measuring a lower bound"]
    assert [stage for stage in stages if stage in wanted] == wanted
    assert "layer" in out


def test_twice_verbose_logs_the_beginnings_too(run) -> None:
    assert "capturing the network ..." in run(*BOUND, "-vv")[2]


def test_the_log_ends_with_the_command(run) -> None:
    run(*BOUND, "-v")
    logger = logging.getLogger("lipcert")
    assert logger.handlers == []
    assert logger.level == logging.NOTSET
    assert run(*BOUND)[2] == ""


def test_json_is_the_same_for_quiet_and_verbose(run) -> None:
    quiet, verbose = (json.loads(run("doctor", "--json", flag)[1]) for flag in ("-q", "-v"))
    assert quiet == verbose


def test_the_flag_nearest_to_the_work_holds(run) -> None:
    assert run("-q", "check", str(ROOT), "-v")[0] == ExitCode.OK
    assert loudness() == Loudness.VERBOSE


@pytest.mark.parametrize("arguments", [("-q", "-v", "check"), ("check", "-qv")])
def test_both_at_once_is_bad_usage(run, arguments: tuple[str, ...]) -> None:
    code, _, err = run(*arguments)
    assert code == ExitCode.USAGE
    assert "both" in err


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_takes_both(run, name: str) -> None:
    code, out, _ = run(name, "--help")
    assert code == ExitCode.OK
    assert "-q, --quiet" in out
    assert "-v, --verbose" in out


def test_a_quiet_refusal_is_still_said(run) -> None:
    code, out, err = run("-q", "bound", "nothing.pt")
    assert (code, out) == (ExitCode.INPUT, "")
    assert "nothing.pt" in err


def test_verbose_shows_all_of_a_crash(run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(folder: Path) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("lipcert.workspace.check.check", broken)
    short, long = run("check")[2], run("check", "-v")[2]
    assert "in broken" in short
    assert "in main" not in short  # the first frame of all
    assert "in main" in long
