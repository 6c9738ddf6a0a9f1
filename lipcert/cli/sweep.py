"""`lipcert sweep`: many runs of one recipe, and the frontier of what they reach."""

from functools import partial
from pathlib import Path
from typing import Annotated, Optional

import typer

from lipcert.cli import complete


def sweep(
    name: Annotated[
        str,
        typer.Argument(
            help="The sweep: [sweep.NAME] in lipcert.toml.", show_default=False, autocompletion=complete.sweeps
        ),
    ],
    workers: Annotated[
        Optional[int],  # noqa: UP045 - typer reads the annotation
        typer.Option(min=1, help="Trials at a time, of one thread each. [default: 1; with --ray all CPUs]"),
    ] = None,
    ray: Annotated[str, typer.Option(help="A Ray cluster instead: its address, or local.")] = "",
    target_bound: Annotated[
        str, typer.Option(metavar="NUMBER", help="Choose the lowest loss with a proved bound of at most this.")
    ] = "",
    trials: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, help="Of a study, in place of the sweep's."),
    ] = None,
    seed: Annotated[Optional[int], typer.Option(min=0, help="Of a study's choices.")] = None,  # noqa: UP045
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder of the results. [default: reports/sweep-NAME]", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a sweep that is in the folder.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train many variants, and show loss against proved bound."""
    from lipcert.cli.command import command_line
    from lipcert.cli.screen import progress
    from lipcert.cli.show_sweep import show_sweep
    from lipcert.errors import GateError, StoppedError
    from lipcert.sweeps.api import sweep as run

    try:
        with progress() as say:
            found = run(
                name, workers=workers, ray=ray or None, target_bound=target_bound or None, trials=trials, seed=seed,
                out=out, force=force, command=command_line(), progress=partial(say, "trials"),
            )  # fmt: skip
    except KeyboardInterrupt:
        raise StoppedError("stopped; the trials that ended are kept", hint="The same command goes on.") from None
    show_sweep(found, as_json=as_json)
    if found.target is not None and not found.target.reached:
        raise GateError(
            f"no trial has a proved bound of at most {found.target.bound}.",
            hint="Allow more --trials with --force, or write a wider search.",
        )
