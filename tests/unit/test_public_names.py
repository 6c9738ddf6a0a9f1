"""What `import lipcert` offers, and that it stays light."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import lipcert
from lipcert.cli.main import COMMANDS


def test_every_public_name_is_there_and_listed_once() -> None:
    assert len(set(lipcert.__all__)) == len(lipcert.__all__)
    for name in lipcert.__all__:
        assert getattr(lipcert, name) is not None
    assert dir(lipcert) == sorted(lipcert.__all__)


def test_every_command_is_a_function_of_the_same_name() -> None:
    assert set(COMMANDS) <= set(lipcert.__all__)
    assert all(callable(getattr(lipcert, name)) for name in COMMANDS)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'boundd'"):
        _ = lipcert.boundd


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["version"] == lipcert.__version__


@pytest.mark.parametrize("module", ["lipcert", "lipcert.cli.main"])
def test_heavy_modules_wait_until_they_are_used(module: str) -> None:
    heavy = {
        "torch",
        "numpy",
        "scipy",
        "pandas",
        "flint",
        "pydantic",
        "jsonschema",
        "matplotlib",
        "safetensors",
    }
    program = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert not heavy & set(loaded.split())
