"""`lipcert attack`: what an attacker does to a checkpoint, beside what is proved of it."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from lipcert.cli import complete
from lipcert.cli.options import Arch, Checkpoint, Input, Source, TrustPickle

Data = Annotated[
    str,
    typer.Option(
        help="Examples with labels: .npz, images, MNIST, CIFAR-10, lines of text, file.py:function. For a network that "
        "continues text: shakespeare, a text file, or a folder of .txt files, of which the part held out counts."
    ),
]
TokenizerFile = Annotated[
    str,
    typer.Option(
        "--tokenizer",
        help="For text: a vocabulary, a token a line; chars:FILE; bytes; tokenizer.json. [default: the checkpoint's]",
    ),
]
Suite = Annotated[
    str,
    typer.Option(
        help="A threat model: attacks/NAME.toml. [default: the first of lipcert.toml]", autocompletion=complete.suites
    ),
]
Eps = Annotated[list[str], typer.Option("--eps", help="Budgets in place of the suite's, such as 0.1 or 8/255.")]
NormName = Annotated[
    str,
    typer.Option(help="In place of the suite's: l2, linf, token-l2 or token-rms.", autocompletion=complete.norms),
]
Limit = Annotated[Optional[int], typer.Option(min=1, help="Only the first so many examples.")]  # noqa: UP045
Out = Annotated[Optional[Path], typer.Option(help="Write results here: JSON, CSV and Parquet.")]  # noqa: UP045
Seconds = Annotated[float, typer.Option(min=0.0, help="For the search behind the proved bound.")]
Domain = Annotated[str, typer.Option(help="Of the certificate. [default: the suite's range; vocabulary; everywhere]")]


def attack(
    path: Checkpoint = None,
    data: Data = "",
    tokenizer: TokenizerFile = "",
    suite: Suite = "",
    eps: Eps = [],  # noqa: B006 - typer copies it
    norm: NormName = "",
    attacks: Annotated[
        list[str],
        typer.Option("--attack", help="Attacks in place of the suite's.", autocompletion=complete.attacks),
    ] = [],  # noqa: B006
    steps: Annotated[Optional[int], typer.Option(min=1, help="Gradients a start.")] = None,  # noqa: UP045
    restarts: Annotated[Optional[int], typer.Option(min=1, help="Starts an example.")] = None,  # noqa: UP045
    positions: Annotated[str, typer.Option(help="Which tokens may move: 0,3 or last:2. [default: all]")] = "",
    arch: Arch = "",
    inputs: Input = [],  # noqa: B006 - typer copies it
    source: Source = "",
    output: Annotated[str, typer.Option(help="Which output holds the logits, where there are several.")] = "",
    domain: Domain = "",
    limit: Limit = None,
    seconds: Seconds = 10.0,
    seed: Annotated[int, typer.Option(min=0, help="Of all random numbers.")] = 0,
    batch: Annotated[
        Optional[int],  # noqa: UP045 - typer reads the annotation
        typer.Option(
            min=1, help="Examples that go through the network at once. [default: what memory holds, 128 at most]"
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that share the examples; 0: this one.")] = 0,
    ray: Annotated[str, typer.Option(help="A Ray cluster instead: its address, or local.")] = "",
    out: Out = None,
    force: Annotated[bool, typer.Option("--force", help="Replace results that are there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    trust_pickle: TrustPickle = False,
) -> None:
    """Attack a checkpoint, and certify the same examples."""
    from lipcert.attacks.run import attacked
    from lipcert.cli.screen import progress
    from lipcert.cli.show_examples import show_run
    from lipcert.cli.threat import Flags, read_threat

    flags = Flags(
        path, data, tokenizer, suite, eps, norm, arch, inputs, source, output, domain, limit, trust_pickle, out, force,
        attacks, steps, restarts, positions,
    )  # fmt: skip
    threat = read_threat(flags)
    with progress() as say:
        found = attacked(threat, seconds=seconds, seed=seed, batch=batch, workers=workers, ray=ray or None, say=say)
    show_run(found, as_json=as_json)


def certify(
    path: Checkpoint = None,
    data: Data = "",
    tokenizer: TokenizerFile = "",
    suite: Suite = "",
    eps: Eps = [],  # noqa: B006 - typer copies it
    norm: NormName = "",
    arch: Arch = "",
    inputs: Input = [],  # noqa: B006 - typer copies it
    source: Source = "",
    output: Annotated[str, typer.Option(help="Which output holds the logits, where there are several.")] = "",
    domain: Domain = "",
    limit: Limit = None,
    seconds: Seconds = 10.0,
    out: Out = None,
    force: Annotated[bool, typer.Option("--force", help="Replace results that are there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    trust_pickle: TrustPickle = False,
) -> None:
    """Prove for every example how far it can be moved."""
    from lipcert.attacks.run import certified
    from lipcert.cli.screen import progress
    from lipcert.cli.show_examples import show_run
    from lipcert.cli.threat import Flags, read_threat

    flags = Flags(
        path, data, tokenizer, suite, eps, norm, arch, inputs, source, output, domain, limit, trust_pickle, out, force
    )
    threat = read_threat(flags)
    with progress() as say:
        found = certified(threat, seconds=seconds, say=say)
    show_run(found, as_json=as_json)
