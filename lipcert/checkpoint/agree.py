"""Guard for formats that are rewritten: the module must compute what the format's own library computes."""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from lipcert.checkpoint.tree import leading
from lipcert.errors import UnsupportedError

Inputs = tuple[Tensor, ...]
Reference = Callable[[Inputs], Sequence[Tensor]]

_UNITS = 64
"""So many units in the last place of the largest output may differ: sums are added up in another order."""

_LIMITS = {True: 1e-3, False: 1e-1}
"""And never more than this part of the largest output, if all floats have 32 bits or more, and if some have 16."""


def require_same(module: nn.Module, reference: Reference, probes: Sequence[Inputs], whose: str, hint: str) -> None:
    """Compares all outputs on all probes, up to the rounding of the coarsest float type.

    What rounding does is read off the module itself: networks that blow rounding up may differ by as many times what
    float64 changes of their own outputs. whose: what the reference is called. Raises UnsupportedError with the hint.
    """
    pairs = [_both(module, reference, probe, whose) for probe in probes]
    wide = _in_float64(module, probes)
    for place in range(len(pairs[0][0])):
        ours, theirs = ([run[side][place] for run in pairs] for side in (0, 1))
        exact = ours if wide is None else [run[place] for run in wide]
        wrong = _difference(ours, [leading(y) for y in theirs], exact, _coarsest(module, probes[0]))
        if wrong:
            raise UnsupportedError(
                f"output {place + 1} of the network is not what {whose} computes: {wrong}. Nothing is claimed of it.",
                hint=hint,
            )


def _both(module: nn.Module, reference: Reference, probe: Inputs, whose: str) -> tuple[list[Tensor], list[Tensor]]:
    try:
        return outputs(module, probe), list(reference(probe))
    except Exception as error:  # whatever an operation raises that takes no such values
        line = (str(error).strip().splitlines() or [""])[0][:200]
        raise UnsupportedError(
            f"the network cannot be compared with {whose} on random inputs: {type(error).__name__}: {line}",
            hint="An input that is looked up in a table must be of integers: then it is one of token ids.",
        ) from error


def outputs(module: nn.Module, inputs: Inputs) -> list[Tensor]:
    """What a module returns, flat."""
    with torch.no_grad():
        return [leaf for leaf in pytree.tree_leaves(module(*inputs)) if isinstance(leaf, Tensor)]


def _difference(ours: list[Tensor], theirs: list[Tensor], exact: list[Tensor], coarsest: torch.dtype) -> str:
    """In words; "" where there is none beyond rounding."""
    allowed, found, size, compared = 0.0, 0.0, 0.0, False
    for a, b, c in zip(ours, theirs, exact, strict=True):
        if a.shape != b.shape:
            return f"{tuple(a.shape)} and {tuple(b.shape)} are its shapes"
        a, b, c = a.double(), b.double(), c.double()
        finite = torch.isfinite(a) & torch.isfinite(b) & torch.isfinite(c)
        if not bool((finite | (a == b) | (a.isnan() & b.isnan())).all()):
            return "they differ in what is infinite or no number"
        compared |= bool(finite.any()) or not a.numel()
        if not a.numel():
            continue
        off, rounding, large = (float(torch.where(finite, part.abs(), 0.0).max()) for part in (a - b, a - c, b))
        found, allowed, size = max(found, off), max(allowed, rounding), max(size, large)
    if not compared:
        return "it is infinite or no number on every input that was tried, so nothing could be compared"
    info = torch.finfo(coarsest)
    limit = min(_UNITS * (info.eps * size + allowed), _LIMITS[info.bits >= 32] * (1 + size))
    return "" if found <= limit else f"they differ by {found:.3g}, and rounding explains {limit:.3g} of {size:.3g}"


def _coarsest(module: nn.Module, inputs: Inputs) -> torch.dtype:
    tensors = (*module.parameters(), *module.buffers(), *inputs)
    floats = {x.dtype for x in tensors if x.is_floating_point()} or {torch.float32}
    return max(floats, key=lambda dtype: torch.finfo(dtype).eps)


def _in_float64(module: nn.Module, probes: Sequence[Inputs]) -> list[list[Tensor]] | None:
    """The outputs once every float is a float64; None where an operation insists on its types."""
    double = copy.deepcopy(module).double()
    try:
        return [outputs(double, tuple(x.double() if x.is_floating_point() else x for x in probe)) for probe in probes]
    except Exception:  # noqa: BLE001 - any operation at all can stand here
        return None


def random_like(x: Tensor, seed: int) -> Tensor:
    """Normal numbers of the shape and type of a float tensor; other tensors as they are."""
    if not x.is_floating_point():
        return x
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x.dtype)
