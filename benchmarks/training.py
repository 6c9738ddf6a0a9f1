"""What Muon and its soft cap cost beside the forward and backward pass, and the trainer beside a bare loop.

    python -m benchmarks.training muon [--times 9]
    python -m benchmarks.training tokens [--times 20]
    python -m benchmarks.training rounding

muon: Newton-Schulz with the paper's six polynomials, the soft cap, the whole step with both, and torch.optim.Muon's
step (five polynomials, always bfloat16, no cap), each as a share of forward + backward of a GPT of the paper's form on
16×256 tokens: width 256 with 3 blocks, and two blocks of width 768, whose share is that of twelve. Only matrices are
moved. tokens: tokens per second of lipcert's loop over those of a bare PyTorch loop, both with AdamW and without a
constraint. rounding: by how much the largest singular value of orthogonalised matrices is above the polynomials'
maximum, for matrices chosen against it.

The first two are medians of CPU seconds on one thread, taken in turns: other programs disturb those least.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipcert import architectures
from lipcert.training.batches import Batch
from lipcert.training.constraints import CONSTRAINTS, Known
from lipcert.training.groups import groups
from lipcert.training.loop import Progress, run
from lipcert.training.metrics import Row
from lipcert.training.newton_schulz import DTYPES, ROUNDING, SETS, orthogonalise, update_norm
from lipcert.training.optimizer import ConstrainedOptimizer
from lipcert.training.ranks import Ranks
from lipcert.training.session import Session, open_session
from lipcert.training.watch import Watch
from lipcert.workspace.recipe import Recipe
from tests.soundness.spectra import FAMILIES, spectrum

BATCH, CONTEXT, VOCABULARY = 16, 256, 65
SIZES = ((256, 3, 4), (768, 2, 12))
SHAPES = ((64, 64), (256, 256), (768, 768), (65, 256), (256, 1024), (1024, 256), (3072, 768))
LR = 0.1


def gpt(width: int, layers: int, heads: int) -> nn.Module:
    torch.manual_seed(0)
    form = {"vocabulary": VOCABULARY, "context": CONTEXT, "width": width, "layers": layers, "heads": heads}
    return architectures.build("gpt", form)


def pass_of(model: nn.Module, x: Tensor, y: Tensor, precision: str) -> None:
    """Forward and backward."""
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        logits = model(x)
    F.cross_entropy(logits.float().flatten(0, 1), y.flatten()).backward()


def medians(times: int, calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of each call, the calls taking turns; the first turn does not count."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(times + 1):
        for name, call in calls.items():
            started = time.process_time()
            call()
            taken[name].append(time.process_time() - started)
    return {name: median(seconds[1:]) for name, seconds in taken.items()}


def recipe(**changes: object) -> Recipe:
    form = {"model": "gpt", "width": 256, "layers": 3, "heads": 4, "context": CONTEXT}
    return Recipe.of({**form, "data": "shakespeare", "lr": LR, "steps": 100, "batch": BATCH, **changes})


def muon(times: int) -> None:
    print("| width | precision | Newton-Schulz | soft cap | whole step | torch.optim.Muon | passes (s) |")
    print("|---|---|---|---|---|---|---|")
    for width, layers, heads in SIZES:
        for precision in DTYPES:
            seconds = medians(times, dict(_calls(gpt(width, layers, heads), precision)))
            whole = seconds.pop("passes")
            shares = " | ".join(f"{100 * each / whole:.1f} %" for each in seconds.values())
            print(f"| {width} | {precision} | {shares} | {whole:.3f} |", flush=True)


def _calls(model: nn.Module, precision: str) -> Iterator[tuple[str, Callable[[], object]]]:
    ids = torch.randint(VOCABULARY, (2, BATCH, CONTEXT))
    said = recipe(optimizer="muon", precision=precision, constraint="soft_cap", w_max=1.0)
    matrices = [group for group in groups(model, said) if group["role"] in ("linear", "head")]
    weights = [weight for group in matrices for weight in group["params"]]
    by_shape: dict[torch.Size, list[Tensor]] = {}
    for weight in weights:
        by_shape.setdefault(weight.shape, []).append(weight.detach())
    stacks = [torch.stack(equal) for equal in by_shape.values()]
    known = Known(1.0, 1.0 + LR * update_norm("paper", precision), 0.0)
    yield "passes", lambda: pass_of(model, ids[0], ids[1], precision)
    yield "Newton-Schulz", lambda: [orthogonalise(stack, SETS["paper"], DTYPES[precision]) for stack in stacks]
    yield "soft cap", lambda: [CONSTRAINTS["soft_cap"].apply(stack, known) for stack in stacks]
    yield "whole step", ConstrainedOptimizer(matrices).step
    yield "torch.optim.Muon", torch.optim.Muon(weights, lr=1e-6).step


class Nothing:
    """A keeper that keeps nothing."""

    def row(self, row: Row) -> None: ...
    def observe(self, session: Session, step: int, batch: Batch) -> None: ...
    def save(self, session: Session, at: Progress) -> None: ...
    def saved(self) -> None: ...


def tokens(times: int) -> None:
    """The bare loop takes a step after each of ours."""
    said = recipe(optimizer="adamw", lr=1e-3, steps=times + 2, evaluate_every=0, validation_batches=1)
    session = open_session(said, torch.device("cpu"), Ranks())
    bare = bare_step(session)
    taken: tuple[list[float], list[float]] = [], []
    marks = [time.process_time()]

    def say(_: Row) -> None:
        taken[0].append(time.process_time() - marks[-1])
        bare()
        marks.append(time.process_time())
        taken[1].append(marks[-1] - marks[-2] - taken[0][-1])

    run(session, Progress(0, 0.0, Watch(0)), Nothing(), say)
    ours, theirs = (median(seconds[1:-1]) for seconds in taken)  # the last step of ours validates
    print(f"tokens/s of lipcert's loop / bare loop: {theirs / ours:.3f} ({BATCH * CONTEXT / ours:.0f} tokens/s)")


def bare_step(session: Session) -> Callable[[], None]:
    """As one would write it without lipcert, on the same network and as many tokens."""
    model = architectures.build("gpt", session.arguments)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.0)
    ids = torch.randint(session.arguments["vocabulary"], (100_000,))

    def step() -> None:
        starts = torch.randint(len(ids) - CONTEXT, (BATCH,)).tolist()
        x = torch.stack([ids[start : start + CONTEXT] for start in starts])
        y = torch.stack([ids[start + 1 : start + CONTEXT + 1] for start in starts])
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return step


def rounding() -> None:
    print("| polynomials | dtype | shape | largest σ above the maximum | margin | matrix |")
    print("|---|---|---|---|---|---|")
    for name, polynomials in SETS.items():
        for dtype, margin in ROUNDING.items():
            for shape in SHAPES:
                above, family = max(
                    (_largest(spectrum(family, *shape), name, dtype) - polynomials.largest, family)
                    for family in FAMILIES
                )
                size = "×".join(map(str, shape))
                print(f"| {name} | {dtype} | {size} | {above:.1e} | {margin:.1e} | {family} |", flush=True)


def _largest(matrix: Tensor, name: str, dtype: str) -> float:
    found = orthogonalise(matrix[None], SETS[name], DTYPES[dtype])[0].double()
    gram = found @ found.T if len(found) < found.shape[1] else found.T @ found
    return float(torch.linalg.eigvalsh(gram)[-1]) ** 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("muon").add_argument("--times", type=int, default=9)
    commands.add_parser("tokens").add_argument("--times", type=int, default=20)
    commands.add_parser("rounding")
    flags = parser.parse_args()
    torch.set_num_threads(1)
    if flags.command == "rounding":
        rounding()
    else:
        {"muon": muon, "tokens": tokens}[flags.command](flags.times)


if __name__ == "__main__":
    main()
