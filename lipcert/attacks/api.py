"""`lipcert.attack`: attacks on examples in memory, from Python."""

from collections.abc import Sequence
from fractions import Fraction

from torch import Tensor, nn
from torch.export import ExportedProgram

from lipcert.attacks import harness
from lipcert.attacks.budget import Budget, Effort
from lipcert.attacks.embedding import embedding
from lipcert.attacks.exported import batched
from lipcert.attacks.plan import Plan
from lipcert.attacks.result import AttackResult
from lipcert.attacks.target import Target
from lipcert.norms.norm import NORMS, Norm

STANDARD = ("apgd-ce", "apgd-dlr", "minimal")


def attack(
    model: nn.Module | ExportedProgram,
    x: Tensor,
    y: Tensor,
    *,
    norm: str | Norm,
    eps: Fraction | float | str | Sequence[Fraction | float | str],
    low: float | None = None,
    high: float | None = None,
    positions: Tensor | None = None,
    attacks: Sequence[str] = STANDARD,
    steps: int = 40,
    restarts: int = 1,
    source: str = "",
    output: str = "",
    seed: int = 0,
    batch: int = 128,
) -> AttackResult:
    """Attack n examples, and measure again everything that the attacks return.

    model: a module, or a program that was exported for a batch of one, which is run example by example.
    x: (n, *shape), floats; or token ids, of which what their embedding returns is perturbed (or the module `source`).
    y: (n,) int64 labels, or (n, T) for a network that answers at every token. eps: one budget or several, in the
    units of the norm and of what is perturbed. low, high: the range of its entries. positions: (T,) bool, tokens that
    may move. attacks: by name, or "package.module:function". output: the key or number of the logits among several.
    Raises UsageError and InputError where these do not fit together, UnsupportedError where no attack can be run.
    """
    norm = NORMS[norm] if isinstance(norm, str) else norm
    several = eps if isinstance(eps, Sequence) and not isinstance(eps, str) else [eps]
    budgets = tuple(Budget.of(norm, each, low, high).eps for each in several)
    inside = bool(source) or not x.is_floating_point()
    network = batched(model, (x[:1],), source if inside else None, output)
    target, points = (
        embedding(network, x, source=source, output=output) if inside else (Target(network, output=output), x)
    )
    plan = Plan(norm, budgets, tuple(attacks), Effort(steps, restarts), low, high, positions)
    return harness.run(target, points, y, plan, seed=seed, batch=batch)
