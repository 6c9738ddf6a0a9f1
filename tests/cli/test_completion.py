"""What the shell completes, by the variables through which typer's scripts ask."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.terminal import environment

WORKSPACE = """
version = 1
[models.digits]
path = "net.pt2"
[train.small]
[train.smooth]
[sweep.caps]
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "lipcert.toml").write_text(WORKSPACE)
    (tmp_path / "attacks").mkdir()
    for name in ("linf", "l2"):
        (tmp_path / "attacks" / f"{name}.toml").write_text("")
    return tmp_path


# As the installed command is called; `python -m lipcert.cli.main` would be called main.py.
PROGRAM = "import sys; sys.argv[0] = 'lipcert'; from lipcert.cli.main import main; code = main()"
HEAVY = "torch", "numpy", "scipy", "pandas", "matplotlib", "flint"


def ask(folder: Path, *arguments: str, after: str = "", **given: str) -> str:
    """What `lipcert` writes in a folder, asked through the environment."""
    command = [sys.executable, "-c", f"{PROGRAM}\n{after}", *arguments]
    env = environment(given)
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env, timeout=60, check=False)
    assert done.stderr == ""
    return done.stdout


def bash(folder: Path, *words: str, after: str = "") -> list[str]:
    """What bash is offered for the last of these words."""
    line = " ".join(["lipcert", *words])
    asked = {"_LIPCERT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words))}
    return ask(folder, after=after, **asked).split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("ver",), ["verify"]),
        (("train", "sm"), ["small", "smooth"]),
        (("sweep", ""), ["caps"]),
        (("attack", "--suite", ""), ["l2", "linf"]),
        (("-q", "certify", "--suite", "li"), ["linf"]),
        (("attack", "--attack", "apgd-"), ["apgd-ce", "apgd-dlr", "apgd-t"]),
        (("bound", "--norm", "token"), ["token-l2", "token-rms"]),
        (("bound", "--cert"), ["--certificate"]),
        (("train", "small", "--logit-s"), ["--logit-scale"]),
        (("bound", ""), []),
    ],
)
def test_names_and_flags_are_completed(workspace: Path, words: tuple[str, ...], offered: list[str]) -> None:
    assert bash(workspace, *words) == offered


@pytest.mark.parametrize("content", [None, "no toml [", "train = 3"])
def test_without_a_workspace_nothing_is_offered_and_nothing_fails(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "lipcert.toml").write_text(content)
    assert bash(tmp_path, "train", "") == []


def test_zsh_and_fish_are_offered_the_same(workspace: Path) -> None:
    line = {"_TYPER_COMPLETE_ARGS": "lipcert train sm"}
    assert "small" in ask(workspace, _LIPCERT_COMPLETE="complete_zsh", **line)
    offered = ask(workspace, _LIPCERT_COMPLETE="complete_fish", _TYPER_COMPLETE_FISH_ACTION="get-args", **line)
    assert offered.split() == ["small", "smooth"]


@pytest.mark.parametrize("words", [("train", "sm"), ("bound", "--norm", ""), ("train", "--lo")])
def test_completing_imports_nothing_heavy(workspace: Path, words: tuple[str, ...]) -> None:
    after = f"print('loaded', *({set(HEAVY)!r} & set(sys.modules)))"
    assert bash(workspace, *words, after=after)[-1] == "loaded"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(tmp_path: Path, shell: str) -> None:
    script = ask(tmp_path, _LIPCERT_COMPLETE=f"source_{shell}")
    assert f"_LIPCERT_COMPLETE=complete_{shell}" in script
