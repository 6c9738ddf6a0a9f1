"""Lowering of torch's fused attention."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node as FxNode

from lipcert.graph.lowering.arithmetic import as_node, finite_part
from lipcert.graph.lowering.state import Lowering, argument, broadcast, common_shape
from lipcert.rules.types import Node


def scaled_dot_product(state: Lowering, fx: FxNode, path: str) -> str | None:
    """softmax(scale · q kᵀ + mask) v over the last two axes, heads on the axis before them."""
    mask, scale = argument(fx, 3, "attn_mask"), fx.kwargs.get("scale")
    if argument(fx, 4, "dropout_p", 0.0) != 0:
        return "it is random (dropout in train mode?)"
    if state.depends(mask):
        return "a mask that depends on the input"
    nodes = _operands(state, fx, path)
    group = nodes[0].shape[-3] // nodes[1].shape[-3] if fx.kwargs.get("enable_gqa") else 1
    shape = (*_leads(nodes, group)[0], nodes[0].shape[-2], nodes[1].shape[-2])
    consts = _masks(state.constant(mask), bool(argument(fx, 5, "is_causal", False)), shape)
    if isinstance(consts, str):
        return consts
    wide = [
        broadcast(state, fx, path, node, (*lead, *node.shape[-2:]))
        for node, lead in zip(nodes, _leads(nodes, group), strict=True)
    ]
    factor = 1 / math.sqrt(nodes[0].shape[-1]) if scale is None else float(scale)  # type: ignore[arg-type]
    if not math.isfinite(factor):
        return f"the scale {factor}"
    state.add(fx, path, "attention", wide, attrs={"scale": factor, "group": group}, consts=consts)
    return None


def _operands(state: Lowering, fx: FxNode, path: str) -> list[Node]:
    """q, k and v; one that is constant as a node that takes nothing from another."""
    like = next(state.node(arg) for arg in fx.args[:3] if state.depends(arg))
    return [
        state.node(arg) if state.depends(arg) else as_node(state, fx, path, like, state.constant(arg))
        for arg in fx.args[:3]
    ]


def _leads(nodes: list[Node], group: int) -> list[tuple[int, ...]]:
    """The axes before the last two that each is broadcast to: heads of k and v serve `group` heads of q each."""
    if group == 1:
        return [common_shape(*(node.shape[:-2] for node in nodes))] * 3
    q, k, v = (node.shape[:-2] for node in nodes)
    if not (q[:-1] == k[:-1] and k == v and q[-1] == group * k[-1]):
        raise ValueError(f"heads {q}, {k} and {v}")
    return [q, k, v]


def _masks(mask: Any, causal: bool, shape: tuple[int, ...]) -> dict[str, Tensor] | str:
    """The constants `bias` and `keep` for logits of this shape; a text says why there are none."""
    if causal and mask is not None:
        return "a mask beside is_causal"
    if causal:
        return {"keep": torch.ones(shape[-2:], dtype=torch.bool).tril()}
    if mask is None:
        return {}
    if common_shape(mask.shape, shape) != shape:
        return f"a mask of shape {tuple(mask.shape)} for logits of shape {shape}"
    if mask.dtype == torch.bool:
        return {"keep": mask}
    bias, keep = finite_part(mask.double())
    if not bool(torch.isfinite(bias).all()):
        return "a mask that holds +infinity or NaN"
    consts = {"bias": bias} if bool((bias != 0).any()) else {}
    return consts if keep is None else {**consts, "keep": keep}
