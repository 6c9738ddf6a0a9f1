"""What Muon and its soft cap cost beside the forward and backward pass, and the trainer beside a bare loop.

    python -m benchmarks.training muon [--times 9]
    python -m benchmarks.training tokens [--times 5]
    python -m benchmarks.training rounding

muon: a step of Muon with the paper's six polynomials, the soft cap, and torch.optim.Muon's step (five polynomials,
bfloat16), each as a share of forward + backward of a GPT of the paper's form on 16×256 tokens: width 256 with 3 blocks,
and one block of width 768, whose share is that of twelve. Only matrices are moved. tokens: tokens per second of
lipcert's loop over those of a bare PyTorch loop, both with AdamW and without constraint. rounding: the largest singular
value of orthogonalised matrices above the polynomials' maximum, for matrices chosen against it. The first two are
medians of runs that take turns.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipcert import architectures
from lipcert.training.constraints import CONSTRAINTS, Known
from lipcert.training.groups import groups
from lipcert.training.newton_schulz import DTYPES, ROUNDING, SETS, orthogonalise, update_norm
from lipcert.training.optimizer import ConstrainedOptimizer
from lipcert.workspace.recipe import Recipe
from tests.soundness.spectra import FAMILIES, spectrum

BATCH, CONTEXT, VOCABULARY = 16, 256, 65
SIZES = ((256, 3, 4), (768, 1, 12))
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
            started = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - started)
    return {name: median(seconds[1:]) for name, seconds in taken.items()}


def recipe(**changes: object) -> Recipe:
    form = {"model": "gpt", "width": 64, "layers": 1, "heads": 1, "context": CONTEXT}
    return Recipe.of({**form, "data": "shakespeare", "lr": LR, "steps": 100, "batch": BATCH, **changes})


def muon(times: int) -> None:
    print("| width | precision | Muon / passes | soft cap / passes | torch.optim.Muon / passes | passes (s) |")
    print("|---|---|---|---|---|---|")
    for width, layers, heads in SIZES:
        for precision in DTYPES:
            seconds = medians(times, dict(_calls(gpt(width, layers, heads), precision)))
            whole = seconds.pop("passes")
            shares = " | ".join(f"{100 * each / whole:.1f} %" for each in seconds.values())
            print(f"| {width} | {precision} | {shares} | {whole:.3f} |", flush=True)


def _calls(model: nn.Module, precision: str) -> Iterator[tuple[str, Callable[[], object]]]:
    ids = torch.randint(VOCABULARY, (2, BATCH, CONTEXT))
    matrices = [
        group
        for group in groups(model, recipe(optimizer="muon", precision=precision))
        if group["role"] in ("linear", "head")
    ]
    ours = ConstrainedOptimizer(matrices)
    theirs = torch.optim.Muon([weight for group in matrices for weight in group["params"]], lr=1e-6)
    by_shape: dict[torch.Size, list[Tensor]] = {}
    for group in matrices:
        for weight in group["params"]:
            by_shape.setdefault(weight.shape, []).append(weight.detach())
    stacks = [torch.stack(weights) for weights in by_shape.values()]
    known = Known(1.0, 1.0 + LR * update_norm("paper", precision), 0.0)

    def cap() -> None:
        for stack in stacks:
            CONSTRAINTS["soft_cap"].apply(stack, known)

    yield "passes", lambda: pass_of(model, ids[0], ids[1], precision)
    yield "muon", ours.step
    yield "soft cap", cap
    yield "torch.optim.Muon", theirs.step


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
    commands.add_parser("rounding")
    flags = parser.parse_args()
    if flags.command == "muon":
        muon(flags.times)
    else:
        rounding()


if __name__ == "__main__":
    main()
