"""`lipcert gate` as CI runs it: exit codes, files, annotations, and the ready-made action and hooks."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
import yaml

from lipcert.cli.main import main
from lipcert.errors import ExitCode
from lipcert.store.schema import read_json
from tests.unit.gate.made import rule, workspace

ROOT = Path(__file__).parents[2]
GOOD, BAD, BROKEN = rule("accuracy", limit=0.9), rule("accuracy", limit=0.98, examples=360), rule("bound", tolerance=1)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["lipcert", "gate", *arguments])
    return main()


def here(folder: Path, monkeypatch: pytest.MonkeyPatch, *rules: str) -> Path:
    monkeypatch.chdir(workspace(folder, *rules))
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return folder


@pytest.mark.parametrize(
    ("rules", "code"),
    [((GOOD,), ExitCode.OK), ((GOOD, BAD), ExitCode.GATE), ((GOOD, BAD, BROKEN), ExitCode.INPUT)],
    ids=["passed", "failed", "broken"],
)
def test_the_exit_code_tells_what_was_found(
    rules: tuple[str, ...],
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    here(tmp_path, monkeypatch, *rules)
    assert run(monkeypatch, "--seconds", "0.2") == code
    printed = capsys.readouterr().out
    assert printed.count("accuracy on 12 examples") >= 1
    assert f"of {len(rules)}" in printed


def test_a_violation_outranks_all_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lipcert.errors import ViolationError
    from lipcert.gates import fresh

    def violated(*_given: object, **_more: object) -> None:
        raise ViolationError("a measured ratio is above the bound that was proved")

    monkeypatch.setattr(fresh, "prove_bound", violated)
    here(tmp_path, monkeypatch, rule("bound", limit=16), BAD, rule("accuracy-drop", eps="1/3", limit=0.5))
    assert run(monkeypatch) == ExitCode.VIOLATED


def test_a_workspace_without_rules_does_not_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here(tmp_path, monkeypatch)
    assert run(monkeypatch) == ExitCode.INPUT
    assert "has no rule" in capsys.readouterr().err


def test_no_workspace_does_not_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, str(tmp_path / "nowhere")) == ExitCode.INPUT


def test_every_form_of_output_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here(tmp_path / "w", monkeypatch, GOOD, BAD, BROKEN)
    summary = tmp_path / "summary.md"
    summary.write_text("# what another step wrote\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    arguments = ("--json", "--junit", "out/gate.xml", "--markdown", "out/gate.md", "--github", "--seconds", "0.2")
    assert run(monkeypatch, *arguments) == ExitCode.INPUT
    printed = capsys.readouterr()
    Path("gate.json").write_text(printed.out)
    found = read_json(Path("gate.json"), "gate")
    assert [each["verdict"] for each in found["rules"]] == ["passed", "failed", "broken"]
    suite = Xml.parse("out/gate.xml").getroot()[0]
    assert (suite.attrib["tests"], suite.attrib["failures"], suite.attrib["errors"]) == ("3", "1", "1")
    assert summary.read_text() == "# what another step wrote\n" + Path("out/gate.md").read_text()
    annotated = [line for line in printed.err.splitlines() if line.startswith("::")]
    text = Path("lipcert.toml").read_text().splitlines()
    lines = [int(match[1]) for line in annotated if (match := re.match(r"::error file=lipcert.toml,line=(\d+),", line))]
    assert lines == [found["rules"][1]["line"], found["rules"][2]["line"]]
    assert all(text[line - 1] == "[[gate]]" for line in lines)


def test_the_settings_of_another_folder_are_named_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace(tmp_path / "models", BAD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    assert run(monkeypatch, "models", "--github", "--junit", "gate.xml") == ExitCode.GATE
    assert "::error file=models/lipcert.toml,line=" in capsys.readouterr().err
    assert (tmp_path / "gate.xml").is_file()
    assert Path.cwd() == tmp_path


@pytest.mark.parametrize("flag", ["--junit", "--markdown"])
def test_a_file_that_is_there_is_kept_before_any_work(
    flag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here(tmp_path, monkeypatch, GOOD)
    Path("there").write_text("kept")
    assert run(monkeypatch, flag, "there") == ExitCode.OUTPUT
    assert Path("there").read_text() == "kept"
    assert "--force" in capsys.readouterr().err
    assert run(monkeypatch, flag, "there", "--force") == ExitCode.OK
    assert Path("there").read_text() != "kept"


def test_the_baseline_is_written_where_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here(tmp_path, monkeypatch, rule("accuracy", tolerance="1%"), BAD)
    assert run(monkeypatch) == ExitCode.INPUT
    assert "lipcert gate --update-baseline" in capsys.readouterr().out
    assert run(monkeypatch, "--update-baseline") == ExitCode.GATE  # BAD fails, and is no reason against it
    first = read_json(Path("gate-baseline.json"), "baseline")
    assert [each["value"] for each in first["rules"]] == ["1e+0", "9.75e-1"]
    assert run(monkeypatch, "--update-baseline") == ExitCode.GATE
    assert read_json(Path("gate-baseline.json"), "baseline") == first


def test_check_names_the_rule_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here(tmp_path, monkeypatch, rule("attacked-accuracy", limit=0.5))
    monkeypatch.setattr("sys.argv", ["lipcert", "check"])
    assert main() == ExitCode.INPUT
    assert "gate.0: attacked-accuracy needs an eps" in capsys.readouterr().err


# The action and the hooks


def script(step: dict[str, Any], folder: Path, **values: str) -> subprocess.CompletedProcess[str]:
    """The step as a runner runs it, with these inputs, and the lipcert of this environment."""
    inputs = {name: each["default"] for name, each in action()["inputs"].items()} | values
    filled = {
        key: re.sub(r"\${{ inputs\.(\w+) }}", lambda match: inputs[match[1]], text) for key, text in step["env"].items()
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **filled, "PATH": path, "GITHUB_STEP_SUMMARY": str(folder / "summary.md")}
    (folder / "step.sh").write_text(step["run"])
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "step.sh"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def action() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
    return found


def test_the_action_is_a_composite_one_whose_scripts_take_inputs_as_variables_alone() -> None:
    found = action()
    assert found["runs"]["using"] == "composite"
    for step in found["runs"]["steps"]:
        assert step["shell"] == "bash"
        assert "${{" not in step["run"]  # an input is data, and never part of a script
    assert all(each["description"] for each in found["inputs"].values())


@pytest.mark.parametrize(("text", "code"), [(GOOD, ExitCode.OK), (BAD, ExitCode.GATE)], ids=["passed", "failed"])
def test_the_action_passes_and_fails_with_the_gate(text: str, code: int, tmp_path: Path) -> None:
    workspace(tmp_path / "models", text)
    step = action()["runs"]["steps"][-1]
    found = script(step, tmp_path, workspace="models", junit="out/gate.xml", args="--seconds 1  --fresh")
    assert found.returncode == code, found.stderr
    assert (tmp_path / "out/gate.xml").is_file()
    assert "lipcert gate" in (tmp_path / "summary.md").read_text()
    assert ("::error file=models/lipcert.toml" in found.stderr) is (code != ExitCode.OK)


def test_the_action_takes_what_looks_like_a_script_as_words(tmp_path: Path) -> None:
    workspace(tmp_path, GOOD)
    found = script(action()["runs"]["steps"][-1], tmp_path, args="$(touch hacked) ; touch hacked")
    assert found.returncode == ExitCode.USAGE
    assert not (tmp_path / "hacked").exists()


def test_the_action_installs_nothing_unasked() -> None:
    install, gate = action()["runs"]["steps"]
    assert install["if"] == "inputs.package != ''"
    assert action()["inputs"]["package"]["default"] == ""
    assert "pip" not in gate["run"]


def hooks() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    return found


def test_the_hooks_have_what_pre_commit_requires() -> None:
    assert [hook["id"] for hook in hooks()] == ["lipcert-check", "lipcert-gate"]
    for hook in hooks():
        assert {"id", "name", "entry", "language"} <= set(hook)
        assert hook["pass_filenames"] is False


@pytest.mark.parametrize("name", ["lipcert-check", "lipcert-gate"])
def test_the_hooks_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here(tmp_path, monkeypatch, GOOD)
    (entry,) = (hook["entry"] for hook in hooks() if hook["id"] == name)
    monkeypatch.setattr("sys.argv", shlex.split(entry))
    assert main() == ExitCode.OK


def test_the_check_hook_looks_at_the_files_of_a_workspace() -> None:
    (pattern,) = (hook["files"] for hook in hooks() if hook["id"] == "lipcert-check")
    assert all(re.search(pattern, path) for path in ("lipcert.toml", "models/lipcert.toml", "attacks/linf.toml"))
    assert not re.search(pattern, "attacks/readme.md")


@pytest.mark.slow
def test_a_checkpoint_trained_without_its_cap_fails_where_the_capped_one_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    models = "".join(
        f'[models.{name}]\npath = "{ROOT}/reports/demo/{file}/model.safetensors"\n'
        'norm = "token-rms"\ndomain = "vocabulary"\n'
        for name, file in (("capped", "demo"), ("free", "demo-unconstrained"))
    )
    (tmp_path / "lipcert.toml").write_text(
        f"version = 1\n{models}" + "".join(rule("bound", model=name, limit=10000) for name in ("capped", "free"))
    )
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "--json", "--seconds", "2") == ExitCode.GATE
    found = json.loads(capsys.readouterr().out)["rules"]
    assert [each["verdict"] for each in found] == ["passed", "failed"]
    assert [each["standing"] for each in found] == ["proved", "proved"]
