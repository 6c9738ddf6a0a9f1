"""A file for --arch that takes the weights: the layers that names and shapes suggest, and what is left to fill in."""

from collections.abc import Sequence
from json import dumps as quoted  # names come from the file: as text of JSON they are text of Python, and nothing else
from typing import Any

from torch import Tensor

from lipcert.checkpoint.contents.chain import Chain, Piece, chain
from lipcert.checkpoint.contents.layers import Layer

_INDENT = "    "

_CHAIN = '''"""A guess at the network from the names and shapes of its weights: a bound is about the network below.

Compare every line marked `guess` with the code that trained it: the file shows no activation, stride or padding.
"""

{imports}import torch
from torch import nn


def net():
    module = {module}
    return module, torch.rand(1, {shape})  # the shape of one input: {known}
'''

_PARTS = '''"""The parts of a network from the names and shapes of its weights; what joins them is not in the file.

Write forward as in the code that trained it, and correct the parts that are marked `guess`.
"""

import torch
from torch import nn


def part(children, module=None):
    """A module that holds these layers and weights by their names."""
    module = nn.Module() if module is None else module
    for name, child in children.items():
        if isinstance(child, torch.Tensor) and not isinstance(child, nn.Parameter):
            module.register_buffer(name, child)
        else:
            setattr(module, name, child)
    return module


def weight(*shape):
    return nn.Parameter(torch.empty(shape))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        part({parts}, self)

    def forward(self, x):
        raise NotImplementedError("say here how the parts are joined")


def net():
    return Net(), {example}  # an input with a batch of one
'''


def stub(layers: Sequence[Layer]) -> str:
    """The file; "" where there are no layers. It defines `net`."""
    if not layers:
        return ""
    found = chain(layers)
    return _sequential(found) if found else _parts(layers)


def _sequential(found: Chain) -> str:
    module = _nested([(piece.path.split("."), piece) for piece in found.pieces], 1)
    return _CHAIN.format(
        imports="from collections import OrderedDict\n\n" if "OrderedDict" in module else "",
        module=module, shape=", ".join(map(str, found.shape)),
        known="its size is a guess" if len(found.shape) > 1 else "as the first layer takes it",
    )  # fmt: skip


def _nested(pieces: list[tuple[list[str], Piece]], depth: int) -> str:
    """nn.Sequential of pieces, those with a common first name in one of their own."""
    groups: dict[str, list[tuple[list[str], Piece]]] = {}
    for names, piece in pieces:
        groups.setdefault(names[0], []).append((names[1:], piece))
    counted = list(groups) == [str(number) for number in range(len(groups))]
    inner = depth + 1 if counted else depth + 2
    lines = [(name, *_one(group, inner)) for name, group in groups.items()]
    pad, end = _INDENT * inner, _INDENT * depth
    if counted:
        return "nn.Sequential(\n" + "".join(f"{pad}{code},{note}\n" for _, code, note in lines) + f"{end})"
    shown = "".join(f"{pad}{quoted(name)}: {code},{note}\n" for name, code, note in lines)
    return f"nn.Sequential(\n{end}{_INDENT}OrderedDict({{\n{shown}{end}{_INDENT}}})\n{end})"


def _one(group: list[tuple[list[str], Piece]], depth: int) -> tuple[str, str]:
    names, piece = group[0]
    if names:
        return _nested(group, depth), ""
    what = "  # guess" if piece.guessed else ""
    return piece.code, f"{what}: stride and padding" if piece.guessed and "Conv" in piece.code else what


def _parts(layers: Sequence[Layer]) -> str:
    tree: dict[str, Any] = {}
    for layer in layers:
        _hang(tree, layer)
    first = layers[0]
    ids = first.code.startswith("nn.Embedding")
    example = "torch.zeros(1, 16, dtype=torch.int64)" if ids else f"torch.rand(1, {first.takes or 16})"
    return _PARTS.replace("{parts}", _children(tree, 2)).replace("{example}", example)


def _hang(tree: dict[str, Any], layer: Layer) -> None:
    names = layer.path.split(".") if layer.path else []
    for name in names[:-1] if layer.code else names:
        tree = tree.setdefault(name, {}) if not isinstance(tree.get(name), str) else {}
    if layer.code:
        note = "  # guess" if "PADDING" in layer.code else ""
        tree[names[-1]] = layer.code.replace("padding=PADDING", f"padding={max(layer.kernel, default=0) // 2}") + note
        return
    for leaf, tensor in layer.tensors.items():
        tree[leaf] = _tensor(tensor)


def _tensor(tensor: Tensor) -> str:
    sizes = ", ".join(map(str, tensor.shape))
    if tensor.is_floating_point():
        return f"weight({sizes})"
    return f"torch.zeros(({sizes}{',' if tensor.dim() == 1 else ''}), dtype={tensor.dtype})"


def _children(tree: dict[str, Any], depth: int) -> str:
    """The tree as code; blocks that are alike are made in a loop."""
    pad = _INDENT * (depth + 1)
    lines = "".join(f"{pad}{quoted(name)}: {_with_comma(_child(child, depth + 1))}\n" for name, child in tree.items())
    return "{\n" + lines + _INDENT * depth + "}"


def _child(child: Any, depth: int) -> str:
    if isinstance(child, str):
        return child
    items = list(child.values())
    alike = len(items) > 1 and list(child) == [str(i) for i in range(len(items))] and all(x == items[0] for x in items)
    if alike and isinstance(items[0], dict):
        return f"nn.ModuleList([part({_children(items[0], depth)}) for _ in range({len(items)})])"
    return f"part({_children(child, depth)})"


def _with_comma(code: str) -> str:
    shown, mark, note = code.rpartition("  # ")
    return f"{shown},{mark}{note}" if mark and "\n" not in note else f"{code},"
