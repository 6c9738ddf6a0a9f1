"""`lipcert verify`: prove a certificate again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lipcert.cli.options import Arch, Input, TrustPickle, shapes

if TYPE_CHECKING:
    from lipcert.checkpoint.model import Model


def verify(
    certificate: Annotated[Path, typer.Argument(help="What `lipcert bound --certificate` wrote.")],
    path: Annotated[Path, typer.Argument(help="The checkpoint it is about.")],
    arch: Arch = "",
    inputs: Input = [],  # noqa: B006 - typer copies it
    trust_pickle: TrustPickle = False,
) -> None:
    """Prove a certificate again, from the checkpoint alone.

    Loads and traces the checkpoint itself, and proves every step with the small checker.
    """
    from lipcert.bounds.result import show
    from lipcert.certificate.check import check
    from lipcert.cli.show import console, progress
    from lipcert.graph.capture import capture, trace
    from lipcert.norms import ball
    from lipcert.store.schema import read_json

    document = read_json(certificate, "certificate")
    model = _model(document, path, arch, inputs, trust_pickle)
    output = document["claim"]["output"]
    with progress() as say:
        program = capture(model.module, model.example_inputs) if model.module is not None else model.program
        assert program is not None  # a Model is one or the other
        graph = trace(program, model.example_inputs, output=output, source=document["claim"]["module"])
        upper = check(document, graph, output, say)
    claim, bound = document["claim"], show(ball.up(upper), ball.log10(upper))
    console().print(
        f"[bold green]verified[/]  {claim['norm']} bound {bound} on {claim['domain']}: "
        f"{len(graph.nodes)} nodes, {len(document['regions'])} regions, every step proved again"
    )


def _model(document: dict[str, Any], path: Path, arch: str, inputs: list[str], trust_pickle: bool) -> "Model":
    """The network, for the input shape that the certificate names unless the file or the flags say another."""
    from lipcert.checkpoint.examples import Ids
    from lipcert.checkpoint.load import load
    from lipcert.checkpoint.sniff import Format, sniff

    given, shape = shapes(inputs), tuple(document["claim"]["shape"])
    kind = sniff(path)
    own = kind in (Format.EXPORT, Format.EXPORT_LEGACY) or (kind is not Format.HUGGINGFACE and document["fixed_sha256"])
    if given is None and not own:
        # From an embedding, (1, tokens, features): the network takes the ids of the tokens.
        given = [Ids(shape[1:-1]) if document["claim"]["module"] else shape[1:]]
    return load(path, arch=arch or None, inputs=given, trust_pickle=trust_pickle)
