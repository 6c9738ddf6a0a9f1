"""The measured lower bound: the largest |f(x) - f(x')| / |x - x'| that a search by gradients finds.

A measurement, never a proof: it shows how loose a proved bound can be, and catches one that is wrong.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from lipcert.bounds.pairs import Course, Points, Problem, Spots, Values, along, choose, climb, settle, zoom
from lipcert.norms.norm import Norm

Sample = Callable[[int, torch.Generator], Tensor]

_BATCH_ENTRIES = 2**16
_ROUNDS_A_SECOND = 20
_CLIMB_STEPS = 50
_SETTLE_STEPS = 8
_FIRST_BATCHES = 8
_FEWEST = 2
_MOVES = 400
_REPORTED = 4
_MOST_OUTPUTS = 1024
_SHORTEST = 0.01
"""Length of the pairs in the end, as a share of the distance between samples: short enough to lie within one
linear piece, long enough that float64 cancels away 2 of its 16 digits and not more."""

_FRESH, _MIXED = 0.2, 0.5
"""Shares of the children that start anew, and that start between two parents."""

_LONG, _SHORT = (0.0, 0.7), (-2.0, -1.0)
_FAR, _NEAR = (-1.0, 0.0), (-3.0, -2.0)
_NOISE = (-3.0, 0.0)
"""Powers of ten, from which pair lengths, steps and perturbations are drawn, in distances between samples."""

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
    short). Where time does not cut it, the same seed gives the same result on the same machine.
    """
    clock = _Clock(seconds)
    problem = Problem(f, norm_in, norm_out, project, clock.over)
    count = _batch(problem, example, starts, seconds)
    search = _Search(problem, sample, torch.Generator().manual_seed(seed), count, clock)
    spots = search.first()
    for number in range(math.ceil(_ROUNDS_A_SECOND * seconds)):
        if clock.over():
            break
        progress(f"measured {float(spots.ratio.max()):.6g} after {number} rounds")
        spots = spots.joined(search.round(spots)).best(count)
    return _report(problem, spots)


def _batch(problem: Problem, example: Tensor, starts: int, seconds: float) -> int:
    """At most `starts` pairs, fewer where memory or time is short: many moves of few do better than few of many."""
    point = problem.project(example.detach().to(torch.float64))
    most = max(_FEWEST, min(starts, _BATCH_ENTRIES // max(example.numel(), 1)))
    count, moves = _FEWEST, 0.0
    problem.pull(point, point)  # set-up that only the first call needs
    while count < most and moves < seconds / _MOVES:
        points = point.expand(count, *point.shape[1:])
        began = time.monotonic()
        problem.pull(points, points)
        moves = 2 * (time.monotonic() - began)
        count = min(2 * count, most) if moves < seconds / _MOVES else count
    return count


class _Clock:
    def __init__(self, seconds: float) -> None:
        self._seconds, self._started = max(seconds, 1e-9), time.monotonic()

    def share(self) -> float:
        """How much of the time is used up."""
        return (time.monotonic() - self._started) / self._seconds

    def over(self) -> bool:
        return not self.share() < 1


class _Search:
    """A population of short pairs: they are moved, mixed and lengthened, climb again, and the best stay."""

    def __init__(
        self, problem: Problem, sample: Sample, generator: torch.Generator, count: int, clock: _Clock
    ) -> None:
        self._problem, self._sample, self._generator = problem, sample, generator
        self._count, self._clock = count, clock
        points = sample(2 * count, generator)
        self._scale = float(problem.norm_in.of(points[::2] - points[1::2]).median().clamp_min(1e-30))

    def first(self) -> Spots:
        """The largest local gains at random points, in several batches while time lasts."""
        found = self._local(0)
        for batch in range(1, self._batches()):
            if self._clock.share() > 0.2:
                break
            found = found.joined(self._local(batch)).best(self._count)
        return settle(self._problem, found, 2 * _SETTLE_STEPS)

    def round(self, spots: Spots) -> Spots:
        """Children of the population that climbed, zoomed in and settled."""
        climbed = climb(self._problem, self._children(spots), self._course(), self._shares())
        short = zoom(self._problem, climbed, _SHORTEST * self._scale)
        return settle(self._problem, short, _SETTLE_STEPS)

    def _local(self, batch: int) -> Spots:
        """Short pairs at samples, each along the gradient of a random or, in linf, a single output."""
        points = self._sample(self._count, self._generator).requires_grad_()
        values = self._problem.f(points).flatten(1)
        weights = torch.randn(values.shape, generator=self._generator, dtype=values.dtype)
        if self._problem.norm_out.inner == "inf":
            chosen = torch.arange(batch * self._count, (batch + 1) * self._count) % values.shape[1]
            weights = torch.nn.functional.one_hot(chosen, values.shape[1]).to(values.dtype)
        (gradient,) = torch.autograd.grad((values * weights).sum(), points)
        direction = self._problem.turned(self._random(points), gradient)
        length = torch.full((self._count,), _SHORTEST * self._scale, dtype=points.dtype)
        found = self._problem.spots(points.detach(), direction, length)
        if self._problem.norm_out.inner == "inf":
            return found
        return settle(self._problem, found, _SETTLE_STEPS // 2)

    def _batches(self) -> int:
        """Enough to try every output once, where an output's gradient is its own start."""
        if self._problem.norm_out.inner == 2:
            return _FIRST_BATCHES
        with torch.no_grad():
            outputs = self._problem.f(self._sample(1, self._generator)).numel()
        return max(_FIRST_BATCHES, math.ceil(min(outputs, _MOST_OUTPUTS) / self._count))

    def _children(self, spots: Spots) -> Spots:
        """Perturbed parents, points between two parents, and fresh samples."""
        parents, mates = spots.take(self._rows(spots)), spots.take(self._rows(spots))
        weight = self._uniform() * (self._uniform() < _MIXED)
        middle = parents.middle + along(weight, mates.middle) * (mates.middle - parents.middle)
        noise = self._random(middle)
        reach = self._spread(_NOISE) * self._problem.norm_in.of(middle).clamp_min(self._scale) / self._scale
        middle = middle + along(reach / self._problem.norm_in.of(noise), noise) * noise
        fresh = self._uniform() < _FRESH
        middle = choose(fresh, self._sample(self._count, self._generator), middle)
        direction = choose(fresh, self._problem.norm_in.steepest(noise), parents.direction)
        return Spots(middle, direction, parents.length, torch.full_like(parents.ratio, -1.0))

    def _course(self) -> Course:
        lengths = self._spread(_LONG), self._spread(_SHORT)
        return Course(lengths, (self._spread(_FAR), self._spread(_NEAR)))

    def _shares(self) -> Iterator[float]:
        """Even steps, or larger ones where half of the time left would not do for them."""
        opened = self._clock.share()
        for step in range(_CLIMB_STEPS):
            hurried = 2 * (self._clock.share() - opened) / max(1 - opened, 1e-9)
            done = min(max(step / (_CLIMB_STEPS - 1), hurried), 1.0)
            yield done
            if done == 1:
                return

    def _uniform(self) -> Values:
        return torch.rand(self._count, generator=self._generator, dtype=torch.float64)

    def _spread(self, powers: tuple[float, float]) -> Values:
        low, high = powers
        return self._scale * 10 ** (low + (high - low) * self._uniform())

    def _rows(self, spots: Spots) -> Tensor:
        return torch.randint(len(spots.ratio), (self._count,), generator=self._generator)

    def _random(self, like: Points) -> Points:
        return torch.randn(like.shape, generator=self._generator, dtype=like.dtype)


def _report(problem: Problem, spots: Spots) -> Measured:
    """The largest ratio left after the allowance among the best pairs, each evaluated on its own."""
    spots = spots.best(_REPORTED)
    x, x_prime = problem.ends(spots.middle, spots.direction, spots.length)
    ratios = [_lowered(problem, a[None], b[None]) for a, b in zip(x, x_prime, strict=True)]
    best = max(range(len(ratios)), key=ratios.__getitem__)
    return Measured(ratios[best], x[best : best + 1], x_prime[best : best + 1], problem.evaluations)


def _lowered(problem: Problem, x: Points, x_prime: Points) -> float:
    ratio = float(problem.ratio(x, x_prime))
    with torch.no_grad():
        values = problem.norm_out.of(problem.f(torch.cat([x, x_prime])))
    sizes = problem.norm_in.of(torch.cat([x, x_prime]))
    length = float(problem.norm_in.of(x_prime - x))
    error = _ROUNDING * (float(values.sum()) + ratio * float(sizes.sum()))
    lowered = ratio - error / length if length > 0 else 0.0
    return lowered if lowered > 0 else 0.0
