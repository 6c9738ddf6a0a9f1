"""The flags of a recipe, on a command that says what it was given."""

import subprocess
import sys
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from lipcert.cli.train_flags import RecipeCommand, recipe_flags
from lipcert.errors import UsageError
from lipcert.workspace.recipe_keys import keys

app = typer.Typer(rich_markup_mode=None, add_completion=False)
seen: list[Any] = []


@recipe_flags
def train(
    name: Annotated[str, typer.Argument(help="A recipe.")],
    flags: dict[str, Any],
    out: Annotated[str, typer.Option(help="The folder of this command.")] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Go on.")] = False,
) -> None:
    """Train a network. The rest is for its own help."""
    seen[:] = [name, flags, out, resume]


@app.command()
def other() -> None:
    """Do nothing."""


app.command("train", cls=RecipeCommand)(train)


def given(*arguments: str) -> Any:
    seen.clear()
    done = CliRunner().invoke(app, ["train", *arguments], catch_exceptions=False, env={"COLUMNS": "100"})
    return seen if done.exit_code == 0 and seen else done.output


def test_only_flags_that_are_given_arrive() -> None:
    assert given("small") == ["small", {}, "", False]
    assert given("small", "--lr", "0.1", "--resume") == ["small", {"lr": 0.1}, "", True]


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        (["--steps", "20", "--lr", "1e-3", "--model", "gpt"], {"steps": 20, "lr": 1e-3, "model": "gpt"}),
        (["--no-nesterov", "--compile", "--qk-norm"], {"nesterov": False, "compile": True, "qk_norm": True}),
        (["--widths", "784,256,10", "--stages", "4"], {"widths": [784, 256, 10], "stages": [4]}),
        (["--w-max", "none", "--vocabulary", "none", "--logit-cap", "30"],
         {"w_max": None, "vocabulary": None, "logit_cap": 30.0}),
        (["--constraint", "none", "--norm", "none"], {"constraint": "none", "norm": "none"}),
        (["--constraint", "softcap", "--validation", ""], {"constraint": "softcap", "validation": ""}),
    ],
)  # fmt: skip
def test_values_are_of_the_type_of_their_key(flags: list[str], found: dict[str, Any]) -> None:
    assert given("small", *flags)[1] == found


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--steps", "1.5"], "--steps: '1.5' is no whole number"),
        (["--w-max", "much"], "--w-max: 'much' is no number"),
        (["--widths", "784x10"], "--widths: '784x10' is no list of whole numbers"),
        (["--steps", "none"], "--steps: 'none' is no whole number"),
    ],
)
def test_what_is_no_such_value_is_refused(flags: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as refusal:
        given("small", *flags)
    assert refusal.value.hint.startswith("Write ")


def test_an_unknown_flag_is_answered_with_the_nearest() -> None:
    assert "--w-max" in given("small", "--w-maxx", "1")
    assert "Missing argument" in given()


def test_the_help_has_a_flag_for_every_key_under_its_title() -> None:
    shown = given("--help")
    assert "Train a network. The rest is for its own help." in shown
    assert all(f"--{key.name.replace('_', '-')} " in shown for key in keys())
    assert [line for line in shown.splitlines() if line.endswith(":") and line[0] != " "] == [
        "Options:", *dict.fromkeys(f"{key.title}:" for key in keys())
    ]  # fmt: skip
    assert shown.count("--out ") == 1
    assert "The folder of this command." in shown
    assert "[default: 0.95]" in shown


def test_a_parameter_stands_in_the_place_of_the_key_of_its_name() -> None:
    assert given("small", "--out", "here") == ["small", {}, "here", False]


def test_help_needs_no_torch_and_other_commands_no_schema() -> None:
    lines = [
        "import sys, typer",
        "from tests.cli.test_train_flags import app",
        "from typer.testing import CliRunner",
        "print(CliRunner().invoke(app, ['train', '--help']).output)",
        "assert 'torch' not in sys.modules",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--lr" in done.stdout
    light = "import sys, lipcert.cli.train_flags; assert 'pydantic' not in sys.modules"
    subprocess.run([sys.executable, "-c", light], check=True)
