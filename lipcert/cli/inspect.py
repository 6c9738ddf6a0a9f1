"""`lipcert inspect`: what a file is and what is in it."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from lipcert.cli.options import Arch, Input, TrustPickle, shapes


def inspect(
    path: Annotated[Path, typer.Argument(help="A checkpoint, a folder of transformers, or any file.")],
    arch: Arch = "",
    inputs: Input = [],  # noqa: B006 - typer copies it
    stub: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads the annotation
        typer.Option(help="Of weights alone: write a guess at the network here, for --arch."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a stub that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    trust_pickle: TrustPickle = False,
) -> None:
    """Say what a file is, what is in it, and what would bound it.

    Nothing in it is executed unless --trust-pickle is given.
    """
    import shlex
    from dataclasses import replace

    from lipcert.cli.show import show_json
    from lipcert.cli.show_inspection import show_inspection
    from lipcert.errors import InputError, UsageError
    from lipcert.graph.inspection import inspect as look
    from lipcert.store.atomic import require_free, write_text

    if stub is not None:
        require_free(stub, overwrite=force)
    found = look(path, arch=arch or None, inputs=shapes(inputs), trust_pickle=trust_pickle)
    if stub is not None and not found.stub:
        raise UsageError(f"{path} holds no weights alone, so there is no stub to write", hint="Leave --stub out.")
    if stub is not None:
        write_text(stub, found.stub, overwrite=force)
        found = replace(found, command=found.command.replace("net.py:net", shlex.quote(f"{stub}:net")))
    if as_json:
        show_json(found.to_json())
    else:
        show_inspection(found, stub)
    if not found.format:
        raise InputError(found.problems[0].message, hint=found.problems[0].hint)
