"""The search for diagonal multipliers: a start from the front, then descent on the bound itself.

Nothing here is trusted: `prove_multipliers` decides.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from flint import arb
from torch import Tensor

from lipcert.rules.regions.form import Blocks, factor, row
from lipcert.rules.regions.increments import LARGE, Increments
from lipcert.rules.regions.multipliers import Multipliers, prove_multipliers

_STEPS = 300
_PATIENCE = 30
_WORTHWHILE = 1e-3
"""The descent ends when so many steps have not lowered log L² by this much."""
_SMALL = 1024


def search_multipliers(work: Increments, seconds: float) -> tuple[Multipliers, arb] | None:
    """A witness, and what `prove_multipliers` makes of it; None where none was found."""
    start = front(work)
    if start is None:
        return None
    with _threads_for(max(work.sizes)):
        values = start if sum(work.sizes) > LARGE else _descend(work, start, seconds)
    return finish_multipliers(work, values)


def finish_multipliers(work: Increments, values: list[Tensor]) -> tuple[Multipliers, arb] | None:
    """The least square that these multipliers prove."""
    for cushion in _cushions(work):
        square = _square(work, values, cushion)
        if square is None:
            continue
        witness = Multipliers(tuple(values), square, cushion)
        bound = prove_multipliers(work, witness)
        if bound is not None:
            return witness, bound
    return None


@contextmanager
def _threads_for(size: int) -> Iterator[None]:
    """One thread for small matrices, whose products end before the threads have met."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if size <= _SMALL else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _cushions(work: Increments) -> Iterator[float]:
    """What rounding costs a block, by its size, and ten, a hundred and a thousand times that."""
    least = 1e-15 * sum(work.sizes) * max(work.sizes)
    yield from (least * 10.0**power for power in range(4))


def front(work: Increments) -> list[Tensor] | None:
    """Scalar multipliers from entry to exit, T_i = 2/|u_i|² for the |u_i| proved so far.

    That maximises the least eigenvalue left for v_i (ECLipsE-Fast: Xu and Sivaranjani 2024).
    """
    done: Blocks = {(0, 0): torch.eye(work.sizes[0], dtype=torch.float64)}
    values = []
    for i, bend in enumerate(work.bends, start=1):
        ahead = factor({**done, **{(i, j): part.matrix for j, part in bend.items()}}, i + 1, first=i, square=False)
        assert ahead is not None  # no diagonal block is factored
        solved = {j: ahead[i, j] for j in range(i) if (i, j) in ahead}
        size = _largest_eigenvalue(list(solved.values()))
        values.append(torch.full((work.sizes[i],), 2.0 / size if size > 0 else 1.0, dtype=torch.float64))
        done |= {(i, j): -values[-1][:, None] / 2 * piece for j, piece in solved.items()}
        rest = torch.diag(values[-1]) - sum(done[i, j] @ done[i, j].T for j in solved)
        done[i, i], info = torch.linalg.cholesky_ex(rest)
        if int(info) != 0:
            return None
    return values


def _largest_eigenvalue(pieces: list[Tensor]) -> float:
    """Of Σ K Kᵀ, by power iteration and a little more."""
    if not pieces:
        return 0.0
    generator = torch.Generator().manual_seed(0)
    vector = torch.randn(pieces[0].shape[0], generator=generator, dtype=torch.float64)
    value = 0.0
    for _ in range(100):
        vector = vector / vector.norm().clamp_min(1e-300)
        vector = sum((k @ (k.T @ vector) for k in pieces), torch.zeros_like(vector))
        previous, value = value, float(vector.norm())
        if value - previous <= 1e-6 * value:
            break
    return value * 1.001


def _square(work: Increments, values: list[Tensor], cushion: float) -> float | None:
    """The least L² for these multipliers, with room for the cushion."""
    gram = _exit_gram(work, values, cushion)
    if gram is None:
        return None
    value = float(torch.linalg.eigvalsh(gram)[-1])
    return value * (1 + 1e-9) / (1 - 2 * cushion) if value > 0 else None


def _exit_gram(work: Increments, values: list[Tensor], cushion: float) -> Tensor | None:
    """K Kᵀ for K = C R⁻ᵀ, C the exit's matrices: |y|² <= |K|² |v_0|². None where it is not finite."""
    last = len(work.sizes)
    blocks: Blocks = {(0, 0): torch.eye(work.sizes[0], dtype=torch.float64)}
    for i, weight in enumerate(values, start=1):
        blocks |= row(i, weight, work.bends[i - 1])
    for i in range(last):
        room = cushion * float(blocks[i, i].detach().diagonal().max())
        blocks[i, i] = blocks[i, i] - room * torch.eye(len(blocks[i, i]), dtype=torch.float64)
    blocks |= {(last, j): part.matrix for j, part in work.exit.items()}
    done = factor(blocks, last + 1, square=False)
    if done is None:
        return None
    pieces = [done[last, j] for j in range(last) if (last, j) in done]
    gram = sum((k @ k.T for k in pieces), torch.zeros((), dtype=torch.float64))
    return gram if bool(torch.isfinite(gram).all()) else None


def _descend(work: Increments, start: list[Tensor], seconds: float) -> list[Tensor]:
    """Adam on the logarithms of the multipliers, back to the best where the form stops being positive."""
    logs = [value.log().requires_grad_() for value in start]
    optimiser = torch.optim.Adam(logs, lr=0.1)
    best, lowest, deadline, mark = start, float("inf"), time.monotonic() + seconds, (0, float("inf"))
    for step in range(_STEPS):
        gram = _exit_gram(work, [log.exp() for log in logs], 1e-9)
        if gram is None:
            _retreat(logs, best, optimiser)
        else:
            height = _height(gram)
            if height.item() < lowest:
                best, lowest = [log.detach().exp() for log in logs], height.item()
            optimiser.zero_grad()
            torch.autograd.backward(height)
            optimiser.step()
        if lowest < mark[1] - _WORTHWHILE:
            mark = (step, lowest)
        if time.monotonic() > deadline or step - mark[0] > _PATIENCE:
            break
    return best


def _height(gram: Tensor) -> Tensor:
    """log of the largest eigenvalue, differentiated through its eigenvector."""
    top = torch.linalg.eigh(gram.detach())[1][:, -1]
    height: Tensor = (top @ gram @ top).log()
    return height


def _retreat(logs: list[Tensor], best: list[Tensor], optimiser: torch.optim.Adam) -> None:
    for log, value in zip(logs, best, strict=True):
        log.data.copy_(value.log())
    for group in optimiser.param_groups:
        group["lr"] /= 2
