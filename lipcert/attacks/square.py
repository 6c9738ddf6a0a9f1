"""Square: random search without gradients. Andriushchenko et al. 2020, algorithms 1 to 3, for linf and l2.

Images (batch, channels, height, width) are changed in square windows; anything else as a vector, in intervals.
"""

import math

import torch
from torch import Tensor

from lipcert.attacks.ball import Ball, wide
from lipcert.attacks.batch import Batch
from lipcert.attacks.budget import Budget, Effort
from lipcert.attacks.draws import Draws
from lipcert.attacks.loss import negative_margin
from lipcert.attacks.target import Target
from lipcert.errors import UnsupportedError

_SHARE = 0.8  # of the entries, that the first windows cover
_HALVED_AT = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)  # of 10000 queries


def square(target: Target, x: Tensor, y: Tensor, budget: Budget, effort: Effort, generator: Draws) -> Tensor:
    """Random windows, kept where they lower the margin; an example leaves as soon as it is fooled.

    effort.queries forward passes at each of effort.restarts starts. Raises UnsupportedError for token norms.
    """
    if budget.norm.by_token or budget.positions is not None:
        raise UnsupportedError(
            f"square changes windows of pixels, and has no form for {budget.norm.name} or for some positions alone.",
            hint="Use it with linf and l2.",
        )
    found, batch = x.clone(), Batch.of(target, x, y, budget, generator)
    for restart in range(effort.restarts):
        batch = batch.unfooled(found) if restart else batch
        batch = _search(batch, found, effort.queries)
    return Ball.of(budget, x).fit(found)


def _search(batch: Batch, found: Tensor, queries: int) -> Batch:
    """One start. Puts the first point that fools each row into `found`, or the best; returns the rows left."""
    flat = batch.ball.budget.norm.inner == "inf"
    z = _stripes(batch) if flat else _tiles(batch)
    losses = z.new_full((len(z),), -math.inf)
    for query in range(queries if len(batch) else 0):
        share = _SHARE / 2 ** sum(query * 10000 > limit * queries for limit in _HALVED_AT)
        proposed = z if not query else _flat_window(batch, z, share) if flat else _round_windows(batch, z, share)
        with torch.no_grad():
            logits = batch.target(proposed)
        asked = negative_margin(logits, batch.y)
        z, losses = torch.where(wide(asked > losses, z), proposed, z), torch.maximum(asked, losses)
        left = batch.leave(found, z, logits)
        if not left.all():
            batch, z, losses = batch.select(left), z[left], losses[left]
        if not len(batch):
            break
    return batch


def _grid(shape: torch.Size) -> tuple[int, int, int]:
    """Channels, height and width; a vector is one row."""
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 else (1, 1, shape.numel())


def _side(share: float, height: int, width: int, least: int = 1) -> tuple[int, int]:
    """Height and width of a window that covers this share: square, or an interval where there is one row."""
    side = max(least, round(share * width if height == 1 else math.sqrt(share * height * width)))
    return min(side, height), min(side, width)


def _corner(batch: Batch, size: tuple[int, int], window: tuple[int, int]) -> list[Tensor]:
    """Where the windows of the rows begin: two of (n, 1)."""
    return [
        batch.draws.below(whole - part + 1, (1,)).to(batch.y.device) for whole, part in zip(size, window, strict=True)
    ]


def _ends(batch: Batch, signs: Tensor) -> Tensor:
    """The upper or the lower end of the linf box, by a sign that is broadcast against (n, channels, height, width)."""
    grid = (len(batch), *_grid(batch.ball.x.shape[1:]))
    up = (signs > 0).to(batch.y.device).expand(grid).reshape(batch.ball.x.shape)
    return torch.where(up, batch.ball.high, batch.ball.low)


def _stripes(batch: Batch) -> Tensor:
    channels, _, width = _grid(batch.ball.x.shape[1:])
    return _ends(batch, batch.draws.signs((channels, 1, width)))


def _flat_window(batch: Batch, z: Tensor, share: float) -> Tensor:
    """z with one window put to the ends of the linf box, a sign a channel."""
    channels, height, width = _grid(z.shape[1:])
    window = _side(share, height, width)
    inside = [
        (place >= corner) & (place < corner + part)
        for place, corner, part in zip(
            (torch.arange(height, device=z.device), torch.arange(width, device=z.device)),
            _corner(batch, (height, width), window),
            window,
            strict=True,
        )
    ]
    mask = (inside[0][:, None, :, None] & inside[1][:, None, None, :]).expand(-1, channels, -1, -1)
    return torch.where(mask.reshape(z.shape), _ends(batch, batch.draws.signs((channels, 1, 1))), z)


def _tiles(batch: Batch) -> Tensor:
    """x and a pattern of five by five bumps of random signs, of norm eps."""
    channels, height, width = _grid(batch.ball.x.shape[1:])
    rows, columns = max(1, height // 5), max(1, width // 5)
    down, across = height // rows, width // columns
    signs = batch.draws.signs((channels, down, across)).repeat_interleave(rows, 2).repeat_interleave(columns, 3)
    bumps = torch.zeros(len(batch), channels, height, width, dtype=torch.float64)
    bumps[..., : down * rows, : across * columns] = signs * _bump(rows, columns).repeat(down, across)
    return _scaled(batch, bumps.to(batch.ball.x))


def _round_windows(batch: Batch, z: Tensor, share: float) -> Tensor:
    """z with the mass of one window moved into another, as a bump; algorithm 3."""
    grid = _grid(z.shape[1:])
    size = _side(share, *grid[1:], least=3)
    move = (z - batch.ball.x).reshape(-1, *grid)
    into, out = (_places(grid, _corner(batch, grid[1:], size), size) for _ in range(2))
    old = move[into]
    emptied = move.clone()
    emptied[into] = 0
    emptied[out] = 0
    freed = _square(move, 2) - _square(emptied, 2)
    spare = (batch.ball.budget.radius**2 - _square(move, 1)).clamp_min(0) / grid[0]
    turned = (batch.draws.uniform((1, 1, 1)) < 0.5).to(z.device)
    bump = torch.where(turned, _bump(size[1], size[0]).T.to(z), _bump(*size).to(z))
    new = bump * batch.draws.signs((grid[0], 1, 1)).to(z) + old / (_square(old, 2).sqrt() + 1e-12)
    emptied[into] = new / (_square(new, 2).sqrt() + 1e-12) * (spare + freed.clamp_min(0)).sqrt()
    return _scaled(batch, emptied)


def _places(grid: tuple[int, int, int], corner: list[Tensor], size: tuple[int, int]) -> tuple[Tensor, ...]:
    """The index of a window in (n, channels, height, width), a window a row."""
    device = corner[0].device
    rows, columns = (start + torch.arange(part, device=device) for start, part in zip(corner, size, strict=True))
    each, channel = torch.arange(len(rows), device=device), torch.arange(grid[0], device=device)
    return each[:, None, None, None], channel[None, :, None, None], rows[:, None, :, None], columns[:, None, None, :]


def _square(move: Tensor, axis: int) -> Tensor:
    """The sum of squares over this axis and those behind it."""
    total: Tensor = move.square().sum(tuple(range(axis, 4)), keepdim=True)
    return total


def _scaled(batch: Batch, move: Tensor) -> Tensor:
    """x and a move that is made eps long, put into the range."""
    ball = batch.ball
    long = move * (ball.budget.radius / (_square(move, 1).sqrt() + 1e-12))
    return ball.project(ball.x + long.reshape(ball.x.shape))


def _bump(height: int, width: int) -> Tensor:
    """(height, width) of l2 norm 1: a hill and, below it, a valley; of one row, side by side."""
    if height == 1:
        return _bump(width, 1).T if width > 1 else torch.ones(1, 1, dtype=torch.float64)
    both = torch.cat([_hill(height // 2, width), -_hill(height - height // 2, width)])
    bump: Tensor = both / torch.linalg.vector_norm(both)
    return bump


def _hill(height: int, width: int) -> Tensor:
    """Squares round the centre, each (1/r²) on the one before: η of section 3.3."""
    rows, columns = ((torch.arange(n) - n // 2).abs() for n in (height, width))
    distance = torch.maximum(rows[:, None], columns)
    rings = 1 / torch.arange(1, max(height, width) // 2 + 2, dtype=torch.float64) ** 2
    tail = rings.flip(0).cumsum(0).flip(0)[distance]
    hill: Tensor = tail / torch.linalg.vector_norm(tail)
    return hill
