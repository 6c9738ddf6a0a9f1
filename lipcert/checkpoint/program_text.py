"""The JSON graph of a torch.export program, checked before torch sees it.

torch builds Python from this text: names of nodes become source code that is executed, shapes are evaluated
as expressions, `target` is looked up attribute by attribute (`torch.os.system` is found), tree specifications
import modules. So every string must be a plain identifier unless its key has a rule here, and what lipcert
does not need (stack traces, guards, records) is left out.
"""

import ast
import json
import math
import operator
import re
from collections.abc import Callable
from typing import Any

import torch

from lipcert.errors import InputError

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|")
_DOTTED = re.compile(r"(?!__)[A-Za-z0-9_-]+(\.(?!__)[A-Za-z0-9_-]+)*|")
_ATEN = re.compile(r"torch\.ops\.(aten|prims)\.(?!__)[a-z0-9_]+\.[A-Za-z0-9_]+")
_VERSION = re.compile(r"[0-9A-Za-z.+_<>=-]*")

_READS_FILES = "torch.ops.aten.from_file."
_ARITHMETIC = ("add", "sub", "mul", "floordiv", "mod", "neg", "eq", "ne", "le", "ge", "lt", "gt")
_SYMBOLIC = {f"_operator.{name}" for name in _ARITHMETIC}
_SYMBOLIC |= {f"torch.sym_{name}" for name in ("max", "min", "int", "float", "not", "ite", "sum")}
_SYMBOLIC |= {f"math.{name}" for name in ("ceil", "floor", "trunc")}
_HIGHER_ORDER = {
    f"torch.ops.higher_order.{name}"
    for name in ("wrap_with_set_grad_enabled", "wrap_with_autocast", "cond", "while_loop")
}
OTHER_TARGETS = {"_operator.getitem", *_SYMBOLIC, *_HIGHER_ORDER}
"""What a node may call beside operators of aten and prims."""

_SHAPE_CALLS = {"Symbol", "Integer", "Add", "Mul", "FloorDiv", "Mod", "PythonMod", "CleanDiv", "Max", "Min"}
_TREE_TYPES = {None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict"}
_LEFT_OUT = {"guards_code", "treespec_namedtuple_fields"}
_REFUSED = {"custom_obj", "as_custom_obj"}


def clean(text: bytes, source: str) -> dict[str, Any]:
    """The program with every string checked. Raises InputError that quotes the first string refused."""
    try:
        program = json.loads(text)
        cleaned = _clean(program, "")
    except (ValueError, SyntaxError, LookupError, TypeError, RecursionError, MemoryError) as error:
        raise InputError(
            f"{source} has a graph that torch.export did not write: {error}",
            hint="It is damaged or was made to run code when loaded. Export the model again from its source.",
        ) from error
    if not isinstance(cleaned, dict):
        raise InputError(f"{source} has a graph that is no JSON object")
    return cleaned


def resolve(target: str) -> Any:
    """The function that one of OTHER_TARGETS names."""
    first, *rest = target.split(".")
    found: Any = {"torch": torch, "math": math, "_operator": operator}[first]
    for name in rest:
        found = getattr(found, name)
    return found


def _clean(node: Any, key: str) -> Any:
    if isinstance(node, dict):
        return {k: _clean_entry(k, v) for k, v in node.items() if k not in _LEFT_OUT}
    if isinstance(node, list):
        return [_clean(item, key) for item in node]
    if isinstance(node, str) and not _RULES.get(key, _is_identifier)(node):
        raise ValueError(f"{key} is {node[:200]!r}")
    return node


def _clean_entry(key: str, value: Any) -> Any:
    if key in _REFUSED:
        raise ValueError(f"it needs a custom object ({value})")
    if key in ("device", "as_device"):
        return {"type": "cpu", "index": None}  # what was exported on a GPU is read onto the CPU
    if key == "metadata":  # module paths are kept; stack traces and other records are not needed
        return {name: _clean(value[name], name) for name in ("nn_module_stack",) if name in value}
    if not _is_identifier(key):
        raise ValueError(f"a name is {key[:200]!r}")
    return _clean(value, key)


def _is_identifier(text: str) -> bool:
    return bool(_IDENTIFIER.fullmatch(text))


def _is_dotted(text: str) -> bool:
    return bool(_DOTTED.fullmatch(text))


def _is_target(text: str) -> bool:
    return text in OTHER_TARGETS or (bool(_ATEN.fullmatch(text)) and not text.startswith(_READS_FILES))


def _is_number(text: str) -> bool:
    return text in {"Infinity", "-Infinity", "NaN"}


def _is_line(text: str) -> bool:
    return text.isprintable()


def _is_shape(text: str) -> bool:
    """Sums, products and quotients of whole numbers and named sizes, as sympy writes them."""
    tree = ast.parse(text, mode="eval").body
    return _is_shape_node(tree)


def _is_shape_node(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return type(node.value) is int
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.USub) and _is_shape_node(node.operand)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id not in _SHAPE_CALLS:
        return False
    flags = all(isinstance(each.value, ast.Constant) and type(each.value.value) is bool for each in node.keywords)
    if node.func.id == "Symbol":
        name = node.args[0] if len(node.args) == 1 else None
        return flags and isinstance(name, ast.Constant) and isinstance(name.value, str) and name.value.isidentifier()
    return flags and all(_is_shape_node(each) for each in node.args)


def _is_tree(text: str) -> bool:
    """Nested tuples, lists and dicts: a specification of anything else may import the module it names."""
    protocol, root = json.loads(text)
    return protocol == 1 and _is_tree_node(root)


def _is_tree_node(node: Any) -> bool:
    if not isinstance(node, dict) or node.get("type") not in _TREE_TYPES:
        return False
    context = json.loads(node["context"]) if node["context"] is not None else None
    keys = context if isinstance(context, list) else []
    plain = (context is None or isinstance(context, list)) and all(isinstance(each, str | int) for each in keys)
    return plain and all(_is_tree_node(child) for child in node["children_spec"])


_RULES: dict[str, Callable[[str], bool]] = {
    "target": _is_target,
    "as_operator": _is_target,
    "expr_str": _is_shape,
    "in_spec": _is_tree,
    "out_spec": _is_tree,
    "as_string": _is_line,
    "as_strings": _is_line,
    "nn_module_stack": _is_line,
    "as_float": _is_number,
    "as_floats": _is_number,
    "fqn": _is_dotted,
    "parameter_name": _is_dotted,
    "buffer_name": _is_dotted,
    "tensor_constant_name": _is_dotted,
    "torch_version": lambda text: bool(_VERSION.fullmatch(text)),
}
