"""`lipcert bound`: a proved Lipschitz bound of a checkpoint."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from lipcert.cli import complete
from lipcert.cli.options import Arch, Checkpoint, Input, Source, TrustPickle, read_domain, read_model

if TYPE_CHECKING:
    from lipcert.errors import ViolationError


@dataclass(frozen=True)
class Request:
    """What to bound, from flags or from lipcert.toml."""

    path: Path
    arch: str
    inputs: list[str]
    norm: str
    domain: str
    radius: str
    source: str
    output: str


def bound(
    path: Checkpoint = None,
    arch: Arch = "",
    inputs: Input = [],  # noqa: B006 - typer copies it
    norm: Annotated[
        str,
        typer.Option(
            help="l2, linf, token-l2 or token-rms, at source and output. [default: l2; from an embedding token-l2]",
            autocompletion=complete.norms,
        ),
    ] = "",
    domain: Annotated[
        str,
        typer.Option(
            help="Where both points lie: everywhere, box:LO,HI, or vocabulary, all sequences of tokens. "
            "[default: everywhere; from an embedding vocabulary]"
        ),
    ] = "",
    radius: Annotated[str, typer.Option(help="And all points at most this far from box or vocabulary.")] = "",
    source: Source = "",
    output: Annotated[str, typer.Option(help="Which output, where there are several.")] = "",
    certificate: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads the annotation
        typer.Option(help="Write the certificate here, for `lipcert verify`."),
    ] = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Write result and certificate into this folder, for `lipcert report`."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    seconds: Annotated[float, typer.Option(min=0.0, help="For each search: multipliers, measured bound.")] = 10.0,
    seed: Annotated[int, typer.Option(help="Of the measured lower bound.")] = 0,
    trust_pickle: TrustPickle = False,
) -> None:
    """Prove a Lipschitz bound, layer by layer and of the whole."""
    from lipcert.bounds.engine import bound as prove_bound
    from lipcert.cli.command import command_line
    from lipcert.cli.screen import progress
    from lipcert.cli.show import show_bound
    from lipcert.errors import ViolationError
    from lipcert.store.atomic import require_free, write_json
    from lipcert.store.run import require_free_bound, write_bound

    request = _request(path, Request(path or Path(), arch, inputs, norm, domain, radius, source, output))
    if certificate is not None:
        require_free(certificate, overwrite=force)
    if out is not None:
        require_free_bound(out, overwrite=force)
    model = read_model(request.path, request.arch, request.inputs, trust_pickle)
    try:
        with progress() as say:
            result = prove_bound(
                model, norm=request.norm or None,
                domain=read_domain(request.domain, request.radius) if request.domain or request.radius else None,
                source=request.source, output=request.output, seconds=seconds, seed=seed, progress=say,
            )  # fmt: skip
    except ViolationError as error:
        raise _written(error, request) from error
    if certificate is not None:
        write_json(certificate, result.certificate, overwrite=force)
    if out is not None:
        told = {"path": str(request.path), "command": command_line()}
        told |= {"network_sha256": model.network_sha256} if model.network_sha256 is not None else {}
        certificate = write_bound(out, result.to_json() | told, result.certificate, overwrite=force)
    show_bound(result, request.path, certificate, as_json=as_json)


def _written(error: "ViolationError", request: Request) -> "ViolationError":
    """The violation, with a folder that shows it."""
    from lipcert.errors import ViolationError
    from lipcert.store.violation import Network, write_ratio

    if error.points is None:
        return error
    network = Network(request.path, {}, request.arch, request.inputs, None, request.output)
    place = write_ratio(
        Path("reports/violation"), *error.points, bound=error.bound, norm=error.norm, network=network,
        source=request.source, message=error.message,
    )  # fmt: skip
    hint = f"This is a bug in lipcert: report {place}, which holds both points and a script that shows it."
    return ViolationError(error.message, hint=hint)


def _request(path: Path | None, given: Request) -> Request:
    """The flags where they are given, else the default model's entry in lipcert.toml."""
    if path is not None:
        return given
    from lipcert.errors import UsageError
    from lipcert.workspace.load import load

    workspace = load(Path())
    name = workspace.settings.default_model
    if name is None:
        raise UsageError("no checkpoint is given.", hint="Name one, or set default_model in lipcert.toml.")
    entry = workspace.settings.models[name]
    inputs = given.inputs or entry.inputs
    return replace(
        given, path=workspace.path_of(entry), arch=given.arch or entry.arch or "", inputs=inputs,
        norm=given.norm or entry.norm, domain=given.domain or entry.domain,
        radius=given.radius or (str(entry.radius) if entry.radius else ""), source=given.source or entry.source,
        output=given.output or entry.output,
    )  # fmt: skip
