"""What a TorchScript program may ask of tensors while it runs: their shapes, and nothing of their values."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn
from torch.utils import _pytree as pytree

from lipcert.errors import UnsupportedError

_SHAPES = frozenset({
    "aten::size", "aten::stride", "aten::storage_offset", "aten::dim", "aten::numel", "aten::len",
    "aten::is_contiguous", "aten::is_floating_point", "aten::is_complex", "aten::is_signed", "aten::element_size",
    "aten::get_device", "aten::result_type", "aten::can_cast", "aten::__is__", "aten::__isnot__", "prim::dtype",
    "prim::device",
    "prim::layout", "prim::type", "prim::requires_grad", "aten::requires_grad", "prim::is_cpu", "prim::is_cuda",
    "prim::is_mps", "prim::is_mkldnn", "prim::is_sparse", "prim::is_quantized", "prim::is_nested", "prim::is_meta",
    "prim::isinstance", "prim::If", "prim::Loop", "prim::TupleUnpack", "prim::TupleIndex", "prim::ListUnpack",
    "prim::CallFunction", "prim::CallMethod",
})  # fmt: skip
"""What says of a tensor what is the same whatever its values are; and what passes on what stands beside one."""

_RECORDED = frozenset({
    "aten::Int", "aten::Float", "aten::Bool", "aten::Complex", "aten::item", "aten::ScalarImplicit",
    "aten::IntImplicit", "aten::FloatImplicit", "aten::is_nonzero", "aten::equal", "aten::allclose",
})  # fmt: skip
"""What takes a value out of a tensor by an operation at which recording stops."""


def require_no_reading(script: nn.Module, path: Path, hint: str) -> None:
    """Of every module: a call through an interface is none that torch puts in its place."""
    # Nodes die with their graph.
    graphs = [graph for part in script.modules() if (graph := getattr(part, "inlined_graph", None)) is not None]
    found = {node.kind() for graph in graphs for node in _nodes(graph) if _reads(node)} - _SHAPES - _RECORDED
    if found:
        raise UnsupportedError(
            f"{path} reads values while it runs ({', '.join(sorted(found))}): control flow that depends on data",
            hint=hint,
        )


def _nodes(block: Any) -> Iterator[Any]:
    """All nodes, those of inner blocks too."""
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)


def _reads(node: Any) -> bool:
    """Whether tensors go in, and something else than tensors comes out."""
    given, returned = ([str(each.type()) for each in ends] for ends in (node.inputs(), node.outputs()))
    return any("Tensor" in each for each in given) and any(_PLAIN.search(each) for each in returned)


_PLAIN = re.compile(r"^(?!.*Tensor).*\b(int|float|bool|complex|str|number|Scalar)\b")


def require_no_looking(recorded: fx.GraphModule, path: Path, hint: str) -> None:
    """A program may decide by a size that depends on values, such as how many entries are not zero."""
    tags = {torch.Tag.dynamic_output_shape, torch.Tag.data_dependent_output}
    other = [each for each in pytree.tree_leaves(recorded.graph.output_node().args) if not isinstance(each, fx.Node)]
    if other:
        raise UnsupportedError(f"{path} returns {other[:5]} among its tensors", hint=hint)
    looked = [str(node.target) for node in recorded.graph.nodes if tags & set(getattr(node.target, "tags", ()))]
    if looked:
        raise UnsupportedError(
            f"{path} looks at values while it runs ({', '.join(looked[:5])}): control flow that depends on data",
            hint=hint,
        )
