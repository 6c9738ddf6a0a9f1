"""AdamW and Muon behind torch's interface, with the constraint that holds the weights after every step."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, overload

import torch
from jaxtyping import Float
from torch import Tensor

from lipcert.training.constraints import CONSTRAINTS, Known, bring_under, cap_rows
from lipcert.training.newton_schulz import DTYPES, SETS, frobenius, orthogonalise, update_norm
from lipcert.training.sharing import Stack, share
from lipcert.training.updates import LEAST_EPS, adamw, adamw_largest, muon

Group = Mapping[str, Any]

SPECTRAL_DECAY = "spectral_weight_decay"
"""The constraint that decays the largest singular value itself, instead of the whole matrix."""


class ConstrainedOptimizer(torch.optim.Optimizer):
    """One step: W ← (1 - lr·decay)W - lr·update, then the group's constraint, then its cap on rows.

    A group says: params, names, scales (see `groups.Part`), role, method ("muon" or "adamw"), lr, weight_decay,
    momentum and nesterov, betas and eps, polynomials, update_dtype, constraint, w_max and row_cap. lr may change from
    step to step; with Muon it is the RMS→RMS norm of an update. Processes that train together share the work on
    matrices.
    """

    def __init__(self, groups: Iterable[dict[str, Any]]) -> None:
        super().__init__(groups, {})

    @torch.no_grad()
    def start(self) -> None:
        """Before the first step: bring the weights under their caps, from wherever they are."""
        for group in self.param_groups:
            if group["constraint"] != "none" and group["w_max"] is not None:
                for stack in _stacks(group, group["params"], group["params"]):
                    _put(stack.weights, bring_under(_matrices(stack.weights), group["w_max"] / stack.scale))
            _cap_rows(group)

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Move every weight that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if weights:
                self._take(group, weights)
                _cap_rows(group)
        return loss

    def _take(self, group: Group, weights: list[Tensor]) -> None:
        directions = self._directions(group, weights)
        if group["method"] == "adamw" and group["constraint"] == "none":
            _walk(group, weights, directions, group["lr"])
        else:
            share(_stacks(group, weights, directions), lambda stack: _move(group, stack))

    def _directions(self, group: Group, weights: list[Tensor]) -> list[Tensor]:
        """AdamW's update, or what Muon orthogonalises."""
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        if group["method"] == "muon":
            return muon(gradients, self._kept("momentum", weights), group["momentum"], nesterov=group["nesterov"])
        steps = [self._count(weight) for weight in weights]
        moments = self._kept("first", weights), self._kept("second", weights)
        return adamw(gradients, *moments, steps, group["betas"], group["eps"])

    def _kept(self, name: str, weights: list[Tensor]) -> list[Tensor]:
        """A tensor of state for each weight, 0 in the first step."""
        for weight in weights:
            if name not in self.state[weight]:
                self.state[weight][name] = torch.zeros_like(weight)
        return [self.state[weight][name] for weight in weights]

    def _count(self, weight: Tensor) -> int:
        """The number of this step of a weight, from 1."""
        state = self.state[weight]
        state["step"] = state.get("step", 0) + 1
        return int(state["step"])


def update_bound(group: Group, weight: Tensor, scale: float) -> float:
    """What the RMS→RMS norm of an update of this weight is at most, lr left out."""
    if group["method"] == "muon":
        return update_norm(group["polynomials"], group["update_dtype"])
    if group["eps"] < LEAST_EPS:
        return math.inf
    # ‖U‖ ≤ ‖U‖_F ≤ √(mn)·max|U_ij|
    return float(adamw_largest(group["betas"]) * weight.numel() ** 0.5 * scale)


def _walk(group: Group, weights: list[Tensor], directions: Sequence[Tensor], length: float) -> None:
    """W ← (1 - lr·decay)W - length·direction."""
    if group["weight_decay"] and group["constraint"] != SPECTRAL_DECAY:
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"] - _rounding(group, weights[0]))
    torch._foreach_add_(weights, list(directions), alpha=-length)


def _rounding(group: Group, weight: Tensor) -> float:
    """The share of its norm by which a step's rounding may lift a weight that nothing but its decay caps.

    The factor is wrong by 2^-25, and each entry by 2^-24 of itself twice: in norm by 2^-24·‖W‖_F <= 2^-24·√n·‖W‖.
    """
    if group["constraint"] != "weight_decay" or group["w_max"] is None:
        return 0.0
    return float(2.0**-24 * (1 + 2 * min(len(weight), weight.numel() // len(weight)) ** 0.5))


def _stacks(group: Group, weights: Sequence[Tensor], directions: Sequence[Tensor]) -> list[Stack]:
    """Weights of equal shape and scale together, in the order of the group."""
    scales = {id(weight): scale for weight, scale in zip(group["params"], group["scales"], strict=True)}
    stacks: dict[tuple[torch.Size, float], Stack] = {}
    for weight, direction in zip(weights, directions, strict=True):
        scale = scales[id(weight)]
        stack = stacks.setdefault((weight.shape, scale), Stack([], [], scale))
        stack.weights.append(weight)
        stack.directions.append(direction)
    return list(stacks.values())


def _matrices(tensors: Sequence[Tensor]) -> Float[Tensor, "b m n"]:
    """Kernels as (outputs, inputs·taps)."""
    return torch.stack([tensor.flatten(1) for tensor in tensors])


def _move(group: Group, stack: Stack) -> None:
    """The step, then the constraint, which knows how large singular values can be by now."""
    directions, length = stack.directions, group["lr"]
    if group["method"] == "muon":
        updates = orthogonalise(_matrices(directions), SETS[group["polynomials"]], DTYPES[group["update_dtype"]])
        directions = [new.view_as(old) for new, old in zip(updates, stack.weights, strict=True)]
        length /= stack.scale
    _walk(group, stack.weights, directions, length)
    if group["constraint"] != "none":
        _put(stack.weights, CONSTRAINTS[group["constraint"]].apply(_matrices(stack.weights), _known(group, stack)))


def _known(group: Group, stack: Stack) -> Known:
    decay = group["lr"] * group["weight_decay"]
    cap = math.inf if group["w_max"] is None else group["w_max"] / stack.scale
    kept = 1.0 if group["constraint"] == SPECTRAL_DECAY else abs(1 - decay)
    return Known(cap, kept * cap + group["lr"] * _size(group, stack), decay)


def _size(group: Group, stack: Stack) -> float | Float[Tensor, " b"]:
    """What the largest singular value of each update is at most, lr left out."""
    if group["method"] == "muon":
        return update_norm(group["polynomials"], group["update_dtype"]) / stack.scale
    return frobenius(_matrices(stack.directions))


def _put(weights: list[Tensor], matrices: Float[Tensor, "b m n"]) -> None:
    torch._foreach_copy_(weights, [new.view_as(old) for new, old in zip(matrices, weights, strict=True)])


def _cap_rows(group: Group) -> None:
    if group["row_cap"] is not None:
        for weight in group["params"]:
            weight.copy_(cap_rows(weight, group["row_cap"]))
