"""AdamW and Muon behind torch's interface, with the constraint that holds the weights after every step."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, overload

import torch
from jaxtyping import Float
from torch import Tensor

from lipcert.training.constraints import CONSTRAINTS, Known, bring_under, cap_rows
from lipcert.training.newton_schulz import DTYPES, SETS, frobenius, orthogonalise, update_norm
from lipcert.training.sharing import Stack, move, put
from lipcert.training.updates import adamw, adamw_largest, muon

Group = Mapping[str, Any]


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
                    put(stack.weights, bring_under(_matrices(stack.weights), group["w_max"] / stack.scale))
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
                self._move(group, weights)
                _cap_rows(group)
        return loss

    def _move(self, group: Group, weights: list[Tensor]) -> None:
        directions = self._directions(group, weights)
        if group["method"] == "adamw" and group["constraint"] == "none":
            _walk(weights, directions, group["lr"], group["weight_decay"])
        else:
            move(_stacks(group, weights, directions), lambda stack: _moved(stack, group))

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
    # ‖U‖ ≤ ‖U‖_F ≤ √(mn)·max|U_ij|
    return float(adamw_largest(group["betas"]) * weight.numel() ** 0.5 * scale)


def _walk(weights: list[Tensor], directions: list[Tensor], lr: float, decay: float) -> None:
    if decay:
        torch._foreach_mul_(weights, 1 - lr * decay)
    torch._foreach_add_(weights, directions, alpha=-lr)


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


def _moved(stack: Stack, group: Group) -> Float[Tensor, "b m n"]:
    """New weights: the step, then the constraint, which knows how large singular values can be by now."""
    update, length = _update(stack, group)
    shrink = group["lr"] * group["weight_decay"]
    spectral = group["constraint"] == "spectral_weight_decay"  # shrinks the top singular value only
    weights = _matrices(stack.weights)
    if shrink and not spectral:
        weights.mul_(1 - shrink)
    weights.add_(update, alpha=-group["lr"] / stack.scale if group["method"] == "muon" else -group["lr"])
    if group["constraint"] == "none":
        return weights
    cap = math.inf if group["w_max"] is None else group["w_max"] / stack.scale
    reach = (1 if spectral else 1 - shrink) * cap + group["lr"] * length
    return CONSTRAINTS[group["constraint"]].apply(weights, Known(cap, reach, shrink))


def _update(stack: Stack, group: Group) -> tuple[Float[Tensor, "b m n"], float | Tensor]:
    """What lr multiplies (with Muon, over the scale), and a bound on its largest singular value."""
    directions = _matrices(stack.directions)
    if group["method"] == "adamw":
        return directions, frobenius(directions)
    update = orthogonalise(directions, SETS[group["polynomials"]], DTYPES[group["update_dtype"]])
    return update, update_norm(group["polynomials"], group["update_dtype"]) / stack.scale


def _cap_rows(group: Group) -> None:
    if group["row_cap"] is not None:
        for weight in group["params"]:
            weight.copy_(cap_rows(weight, group["row_cap"]))
