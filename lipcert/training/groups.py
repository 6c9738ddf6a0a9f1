"""Parameters by their role in the network, and what the optimiser is told of each group."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from torch import nn
from torch.nn.modules.conv import _ConvNd

from lipcert.errors import UnsupportedError, UsageError
from lipcert.training.constraints import AIM
from lipcert.training.optimizer import update_bound

if TYPE_CHECKING:
    from lipcert.workspace.recipe import Recipe

Role = Literal["linear", "head", "embedding", "vector"]


class Part(NamedTuple):
    """A parameter. scale: the norm of its layer is at most scale times the largest singular value of its matrix."""

    name: str
    parameter: nn.Parameter
    role: Role
    scale: float


def roles(model: nn.Module) -> list[Part]:
    """Every parameter that is trained, once, in the model's order.

    head: the last linear layer among the direct children of the model. vector: biases and gains.
    Raises UnsupportedError for a matrix of a layer whose norm is not known here.
    """
    linear = [child for child in model.children() if isinstance(child, nn.Linear)]
    head = linear[-1] if linear else None
    found: dict[int, Part] = {}
    for part in _parts(model, head):
        first = found.setdefault(id(part.parameter), part)
        if first.scale < part.scale:  # one kernel in several layers: the cap is to hold for each
            found[id(part.parameter)] = first._replace(scale=part.scale)
    return list(found.values())


def _parts(model: nn.Module, head: nn.Module | None) -> Iterator[Part]:
    for path, module in model.named_modules():
        for own, parameter in module.named_parameters(recurse=False):
            name = f"{path}.{own}".lstrip(".")
            if parameter.requires_grad:
                yield _part(name, parameter, module, is_head=module is head)


def _part(name: str, parameter: nn.Parameter, module: nn.Module, *, is_head: bool) -> Part:
    if parameter.dim() < 2:
        return Part(name, parameter, "vector", 1.0)
    if isinstance(module, nn.Embedding):
        return Part(name, parameter, "embedding", 1.0)
    if isinstance(module, nn.Linear):
        return Part(name, parameter, "head" if is_head else "linear", (module.in_features / module.out_features) ** 0.5)
    if isinstance(module, _ConvNd) and not module.transposed and module.padding_mode == "zeros":
        return Part(name, parameter, "linear", (module.in_channels / module.out_channels * _overlap(module)) ** 0.5)
    raise UnsupportedError(
        f"{name}: the trainer knows no cap for the weight of a {type(module).__name__}.",
        hint="It trains linear layers, convolutions with zero padding, embeddings, biases and gains.",
    )


# A convolution is its kernel, as a matrix (out, in·taps), times the patches of its input. Tap i of the patch at output
# o is the input at o·stride + i·dilation: of each tap, at most one patch holds a given entry, and only if i·dilation
# has that entry's residue modulo the stride, as at most ⌈taps/(stride/gcd(stride, dilation))⌉ taps have. So
# ‖patches‖² ≤ overlap·‖x‖², and the layer's l2 norm is at most σ·√overlap. A layer's RMS is over channels, summed in
# squares over pixels. With groups, each multiplies some rows of the same matrix, whose σ is no larger.
def _overlap(module: _ConvNd) -> int:
    axes = zip(module.kernel_size, module.stride, module.dilation, strict=True)
    return math.prod(math.ceil(taps / (stride // math.gcd(stride, dilation))) for taps, stride, dilation in axes)


def groups(model: nn.Module, recipe: "Recipe") -> list[dict[str, Any]]:
    """What ConstrainedOptimizer takes: a group for each role that the model has."""
    parts = roles(model)
    found = []
    for role in ("linear", "head", "embedding", "vector"):
        mine = [part for part in parts if part.role == role]
        if mine:
            found.append(_group(mine, role, recipe))
    return found


def _group(parts: list[Part], role: Role, recipe: "Recipe") -> dict[str, Any]:
    matrix = role in ("linear", "head")
    cap = recipe.head_w_max if role == "head" and recipe.head_w_max is not None else recipe.w_max
    capped = matrix and recipe.constraint != "none"
    group: dict[str, Any] = {
        "params": [part.parameter for part in parts],
        "names": [part.name for part in parts],
        "scales": [part.scale for part in parts],
        "role": role,
        "method": "muon" if matrix and recipe.optimizer == "muon" else "adamw",
        "lr": recipe.lr,
        "weight_decay": 0.0,
        "momentum": recipe.momentum,
        "nesterov": recipe.nesterov,
        "betas": (recipe.beta1, recipe.beta2),
        "eps": recipe.eps,
        "polynomials": recipe.newton_schulz,
        "update_dtype": recipe.precision,
        "constraint": recipe.constraint if capped else "none",
        "w_max": cap if capped else None,
        "row_cap": recipe.embedding_cap if role == "embedding" else None,
    }
    if not matrix and recipe.embedding_lr is not None:
        group["lr"] = recipe.embedding_lr
    if matrix:
        group["weight_decay"] = _decay(group, recipe.weight_decay)
    return group


_DECAYS = ("weight_decay", "spectral_weight_decay")


def _decay(group: dict[str, Any], asked: float | None) -> float:
    """The decay of a group of matrices; left out, 0, or what holds the cap where the decay is the constraint.

    σ ← (1 - λη)σ + ηu stays at or below u/λ. Raises UsageError where no step could be that strong.
    """
    if asked is not None or group["constraint"] not in _DECAYS or group["w_max"] is None:
        return asked or 0.0
    bounds = (
        update_bound(group, weight, scale) for weight, scale in zip(group["params"], group["scales"], strict=True)
    )
    decay = float(max(bounds) / (group["w_max"] * AIM))
    if not decay * group["lr"] <= 1:
        raise UsageError(
            f"to hold w_max = {group['w_max']:g} by decay alone, weight_decay would have to be {decay:.4g}: with lr = "
            f"{group['lr']:g} a step would turn weights round.",
            hint="Take a smaller lr or another constraint, or give weight_decay and no guarantee.",
        )
    return decay
