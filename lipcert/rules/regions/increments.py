"""A region as linear maps between its nonlinearities.

For two inputs of the region let Δ be the difference of a node's values. Every Δ is a sum of
matrices times variables: the entry's Δ, and one variable v = σ ⊙ Δu, 0 <= σ <= 1 entry by entry, for
each nonlinearity with input u. A function with secant slopes in [lo, hi] is lo ⊙ Δu + (hi - lo) ⊙ v.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from flint import arb
from torch import Tensor

from lipcert.norms import ball
from lipcert.rules.interval import constant64
from lipcert.rules.regions.region import Region, bends
from lipcert.rules.table import RULES
from lipcert.rules.types import Node, Reach


@dataclass(frozen=True)
class Part:
    """One matrix of a sum, as columns: a batch of `n_variable` tensors of the node's shape.

    stored: the columns; of a variable that was only scaled so far their diagonal, of the node's shape.
    error: a bound on the Frobenius norm of (true matrix - columns).
    """

    stored: Tensor
    error: arb
    diagonal: bool = False

    @property
    def columns(self) -> Tensor:
        size = self.stored.numel()
        return self.stored.reshape(-1).diag().reshape(size, *self.stored.shape) if self.diagonal else self.stored

    @property
    def matrix(self) -> Tensor:
        """n_node × n_variable."""
        columns = self.columns
        return columns.reshape(len(columns), -1).T


LARGE = 4096

Sum = Mapping[int, Part]
"""Variable number → its matrix."""


@dataclass(frozen=True)
class Increments:
    """Variable 0 is the entry's Δ; variable i >= 1 is σ ⊙ (the sum bends[i - 1]).

    names: the nodes that brought the variables. exit: the Δ of the region's exit.
    """

    sizes: tuple[int, ...]
    names: tuple[str, ...]
    bends: tuple[Sum, ...]
    exit: Sum


def frobenius(x: Tensor) -> arb:
    """An upper bound of the Frobenius norm of a float64 tensor."""
    largest = float(x.abs().max()) if x.numel() else 0.0
    if largest == 0.0:
        return arb(0)
    norm = arb(float(torch.linalg.vector_norm(x / largest)))
    return norm * arb(largest) * (1 + 4 * ball.gamma(x.numel() + 4)) + ball.UNDERFLOW


def variable_sizes(nodes: Mapping[str, Node], region: Region) -> list[int]:
    """The sizes of the variables that `increments` brings in."""
    return [nodes[region.entry].size, *(nodes[name].size for name in region.members if bends(nodes[name]))]


def is_large(nodes: Mapping[str, Node], region: Region) -> bool:
    """Whether a region has too many variables for its multipliers to be optimised.

    Its slopes are then taken from 0 at most: a known slope above 0 lets the input pass beside the variable, which
    joins every variable to every other and pays off with optimised multipliers only.
    """
    return sum(variable_sizes(nodes, region)) > LARGE


def increments(nodes: Mapping[str, Node], region: Region, reaches: Mapping[str, Reach]) -> Increments:
    """Carry the variables' matrices through the region, with the rounding in forming them."""
    work = _Work(nodes, reaches, is_large(nodes, region))
    sums: dict[str, Sum] = {region.entry: work.variable(nodes[region.entry].shape)}
    last_use = {name: place for place, member in enumerate(region.members) for name in nodes[member].inputs}
    for place, name in enumerate(region.members):
        node = nodes[name]
        inputs = [sums[i] for i in node.inputs]
        sums[name] = work.bend(node, inputs) if bends(node) else work.linear(node, inputs)
        for used in {i for i in node.inputs if last_use[i] == place}:
            del sums[used]
    return Increments(tuple(work.sizes), (region.entry, *work.names), tuple(work.bends), sums[region.exit])


class _Work:
    def __init__(self, nodes: Mapping[str, Node], reaches: Mapping[str, Reach], large: bool) -> None:
        self.nodes, self.reaches, self.large = nodes, reaches, large
        self.sizes: list[int] = []
        self.names: list[str] = []
        self.bends: list[Sum] = []

    def variable(self, shape: tuple[int, ...]) -> Sum:
        self.sizes.append(int(np.prod(shape)))
        return {len(self.sizes) - 1: Part(torch.ones(shape, dtype=torch.float64), arb(0), diagonal=True)}

    def linear(self, node: Node, inputs: list[Sum]) -> Sum:
        # fl(LM) errs from LM by at most γ_k |L||M| entry by entry (k products a sum; a computed factor of
        # L errs by `ulps` more), in Frobenius norm γ_k ‖|L|‖₂ |M|_F; an error E in M becomes at most ‖L‖₂|E|_F.
        linear = RULES[node.op].linear
        assert linear is not None
        size = linear.absolute_norm(node)
        rounding = ball.gamma(linear.terms(node) + node.attrs.get("ulps", 0))
        shapes = [self.nodes[name].shape for name in node.inputs]
        result = {}
        for variable in sorted(set().union(*inputs)):
            parts = [parts.get(variable) for parts in inputs]
            carried = _root_of_squares([part.error for part in parts if part])
            formed = _root_of_squares([frobenius(part.stored) for part in parts if part])
            error = size * (carried + rounding * (formed + carried)) + ball.UNDERFLOW
            value = _of_diagonal(node, parts[0])
            if value is None:
                columns = [_columns(p, self.sizes[variable], s) for p, s in zip(parts, shapes, strict=True)]
                value = Part(linear.apply(node, columns, False), error)
            result[variable] = replace(value, error=error)
        return result

    def bend(self, node: Node, inputs: list[Sum]) -> Sum:
        if node.op == "extremum":
            return self._extremum(node, inputs)
        slopes = RULES[node.op].slopes
        assert slopes is not None
        ends = slopes(node, self.reaches[node.inputs[0]])
        lo, hi = (torch.from_numpy(np.broadcast_to(end, node.shape).copy()) for end in ends)
        if self.large:
            lo = lo.clamp_max(0.0)
        lo, hi = _away_from_zero(lo, -1), _away_from_zero(hi, 1)
        # Where the slope is known (an active ReLU) the variable is not used: on 0 it costs the form nothing.
        known = lo == hi
        width = torch.where(known, 0.0, torch.nextafter(hi - lo, torch.tensor(np.inf, dtype=torch.float64)))
        bent = _times(self._unit(node, _times(inputs[0], (~known).to(torch.float64))), width)
        return _add(_times(inputs[0], lo), bent, 1.0, 1.0) if bool((lo != 0).any()) else bent

    def _unit(self, node: Node, parts: Sum) -> Sum:
        """A new variable, with slopes in [0, 1] on `parts`."""
        self.names.append(node.name)
        self.bends.append(parts)
        return self.variable(node.shape)

    def _extremum(self, node: Node, inputs: list[Sum]) -> Sum:
        # max(a, b) = b + relu(a - b) and min(a, b) = b - relu(b - a), and relu has slopes in [0, 1].
        a, b = inputs
        sign = 1.0 if node.attrs["kind"] == "max" else -1.0
        return _add(b, self._unit(node, _add(a, b, sign, -sign)), 1.0, sign)


def _of_diagonal(node: Node, part: Part | None) -> Part | None:
    """A scaling, or a weight on one row, of a variable that was only scaled: the same products without the zeros."""
    if part is None or not part.diagonal or node.op not in ("scale", "linear"):
        return None
    if node.op == "scale":
        return replace(part, stored=part.stored * constant64(node, "factor"))
    if part.stored.numel() != part.stored.shape[-1]:
        return None
    columns = (constant64(node, "weight") * part.stored.reshape(-1)).T
    return Part(columns.reshape(len(columns), *node.shape), part.error)


def _times(parts: Sum, factor: Tensor) -> Sum:
    """diag(factor) times a sum: one rounding an entry."""
    size = arb(float(factor.abs().max()))
    if bool((factor == 1).all()):
        return parts
    result = {}
    for variable, part in parts.items():
        stored = part.stored * factor
        error = size * part.error + ball.gamma(1) * frobenius(stored) + ball.UNDERFLOW
        result[variable] = Part(stored, error, part.diagonal)
    return result


def _columns(part: Part | None, count: int, shape: tuple[int, ...]) -> Tensor:
    if part is not None:
        return part.columns
    return torch.zeros((), dtype=torch.float64).expand(count, *shape)


def _root_of_squares(values: list[arb]) -> arb:
    return sum((value**2 for value in values), arb(0)).sqrt()


def _add(a: Sum, b: Sum, c: float, d: float) -> Sum:
    """c·a + d·b for c, d = ±1: one rounding an entry."""
    result = {}
    for variable in sorted({*a, *b}):
        scaled = [(sign * parts[variable].columns, parts[variable].error)
                  for parts, sign in ((a, c), (b, d)) if variable in parts]  # fmt: skip
        columns = scaled[0][0] + scaled[1][0] if len(scaled) == 2 else scaled[0][0]
        error = sum((e for _, e in scaled), arb(0))
        rounding = frobenius(columns) * ball.gamma(1) if len(scaled) == 2 else arb(0)
        result[variable] = Part(columns, error + rounding)
    return result


def _away_from_zero(slopes: Tensor, direction: int) -> Tensor:
    """Slopes below 1e-100 in size, widened outward, so that no product of them underflows."""
    small = slopes.abs() < 1e-100
    outward = torch.where(slopes * direction > 0, direction * 1e-100, 0.0).to(torch.float64)
    return torch.where(small, outward, slopes)
