"""`lipcert.doctor`: what it finds here, and that its checks notice a machine on which proofs would not hold."""

import json
import platform
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import lipcert
from lipcert import installed, selfcheck

ROOT = Path(__file__).parents[2]
LESS_PRECISE = """
real = torch.Tensor.__matmul__
torch.Tensor.__matmul__ = lambda a, b: real(a.float(), b.float()).double() if a.dtype == torch.float64 else real(a, b)
"""
X86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers of the rounding modes are those of x86")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def here() -> installed.Installation:
    return lipcert.doctor(ROOT)


def test_every_extra_of_the_project_says_what_it_enables() -> None:
    assert set(installed.ENABLES) == set(PROJECT["optional-dependencies"]) - {"dev"}


def test_every_dependency_and_every_extra_is_found(here: installed.Installation) -> None:
    needs = {installed._name(line) for line in PROJECT["dependencies"]}
    assert set(here.versions) == needs | {"python", "lipcert"}
    assert None not in here.versions.values()
    extras = {
        name: {installed._name(line) for line in lines} for name, lines in PROJECT["optional-dependencies"].items()
    }
    assert {extra.name: set(extra.packages) for extra in here.extras} == {
        name: extras[name] for name in installed.ENABLES
    }


def test_proofs_hold_here_and_the_processor_is_among_the_devices(here: installed.Installation) -> None:
    assert here.sound
    assert all(check.holds for check in here.checks)
    assert here.devices[0].name == "cpu"
    assert (here.devices[0].memory or 0) > 2**28
    assert here.workspace.startswith("valid")
    assert any(name.startswith("BLAS of") for name in here.builds)


def test_the_result_is_json(here: installed.Installation) -> None:
    found = json.loads(json.dumps(here.to_json(), allow_nan=False))
    assert found["sound"] is True
    assert found["versions"]["torch"] == here.versions["torch"]


def test_a_missing_extra_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = installed._version
    monkeypatch.setattr(installed, "_version", lambda name: None if name == "optuna" else real(name))
    found = next(extra for extra in lipcert.doctor(ROOT).extras if extra.name == "sweep")
    assert not found.complete
    assert found.install == "pip install 'lipcert[sweep]'"


def test_a_missing_dependency_makes_it_unsound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "_version", lambda name: None if name == "torch" else "1")
    found = lipcert.doctor(ROOT)
    assert not found.sound
    assert found.devices == ()
    assert "pip install torch" in found.checks[0].todo


@pytest.mark.parametrize(("content", "said"), [(None, "none"), ("version = 1", "valid"), ("version = 2", "not valid")])
def test_the_workspace_of_the_folder(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / "lipcert.toml").write_text(content)
    assert installed._workspace(tmp_path).startswith(said)


def broken(spoil: str, check: str) -> str:
    """What a self-check says in a process that was spoiled."""
    asked = f"from lipcert import selfcheck; print(selfcheck._passes(selfcheck.{check}))"
    program = f"import ctypes, sys, torch\n{spoil}\n{asked}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("spoil", "check"),
    [
        ("torch.set_flush_denormal(True)", "keeps_subnormals"),
        pytest.param("ctypes.CDLL(None).fesetround(0x400)", "rounds_to_nearest", marks=X86),  # down
        pytest.param("ctypes.CDLL(None).fesetround(0x800)", "rounds_to_nearest", marks=X86),  # up
        pytest.param("ctypes.CDLL(None).fesetround(0xC00)", "rounds_to_nearest", marks=X86),  # to zero
        ("torch.set_float32_matmul_precision('high')", "full_float32"),
        (LESS_PRECISE, "multiplies_exactly"),
        ("sys.modules['flint'] = None", "encloses"),
    ],
)
def test_a_check_notices_what_it_is_for(spoil: str, check: str) -> None:
    assert broken(spoil, check) == "False"  # and in a process that is not spoiled all of them hold, as tested above


def test_what_only_measurements_rely_on_does_not_make_it_unsound(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = selfcheck.Check("no TF32", False, False, "")
    monkeypatch.setattr(installed, "selfchecks", lambda missing: (failed,))
    assert lipcert.doctor(ROOT).sound
