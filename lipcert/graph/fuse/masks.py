"""Infinite masks: -infinity in what a softmax takes becomes a constant of that softmax, and nothing else may take it.

So no value of a graph is infinite, and no rule has to know of masks but those of softmax and attention.
"""

from dataclasses import replace

import torch
from torch import Tensor

from lipcert.errors import UnsupportedError
from lipcert.graph.fuse.entries import Nodes, narrowed
from lipcert.rules.types import Node


def absorb_masks(nodes: Nodes, output: str) -> dict[str, Node]:
    """The nodes without `mask` nodes: each softmax has the mask of what it takes as its constant `keep`.

    What a masked entry is before the softmax then does not matter: on the way to it stand only operations that map
    -infinity to -infinity. Raises UnsupportedError where anything else takes a mask.
    """
    kept: dict[str, Tensor] = {}
    stands_for: dict[str, str] = {}
    done = {}
    for node in nodes.values():
        inputs = tuple(stands_for.get(name, name) for name in node.inputs)
        mask = _mask(nodes, node, kept)
        if node.op == "mask":
            stands_for[node.name] = inputs[0]
        elif node.op == "softmax" and mask is not None:
            done[node.name] = replace(node, inputs=inputs, consts={**node.consts, "keep": narrowed(mask)})
            continue
        else:
            done[node.name] = replace(node, inputs=inputs)
        if mask is not None:
            kept[node.name] = mask
    if output in kept:
        raise _no_softmax(nodes[output])
    return done


def _mask(nodes: Nodes, node: Node, kept: dict[str, Tensor]) -> Tensor | None:
    """Where a node's value (for a softmax: its input's) is finite, in its shape; None where that is everywhere."""
    before = [kept.get(name, torch.ones(nodes[name].shape, dtype=torch.bool)) for name in node.inputs]
    if node.op == "mask":
        return before[0] & node.consts["keep"]
    if not any(name in kept for name in node.inputs):
        return None
    if node.op == "softmax" or (node.op == "scale" and bool((node.consts["factor"] > 0).all())):
        return before[0]
    if node.op == "sum" and all(c > 0 for c in node.attrs["coefficients"]):
        return torch.stack(before).all(0)
    if node.op == "reshape":
        return before[0].reshape(node.shape)
    if node.op == "gather":
        index = node.consts["index"]
        return torch.cat([part.reshape(-1) for part in before])[index.clamp_min(0)] | (index < 0)
    raise _no_softmax(node)


def require_open_rows(nodes: Nodes) -> None:
    """Every softmax needs an entry that is not masked: of none, it is NaN, and 0 in some fused kernels."""
    for node in nodes.values():
        axis = -1 if node.op == "attention" else node.attrs.get("axis")
        if "keep" in node.consts and not bool(node.consts["keep"].any(axis).all()):
            raise UnsupportedError(
                f"{node.target} at {node.path or '(top level)'}: a row of its softmax is masked everywhere.",
                hint="Such a row is NaN, or 0, depending on the kernel: leave one key open in every row.",
            )


def _no_softmax(node: Node) -> UnsupportedError:
    return UnsupportedError(
        f"{node.target} at {node.path or '(top level)'}: an infinite mask that no softmax takes.",
        hint="-infinity may reach a softmax through sums, scalings by positive constants and moves of entries only.",
    )
