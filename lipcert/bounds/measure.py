"""The measured lower bound: the largest |f(x) - f(x')| / |x - x'| that a search by gradients finds.

A measurement, never a proof: it shows how loose a proved bound can be, and catches one that is wrong.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lipcert.bounds.ascent import Ascent, Clock, Sample
from lipcert.bounds.pairs import Points, Problem, Spots
from lipcert.norms.norm import Norm

_ROUNDS_A_SECOND = 20

_FEWEST, _ENTRIES = 2, 2**16
"""Least number of pairs that climb together, most numbers in a batch."""

_MOVES, _FREE = 400, 1.3
"""Pairs are doubled while there is time for so many moves, or where that takes at most so much longer."""

_PULLS = 60
"""How many evaluations of one pair have to fit into the time for a search by gradients."""

_REPORTED = 4
"""How many of the best pairs are evaluated again at the end."""

_ROUNDING = 1e-11
"""Allowed relative error of f in float64: some 1e5 roundings that all fall the same way."""


@dataclass(frozen=True)
class Measured:
    """A two-point ratio of f in float64, lowered by an allowance for rounding.

    ratio: (|f(x) - f(x')| - e)/|x - x'| with e = 1e-11·(|f(x)| + |f(x')| + r(|x| + |x'|)), r the ratio
        before. The allowance is an estimate, as f is a program whose rounding nothing here knows.
    x, x_prime: the two points, in the domain, with a batch axis of 1.
    evaluations: how many points f was evaluated at.
    """

    ratio: float
    x: Tensor
    x_prime: Tensor
    evaluations: int


def measure(
    f: Callable[[Tensor], Tensor],
    example: Tensor,
    norm_in: Norm,
    norm_out: Norm,
    sample: Sample,
    project: Callable[[Tensor], Tensor],
    seconds: float,
    seed: int,
    starts: int = 32,
    progress: Callable[[str], None] = lambda doing: None,
) -> Measured:
    """Search pairs of points of the domain for the largest ratio.

    f: a batch of inputs, float64, to a batch of outputs; differentiable by autograd, each item on its own.
    example: one input with its batch axis, for the shape. sample(count, generator): points of the domain.
    project: maps any batch into the domain, and leaves it there. starts: pairs that climb together.

    Stops after 20 rounds a second of `seconds`, or when the seconds are over (the round in hand is cut
    short). Where time cuts neither rounds nor pairs, the same seed gives the same result on one machine.
    """
    clock = Clock(seconds)
    problem = Problem(f, norm_in, norm_out, project, clock.over)
    generator = torch.Generator().manual_seed(seed)
    first = _pair(problem, sample, generator)
    if clock.share() * _PULLS > 1:
        return _best_pair(problem, sample, generator, first, clock)
    count = _batch(problem, example, starts, seconds)
    ascent = Ascent(problem, sample, torch.Generator().manual_seed(seed), count, clock)
    spots = ascent.first()
    for number in range(math.ceil(_ROUNDS_A_SECOND * seconds)):
        if clock.over():
            break
        progress(f"measured {float(spots.ratio.max()):.6g} after {number} rounds")
        spots = ascent.round(spots)
    return _report(problem, spots)


def _pair(problem: Problem, sample: Sample, generator: torch.Generator) -> Measured:
    """One pair at random, a hundredth as far apart as two samples."""
    points = sample(2, generator)
    x, x_prime = problem.project(points[:1]), problem.project(points[:1] + 0.01 * (points[1:] - points[:1]))
    return Measured(_lowered(problem, x, x_prime), x, x_prime, problem.evaluations)


def _best_pair(problem: Problem, sample: Sample, generator: torch.Generator, best: Measured, clock: Clock) -> Measured:
    """For a function too slow to climb on: the best of the pairs that there is time for."""
    each = clock.share()
    while clock.share() + 1.5 * each < 1:
        best = max(best, _pair(problem, sample, generator), key=lambda found: found.ratio)
    return replace(best, evaluations=problem.evaluations)


def _batch(problem: Problem, example: Tensor, starts: int, seconds: float) -> int:
    """At most `starts` pairs, fewer where memory or time is short: many moves of few beat few of many."""
    point = problem.project(example.detach().to(torch.float64))
    most = max(_FEWEST, min(starts, _ENTRIES // max(example.numel(), 1)))
    problem.pull(point, point)  # set-up that only the first call needs
    count, taken = _FEWEST, _time(problem, point, _FEWEST)
    while count < most:
        larger = min(2 * count, most)
        longer = _time(problem, point, larger)
        if longer > max(seconds / _MOVES, _FREE * taken):
            break
        count, taken = larger, longer
    return count


def _time(problem: Problem, point: Points, count: int) -> float:
    """Seconds for one move of `count` pairs, the better of two."""
    points, taken = point.expand(count, *point.shape[1:]), math.inf
    for _ in range(2):
        began = time.monotonic()
        problem.pull(points, points)
        taken = min(taken, time.monotonic() - began)
    return taken


def _report(problem: Problem, spots: Spots) -> Measured:
    """The largest ratio left after the allowance among the best pairs, each evaluated on its own."""
    best = spots.best(_REPORTED)
    x, x_prime = problem.ends(best.middle, best.direction, best.length)
    ratios = [_lowered(problem, a[None], b[None]) for a, b in zip(x, x_prime, strict=True)]
    row = max(range(len(ratios)), key=ratios.__getitem__)
    return Measured(ratios[row], x[row : row + 1], x_prime[row : row + 1], problem.evaluations)


def _lowered(problem: Problem, x: Points, x_prime: Points) -> float:
    """The ratio less the allowance for rounding; 0 where nothing is left."""
    both, length = torch.cat([x, x_prime]), float(problem.norm_in.of(x_prime - x))
    with torch.no_grad():
        outputs = problem.f(both)
    problem.evaluations += 2
    moved, values = float(problem.norm_out.of(outputs[1:] - outputs[:1])), float(problem.norm_out.of(outputs).sum())
    ratio = moved / length if length > 0 else 0.0
    error = _ROUNDING * (values + ratio * float(problem.norm_in.of(both).sum()))
    lowered = ratio - error / length if length > 0 else 0.0
    return lowered if lowered > 0 else 0.0
