"""`lipcert bound`: a proved Lipschitz bound of a checkpoint."""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from lipcert.cli.options import Arch, Checkpoint, Input, TrustPickle, read_model

if TYPE_CHECKING:
    from lipcert.rules.domain import Domain


@dataclass(frozen=True)
class Request:
    """What to bound, from flags or from lipcert.toml."""

    path: Path
    arch: str
    inputs: list[str]
    norm: str
    domain: str
    radius: str
    output: str


def bound(
    path: Checkpoint = None,
    arch: Arch = "",
    inputs: Input = [],  # noqa: B006 - typer copies it
    norm: Annotated[str, typer.Option(help="l2 or linf, at the input and at the output. [default: l2]")] = "",
    domain: Annotated[
        str, typer.Option(help="Where both points lie: everywhere, or box:LO,HI. [default: everywhere]")
    ] = "",
    radius: Annotated[str, typer.Option(help="And all points at most this far from the box.")] = "",
    output: Annotated[str, typer.Option(help="Which output, where there are several.")] = "",
    certificate: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads the annotation
        typer.Option(help="Write the certificate here, for `lipcert verify`."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing certificate.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    seconds: Annotated[float, typer.Option(min=0.0, help="For each search: multipliers, measured bound.")] = 10.0,
    seed: Annotated[int, typer.Option(help="Of the measured lower bound.")] = 0,
    trust_pickle: TrustPickle = False,
) -> None:
    """Prove a Lipschitz bound, layer by layer and of the whole."""
    from lipcert.bounds.engine import bound as prove_bound
    from lipcert.cli.show import progress, show_bound
    from lipcert.store.atomic import require_free, write_json

    request = _request(path, Request(path or Path(), arch, inputs, norm, domain, radius, output))
    if certificate is not None:
        require_free(certificate, overwrite=force)
    model = read_model(request.path, request.arch, request.inputs, trust_pickle)
    network = model.module if model.module is not None else model.program
    assert network is not None  # a Model is one or the other
    with progress() as say:
        result = prove_bound(
            network, model.example_inputs, norm=request.norm or "l2", domain=parse(request.domain, request.radius),
            output=request.output, seconds=seconds, seed=seed, progress=say,
        )  # fmt: skip
    if certificate is not None:
        write_json(certificate, result.certificate, overwrite=force)
    show_bound(result, request.path, certificate, as_json=as_json)


def parse(domain: str, radius: str) -> "Domain":
    """The domain that --domain and --radius name."""
    from lipcert.errors import UsageError
    from lipcert.rules.domain import Box, Everywhere
    from lipcert.workspace.exact import parse_domain, parse_exact

    try:
        spec = parse_domain(domain or "everywhere", parse_exact(radius) if radius else Fraction(0))
    except ValueError as error:
        raise UsageError(str(error)) from error
    if spec.lo is None or spec.hi is None:
        return Everywhere()
    return Box(spec.lo, spec.hi, radius=spec.radius)


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
    inputs = given.inputs or ([",".join(map(str, entry.input))] if entry.input else [])
    return replace(
        given, path=workspace.path_of(entry), arch=given.arch or entry.arch or "", inputs=inputs,
        norm=given.norm or entry.norm, domain=given.domain or entry.domain,
        radius=given.radius or (str(entry.radius) if entry.radius else ""), output=given.output or entry.output,
    )  # fmt: skip
