"""A batch of examples under every attack of a plan."""

import time
from collections.abc import Iterator
from fractions import Fraction

import torch
from torch import Tensor

from lipcert.attacks.draws import Draws
from lipcert.attacks.flags import Flag, probe
from lipcert.attacks.loss import IGNORED, fooled, margin
from lipcert.attacks.measure import FAILED, FOOLED, NOT_TRIED, Verdict, judge
from lipcert.attacks.plan import Plan
from lipcert.attacks.result import AttackResult, Attempt, outcomes, rejections
from lipcert.attacks.table import NEAREST, Attack
from lipcert.attacks.target import Target
from lipcert.errors import InputError, UnsupportedError

_PROBED = 32


class Part:
    """A batch of examples, and what was found of them so far."""

    def __init__(self, target: Target, x: Tensor, y: Tensor, plan: Plan, seed: int, examples: Tensor) -> None:
        self.target, self.plan, self.seed, self.examples = target, plan, seed, examples
        self.x, self.y = x.detach().clone(), y.clone()
        with torch.no_grad():
            logits = target(self.x)
        _require_labels(logits, y)
        self.prediction, self.clean_margin = logits.argmax(-1), margin(logits, y)
        self.right = ~fooled(logits, y)
        shape = (len(plan.eps), len(plan.attacks), len(x))
        self.outcome = torch.full(shape, NOT_TRIED, dtype=torch.int8, device=x.device)
        self.radius = torch.full((len(x),), torch.inf, dtype=torch.float64, device=x.device)
        self.margin, self.adversarial = self.clean_margin.clone(), self.x.clone()

    def probe(self) -> tuple[Flag, ...]:
        rows = self.right.nonzero()[:_PROBED, 0]
        if not len(rows):
            return ()
        budget = self.plan.budget(self.plan.eps[-1])
        return probe(self.target.select(rows), self.x[rows], self.y[rows], budget, self.plan.effort, self.seed)

    def attempts(self, attacks: list[Attack]) -> Iterator[Attempt]:
        """Every attack at every eps, the small ones first; what looks for the nearest runs once, at the largest."""
        last, names = len(self.plan.eps) - 1, self.plan.attacks
        nearest = [place for place, name in enumerate(names) if name in NEAREST]
        for place in nearest:
            yield self._attempt(attacks[place], last, place)
        for step in range(len(self.plan.eps)):
            for place in range(len(names)):
                if place not in nearest:
                    yield self._attempt(attacks[place], step, place)

    def _attempt(self, attack: Attack, step: int, place: int) -> Attempt:
        """One attack at one eps, on the examples that nothing fooled within it so far."""
        name, eps = self.plan.attacks[place], self.plan.eps[step]
        rows = (self.right & ~(self.outcome[: step + 1] == FOOLED).flatten(0, 1).any(0)).nonzero()[:, 0]
        if not len(rows):
            return Attempt(name, eps)
        target, started = self._counted(rows), time.monotonic()
        try:
            points = self._call(attack, target, rows, name, eps)
        except UnsupportedError as error:
            return Attempt(name, eps, skipped=f"{name}: {error.message}")
        forward, backward = target.passes.forward, target.passes.backward
        verdict = judge(target, self.x[rows], self.y[rows], self.plan.budget(eps), points)
        self._record(verdict, rows, step, place)
        hits, counts = int(verdict.fooled.sum()), rejections(verdict.reason)
        return Attempt(name, eps, len(rows), hits, counts, forward, backward, time.monotonic() - started)

    def _call(self, attack: Attack, target: Target, rows: Tensor, name: str, eps: Fraction) -> object:
        """What an attack returns for some rows; it is given copies. Raises InputError if it changes the network."""
        draws = Draws.of(self.seed, f"{name} {eps}", self.examples[rows.cpu()])
        before = {key: (value.data_ptr(), value._version) for key, value in target.weights().items()}
        points = attack(target, self.x[rows], self.y[rows], self.plan.budget(eps), self.plan.effort, draws)
        after = {key: (value.data_ptr(), value._version) for key, value in target.weights().items()}
        if before != after:
            changed = ", ".join(key for key in before if before[key] != after.get(key))
            raise InputError(
                f"the attack {name} changed weights of the network: {changed}.",
                hint="Load the network again. An attack may only read it.",
            )
        return points

    def _counted(self, rows: Tensor) -> Target:
        """Some rows, with a count of their own."""
        whole = self.target.select(rows)
        return Target(whole.network, whole.context, whole.place, whole.output)

    def _record(self, verdict: Verdict, rows: Tensor, step: int, place: int) -> None:
        """A fooling point counts for every eps that it fits in."""
        self.outcome[step, place, rows] = outcomes(verdict.fooled, verdict.reason)
        for smaller in range(step):
            within = verdict.fooled & (verdict.size <= self.plan.budget(self.plan.eps[smaller]).radius)
            self.outcome[smaller, place, rows[within]] = FOOLED
            if self.plan.attacks[place] in NEAREST:
                self.outcome[smaller, place, rows[~within]] = FAILED
        better = verdict.fooled & (verdict.size < self.radius[rows])
        for kept, new in (
            (self.radius, verdict.size),
            (self.margin, verdict.margin),
            (self.adversarial, verdict.points),
        ):
            kept[rows[better]] = new[better]

    def result(self, attempts: tuple[Attempt, ...], double: Target | None, flags: tuple[Flag, ...]) -> AttackResult:
        return AttackResult(
            norm=self.plan.norm.name,
            eps=self.plan.eps,
            attacks=self.plan.attacks,
            seed=self.seed,
            examples=self.examples,
            label=self.y,
            prediction=self.prediction,
            right=self.right,
            clean_margin=self.clean_margin,
            outcome=self.outcome,
            radius=self.radius,
            margin=self.margin,
            margin64=self._margin64(double),
            adversarial=self.adversarial,
            attempts=attempts,
            probed=flags,
        )

    def _margin64(self, double: Target | None) -> Tensor:
        """The margins at the fooling points by the network in float64; NaN where there is none."""
        found, rows = torch.full_like(self.radius, torch.nan), self.radius.isfinite().nonzero()[:, 0]
        if double and len(rows):
            try:
                with torch.no_grad():
                    found[rows] = margin(double.select(rows)(self.adversarial[rows].double()), self.y[rows]).double()
            except RuntimeError:  # the network converts to one type within, which float64 does not go with
                return found
        return found


def _require_labels(logits: Tensor, y: Tensor) -> None:
    """One class for each example, or for each position."""
    if y.shape != logits.shape[:-1]:
        raise InputError(
            f"the labels have shape {tuple(y.shape)} and the logits {tuple(logits.shape)}.",
            hint=f"Give labels of shape {tuple(logits.shape[:-1])}; {IGNORED} where a position does not count.",
        )
    counted = y != IGNORED if y.dim() == 2 else torch.ones_like(y, dtype=torch.bool)
    bad = counted & ~((y >= 0) & (y < logits.shape[-1]))
    if bad.any() or not counted.reshape(len(y), -1).any(1).all():
        seen = f"the label {int(y[bad][0])}" if bad.any() else "an example without any label that counts"
        raise InputError(
            f"there is {seen}; the network has classes 0 to {logits.shape[-1] - 1}.",
            hint="Number classes from 0, as the network's outputs are.",
        )
    if not logits.isfinite().all():
        raise InputError("the network returns NaN or infinity for the inputs as they are.", hint="Look at its weights.")
