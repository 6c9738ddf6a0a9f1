"""`lipcert doctor` as a person runs it."""

import json
from pathlib import Path

import pytest

from lipcert import installed
from lipcert.cli.main import main
from lipcert.errors import ExitCode
from lipcert.selfcheck import Check

BAD = Check("float64 rounds to nearest", False, True, "Start lipcert without it.")
ROOT = Path(__file__).parents[2]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["lipcert", "doctor", *arguments])
    return main()


def test_it_names_versions_devices_extras_and_checks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert run(monkeypatch) == ExitCode.OK
    shown = capsys.readouterr().out
    wanted = ("python", "torch", "python-flint", "BLAS", "cpu", "proofs run here", "cluster", "torchattacks", "valid")
    assert all(word in shown for word in wanted)
    assert "NOT OK" not in shown


@pytest.mark.parametrize("flags", [(), ("--json",), ("-q",)])
def test_what_proofs_rely_on_and_does_not_hold_fails_and_says_what_to_do(
    flags: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(installed, "selfchecks", lambda missing: (BAD,))
    assert run(monkeypatch, *flags) == ExitCode.UNSUPPORTED
    shown = capsys.readouterr()
    assert BAD.name in shown.err
    assert BAD.todo in shown.err
    if "--json" in flags:
        assert json.loads(shown.out)["sound"] is False
    else:
        assert "NOT OK" in shown.out
