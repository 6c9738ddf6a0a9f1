"""`lipcert init` and `lipcert check` as a person runs them."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lipcert.cli.main import app
from lipcert.errors import InputError, OutputError

runner = CliRunner()


def test_init_then_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = runner.invoke(app, ["init"], catch_exceptions=False)
    assert first.output.count("wrote") == 6
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    second = runner.invoke(app, ["init"], catch_exceptions=False)
    assert second.output.count("kept") == 6
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    checked = runner.invoke(app, ["check"], catch_exceptions=False)
    assert checked.exit_code == 0
    suites = "quick, standard-embeddings, standard, thorough"
    assert checked.output == f"valid (models: none; suites: {suites}; recipes: none; sweeps: none)\n"


def test_check_refuses_and_names_the_key(tmp_path: Path) -> None:
    (tmp_path / "lipcert.toml").write_text("version = 1\nmodel = 2\n")
    with pytest.raises(InputError, match=r"lipcert\.toml: model: is no known key; did you mean 'models'"):
        runner.invoke(app, ["check", str(tmp_path)], catch_exceptions=False)


def test_init_refuses_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "attacks").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        runner.invoke(app, ["init", str(tmp_path)], catch_exceptions=False)
