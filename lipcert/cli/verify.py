"""`lipcert verify`: prove a certificate again."""

from pathlib import Path
from typing import Annotated

import typer

from lipcert.cli.options import Arch, Input, TrustPickle, shapes


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
    from rich.text import Text

    from lipcert.bounds.result import show
    from lipcert.certificate.verify import verify as prove_again
    from lipcert.cli.screen import console, progress

    with progress() as say:
        found = prove_again(
            certificate, path, arch=arch or None, inputs=shapes(inputs), trust_pickle=trust_pickle, progress=say
        )
    claim, upper = found.claim, show(found.upper, found.log10_upper)
    what = f"{claim['norm']} bound {upper} on {claim['domain']}: {found.nodes} nodes, {found.regions} regions"
    console().print(
        Text("verified", style="bold green") + Text(f"  {what}, every step proved again", style="not bold default")
    )
