"""`lipcert train`: a recipe of lipcert.toml, or flags alone, to a checkpoint that the other commands take."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from lipcert.cli import complete
from lipcert.cli.train_flags import recipe_flags

if TYPE_CHECKING:
    from lipcert.workspace.recipe import Recipe


@recipe_flags
def train(
    name: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation
        typer.Argument(
            help="The recipe: [train.NAME] in lipcert.toml; without it, the flags say all.",
            autocompletion=complete.recipes,
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in the folder stands.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a run that is in the folder.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write metrics for TensorBoard too.")] = False,
    seconds: Annotated[float, typer.Option(min=0.0, help="For the search behind the bound at the end.")] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    *,
    flags: dict[str, Any],
) -> None:
    """Train a network whose weights stay under a cap."""
    from lipcert.cli.show_training import display, show_trained
    from lipcert.errors import StoppedError
    from lipcert.training.api import train as run
    from lipcert.workspace.recipe_command import train_command

    recipe = _recipe(name, flags)
    with display() as screen:
        found = run(
            recipe, resume=resume, force=force, tensorboard=tensorboard, seconds=seconds, name=name or "",
            command=train_command(name, flags, seconds), say=screen.row, begin=screen.begin,
        )  # fmt: skip
    if not found.finished:
        raise StoppedError(f"stopped, and saved in {recipe.out}", hint="Go on with --resume.")
    if found.outcome is not None:
        show_trained(found, as_json=as_json)


def _recipe(name: str | None, flags: dict[str, Any]) -> "Recipe":
    """What the workspace has under this name, with what the flags change; the folder of the run named after it."""
    from lipcert.workspace.load import load
    from lipcert.workspace.recipe import Recipe, recipe

    table = recipe(load(Path()), name).to_json() if name is not None else {}
    found = Recipe.of(table, flags)
    default = f"reports/train-{name}" if name is not None else "reports/train"
    return found if found.out else found.model_copy(update={"out": default})
