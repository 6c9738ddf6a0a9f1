"""Pairs of points that a function pulls far apart: the moves of the search for a lower bound.

A pair is kept as midpoint, direction (of norm 1) and length. One backward pass through |f(x') - f(x)| gives
both gradients; their difference is the next direction of a power iteration on the mean Jacobian, their sum
moves the midpoint. Only first derivatives in reverse mode are needed, and long pairs see beyond the kinks of
a piecewise linear f, where the Jacobian's own gradient is 0.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lipcert.norms.norm import Norm

Points = Float[Tensor, "batch *shape"]
Values = Float[Tensor, " batch"]
Function = Callable[[Tensor], Tensor]

_MOMENTUM = 0.8
_TWO_STEP = 0.24


def along(values: Tensor, points: Tensor) -> Tensor:
    """One value an item, shaped to multiply `points`."""
    return values.reshape(-1, *[1] * (points.dim() - 1))


def choose(where: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """Item by item `yes` where true, else `no`."""
    return torch.where(along(where, yes), yes, no)


def gradient(values: Float[Tensor, " values"], points: Points) -> Points:
    """Of the sum of the values, each of which depends on points of its own; 0 where it is no number."""
    if not values.requires_grad:
        return torch.zeros_like(points)
    found: tuple[Tensor | None, ...] = torch.autograd.grad(values.sum(), points, allow_unused=True)
    return torch.zeros_like(points) if found[0] is None else found[0].nan_to_num(0.0, 0.0, 0.0)


@dataclass
class Spots:
    """A batch of short pairs: `ratio` was measured over `length` along `direction` round `middle`."""

    middle: Points
    direction: Points
    length: Values
    ratio: Values

    def best(self, count: int) -> "Spots":
        """The `count` largest ratios, largest first."""
        order = self.ratio.argsort(descending=True, stable=True)[:count]
        return self.take(order)

    def take(self, rows: Tensor) -> "Spots":
        return Spots(self.middle[rows], self.direction[rows], self.length[rows], self.ratio[rows])

    def joined(self, other: "Spots") -> "Spots":
        return Spots(
            torch.cat([self.middle, other.middle]),
            torch.cat([self.direction, other.direction]),
            torch.cat([self.length, other.length]),
            torch.cat([self.ratio, other.ratio]),
        )


@dataclass
class Problem:
    """The function, the norms, the map into the domain; `over` says when to stop.

    evaluations: at how many points f was evaluated so far.
    """

    f: Function
    norm_in: Norm
    norm_out: Norm
    project: Function
    over: Callable[[], bool] = lambda: False
    evaluations: int = 0

    def spots(self, middle: Points, direction: Points, length: Values) -> Spots:
        """Pairs, measured."""
        return self.between(*self.ends(middle, direction, length))

    def between(self, x: Points, x_prime: Points, ratio: Values | None = None) -> Spots:
        """The pairs x, x', measured unless their ratio is known."""
        length = self.norm_in.of(x_prime - x)
        direction = (x_prime - x) / along(length.clamp_min(torch.finfo(x.dtype).tiny), x)
        measured = self.ratio(x, x_prime) if ratio is None else ratio
        return Spots((x + x_prime) / 2, direction, length, measured)

    def ends(self, middle: Points, direction: Points, length: Values) -> tuple[Points, Points]:
        half = along(length / 2, middle) * direction
        return self.project(middle - half), self.project(middle + half)

    def ratio(self, x: Points, x_prime: Points) -> Values:
        """|f(x') - f(x)| / |x' - x|; -1 where that is no number."""
        with torch.no_grad():
            return self._over(self._moved(x, x_prime), x, x_prime)

    def pull(self, x: Points, x_prime: Points) -> tuple[Values, Points, Points]:
        """The ratio, and the gradients of |f(x') - f(x)| at x and at x'."""
        both = torch.cat([x, x_prime]).requires_grad_()
        moved = self._moved(*torch.split(both, len(x)))
        at_x, at_prime = torch.split(gradient(moved, both), len(x))
        return self._over(moved.detach(), x, x_prime), at_x, at_prime

    def _moved(self, x: Points, x_prime: Points) -> Values:
        self.evaluations += 2 * len(x)
        at_x, at_prime = torch.split(self.f(torch.cat([x, x_prime])), len(x))
        return self.norm_out.of(at_prime - at_x)

    def _over(self, moved: Values, x: Points, x_prime: Points) -> Values:
        ratio = moved / self.norm_in.of(x_prime - x)
        return torch.where(ratio.isfinite(), ratio, -1.0)

    def turned(self, direction: Points, uphill: Points) -> Points:
        """The steepest direction; the old one where `uphill` is 0."""
        return choose(uphill.flatten(1).any(dim=1), self.norm_in.steepest(uphill), direction)


@dataclass(frozen=True)
class Course:
    """Lengths and steps of a climb, from the first to the last of each in equal ratios; a value an item."""

    lengths: tuple[Values, Values]
    steps: tuple[Values, Values]

    def at(self, done: float) -> tuple[Values, Values]:
        """Length and step when a share `done` of the climb is over."""
        (long, short), (far, near) = self.lengths, self.steps
        return long ** (1 - done) * short**done, far ** (1 - done) * near**done


def climb(problem: Problem, start: Spots, course: Course, shares: Iterable[float]) -> Spots:
    """Turn and move pairs that shorten on the way: a smooth problem first, the real one at the end.

    shares: how much of the climb is over at each step, in [0, 1].
    """
    middle, direction = start.middle, start.direction
    velocity = torch.zeros_like(middle)
    length = course.lengths[1]
    for done in shares:
        length, step = course.at(done)
        x, x_prime = problem.ends(middle, direction, length)
        _, at_x, at_prime = problem.pull(x, x_prime)
        direction = problem.turned(direction, at_prime - at_x)
        uphill = at_x + at_prime
        size = uphill.flatten(1).norm(dim=1).clamp_min(torch.finfo(uphill.dtype).tiny)
        velocity = _MOMENTUM * velocity + uphill / along(size, uphill)
        middle = (x + x_prime) / 2 + along(step, middle) * problem.norm_in.steepest(velocity)
    return problem.spots(middle, direction, length)


def zoom(problem: Problem, spots: Spots, shortest: float) -> Spots:
    """Keep the better half of every pair until it is short enough; the ratio cannot fall by that.

    |f(x') - f(x)| <= |f(x') - f(m)| + |f(m) - f(x)| with m in the middle, so one half has as large a ratio.
    """
    x, x_prime = problem.ends(spots.middle, spots.direction, spots.length)
    ratio = problem.ratio(x, x_prime)
    while (problem.norm_in.of(x_prime - x) > shortest).any() and not problem.over():
        middle = (x + x_prime) / 2
        low, high = problem.ratio(x, middle), problem.ratio(middle, x_prime)
        x, x_prime = choose(low >= high, x, middle), choose(low >= high, middle, x_prime)
        ratio = torch.maximum(low, high)
        x, x_prime, ratio = _turn(problem, x, x_prime, ratio)
    return problem.between(x, x_prime, ratio)


def _turn(problem: Problem, x: Points, x_prime: Points, ratio: Values) -> tuple[Points, Points, Values]:
    """One power step round the same middle, kept where it raises the ratio."""
    old = problem.between(x, x_prime, ratio)
    _, at_x, at_prime = problem.pull(x, x_prime)
    y, y_prime = problem.ends(old.middle, problem.turned(old.direction, at_prime - at_x), old.length)
    found = problem.ratio(y, y_prime)
    better = found > ratio
    return choose(better, y, x), choose(better, y_prime, x_prime), torch.maximum(found, ratio)


def settle(problem: Problem, spots: Spots, steps: int) -> Spots:
    """Power iteration round fixed middles; in l2 with the two-term recurrence v'' = Av' - βv.

    β just below ¼ (A scaled to norm 1) separates close singular values about as fast as Lanczos does
    (De Sa and others 2018).
    """
    direction, before = spots.direction, torch.zeros_like(spots.direction)
    stretch = torch.ones_like(spots.ratio)
    best = spots
    for _ in range(steps):
        if problem.over():
            break
        x, x_prime = problem.ends(spots.middle, direction, spots.length)
        ratio, at_x, at_prime = problem.pull(x, x_prime)
        best = _better(best, problem.between(x, x_prime, ratio))
        force = (at_prime - at_x) / 2
        if problem.norm_in.inner == 2:
            force = force / along(ratio.clamp_min(torch.finfo(ratio.dtype).tiny), force)
            force = force - _TWO_STEP * before / along(stretch, before)
            stretch = problem.norm_in.of(force).clamp_min(_TWO_STEP)
        before, direction = direction, problem.turned(direction, force)
    return best


def _better(old: Spots, new: Spots) -> Spots:
    won = new.ratio > old.ratio
    return Spots(
        choose(won, new.middle, old.middle),
        choose(won, new.direction, old.direction),
        torch.where(won, new.length, old.length),
        torch.where(won, new.ratio, old.ratio),
    )
