"""A population of short pairs that climbs: the search behind the measured lower bound.

Every round, children of the best pairs are perturbed, mixed and lengthened, climb while they shorten, and the
best of old and new stay. Lengths, steps and perturbations are drawn over decades, as no single scale suits
all networks.
"""

import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from lipcert.bounds.pairs import Course, Points, Problem, Spots, Values, along, choose, climb, gradient, settle, zoom

Sample = Callable[[int, torch.Generator], Tensor]

CLIMB_STEPS = 50
SETTLE_STEPS = 6

FIRST_BATCHES, FIRST_SHARE, MOST_ROWS = 4, 0.3, 1024
"""How many batches of samples the first population is chosen from (in linf: how many outputs are tried one by
one), and in what share of the time."""

FIRST_WIDTH, FIRST_ENTRIES = 8, 2**16
"""How much larger such a batch is than the population, and how many numbers it may hold."""

SHORTEST = 0.003
"""Length of the pairs in the end: short enough to lie within one linear piece, long enough that float64
cancels away about three of its sixteen digits. This and what follows: in distances between samples."""

LONG, SHORT, FAR, NEAR, NOISE = (0.0, 0.7), (-2.0, -1.0), (-1.0, 0.0), (-3.0, -2.0), (-3.0, 0.0)
"""Powers of ten between which are drawn: the first and last length of a climb, its first and last step, and
the perturbation of a child."""

FINE, FINER = 0.4, (-2.0, 0.0)
"""The share of climbs whose lengths and steps are all multiplied by a factor drawn between such powers."""

FRESH, MIXED = 0.2, 0.5
"""Shares of the children that start anew, and that start between two parents."""


class Clock:
    """The time that a search may take."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._started = max(seconds, 1e-9), time.monotonic()

    def share(self) -> float:
        """How much of the time is used up."""
        return (time.monotonic() - self._started) / self._seconds

    def over(self) -> bool:
        return not self.share() < 1


class Ascent:
    """sample: points of the domain. count: pairs that climb together."""

    def __init__(self, problem: Problem, sample: Sample, generator: torch.Generator, count: int, clock: Clock) -> None:
        self._problem, self._sample, self._generator = problem, sample, generator
        self._count, self._clock = count, clock
        points = sample(2 * count, generator)
        self._scale = float(problem.norm_in.of(points[::2] - points[1::2]).median().clamp_min(1e-30))
        self._width = max(count, min(FIRST_WIDTH * count, FIRST_ENTRIES // max(points[0].numel(), 1)))

    def first(self) -> Spots:
        """The largest local gains at samples, as far as time allows."""
        found = self._rows() if self._problem.norm_out.inner == "inf" else self._gains()
        return settle(self._problem, found, 2 * SETTLE_STEPS)

    def round(self, spots: Spots) -> Spots:
        """The best of the population and of its children that climbed, zoomed in and settled."""
        climbed = climb(self._problem, self._children(spots), self._course(), self._shares())
        short = zoom(self._problem, climbed, SHORTEST * self._scale)
        return spots.joined(settle(self._problem, short, SETTLE_STEPS)).best(self._count)

    def _gains(self) -> Spots:
        """A few power steps at samples."""
        found = self._gain()
        for _ in range(1, FIRST_BATCHES):
            if self._clock.share() > FIRST_SHARE:
                break
            found = found.joined(self._gain()).best(self._count)
        return found.best(self._count)

    def _gain(self) -> Spots:
        points = self._sample(self._width, self._generator)
        start = self._problem.spots(points, self._random_direction(points), self._short(points))
        return settle(self._problem, start, SETTLE_STEPS)

    def _rows(self) -> Spots:
        """Each output has its own steepest direction: all are tried once, to first order, the best measured."""
        found, outputs = self._row_batch(0)
        for row in range(self._width, min(outputs, MOST_ROWS), self._width):
            if self._clock.share() > FIRST_SHARE:
                break
            found = found.joined(self._row_batch(row)[0]).best(self._count)
        found = found.best(self._count)
        return self._problem.spots(found.middle, found.direction, found.length)

    def _row_batch(self, row: int) -> tuple[Spots, int]:
        """Slopes of the outputs from `row` on, each at its own sample, and how many outputs there are."""
        points = self._sample(self._width, self._generator).detach().requires_grad_()
        values = self._problem.f(points).flatten(1)
        outputs = (row + torch.arange(len(points))) % values.shape[1]
        uphill = gradient(values.gather(1, outputs[:, None])[:, 0], points)
        direction = self._problem.turned(self._random_direction(points), uphill)
        slope = (uphill * direction).flatten(1).sum(dim=1)
        return Spots(points.detach(), direction, self._short(points), slope), values.shape[1]

    def _children(self, spots: Spots) -> Spots:
        """Perturbed parents, points between two parents, and fresh samples."""
        parents, mates = spots.take(self._rows_of(spots)), spots.take(self._rows_of(spots))
        weight = self._uniform() * (self._uniform() < MIXED)
        middle = parents.middle + along(weight, mates.middle) * (mates.middle - parents.middle)
        reach = self._spread(NOISE) * self._problem.norm_in.of(middle).clamp_min(self._scale)
        noise = self._random(middle)
        middle = middle + along(reach / self._problem.norm_in.of(noise), noise) * noise
        fresh = self._uniform() < FRESH
        middle = choose(fresh, self._sample(self._count, self._generator), middle)
        direction = choose(fresh, self._random_direction(middle), parents.direction)
        return Spots(middle, direction, parents.length, torch.full_like(parents.ratio, -1.0))

    def _course(self) -> Course:
        fine = self._scale * torch.where(self._uniform() < FINE, self._spread(FINER), 1.0)
        long, short, far, near = (fine * self._spread(powers) for powers in (LONG, SHORT, FAR, NEAR))
        return Course((long, short), (far, near))

    def _shares(self) -> Iterator[float]:
        """Even steps, or larger ones where half of the time left would not do for them."""
        opened = self._clock.share()
        for step in range(CLIMB_STEPS):
            hurried = 2 * (self._clock.share() - opened) / max(1 - opened, 1e-9)
            done = min(max(step / (CLIMB_STEPS - 1), hurried), 1.0)
            yield done
            if done == 1:
                return

    def _short(self, points: Points) -> Values:
        return torch.full((len(points),), SHORTEST * self._scale, dtype=torch.float64)

    def _uniform(self) -> Values:
        return torch.rand(self._count, generator=self._generator, dtype=torch.float64)

    def _spread(self, powers: tuple[float, float]) -> Values:
        """Factors drawn evenly in their logarithm."""
        low, high = powers
        return 10 ** (low + (high - low) * self._uniform())

    def _rows_of(self, spots: Spots) -> Tensor:
        return torch.randint(len(spots.ratio), (self._count,), generator=self._generator)

    def _random(self, like: Points) -> Points:
        return torch.randn(like.shape, generator=self._generator, dtype=like.dtype)

    def _random_direction(self, like: Points) -> Points:
        return self._problem.norm_in.steepest(self._random(like))
