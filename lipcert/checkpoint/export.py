"""torch.export archives (.pt2), read without the unrestricted pickle that torch.export.load falls back to.

Every entry must be of a kind that torch.export.save writes for plain tensors. Weights are raw bytes, read
here; the graph is checked string by string (`program_text`); example inputs, and the weights of older files,
are read with weights_only. torch's deserialiser then gets finished tensors, so none of its paths that
unpickle is reached.
"""

import io
import json
import math
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from lipcert.checkpoint import archive, memory, pickled, program, program_text, weights
from lipcert.checkpoint.program import AGAIN, Parts
from lipcert.checkpoint.sniff import Format
from lipcert.errors import InputError, UnsupportedError

_ALLOWED = re.compile(
    r"archive_format|archive_version|byteorder|\.data/(version|serialization_id)|\.format_version"
    r"|\.storage_alignment|models/model\.json|extra/.*"
    r"|data/(weights/(weight_\d+|model_weights_config\.json|model\.pt)"
    r"|constants/(tensor_\d+|model_constants_config\.json|model\.pt)|sample_inputs/model\.pt)"
)
_ALLOWED_LEGACY = re.compile(
    r"version|serialized_exported_program\.json|extra_files/.*"
    r"|serialized_(state_dict|constants|example_inputs)\.pt"
)

_DTYPES = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}
"""What torch._export.serde.schema.ScalarType numbers so, for the dtypes that can be read."""


def read(path: Path, kind: Format) -> tuple[ExportedProgram, tuple[Tensor, ...]]:
    """The program and its example inputs, flat. Nothing in the file is executed.

    Raises InputError, UnsupportedError, ResourceError.
    """
    source = str(path)
    archive.check(path)
    try:
        with zipfile.ZipFile(path) as file:
            parts = _parts(file, source) if kind is Format.EXPORT else _legacy_parts(file, source)
    except (
        zipfile.BadZipFile,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RuntimeError,
        OSError,
    ) as error:
        raise InputError(f"{path} is no complete torch.export archive: {error!r}", hint=AGAIN) from error
    tensors = {**parts.state, **parts.constants}
    weights.check_kind(tensors, source)
    weights.check_values(parts.state, source)  # an infinite constant is a mask
    return program.build(parts, source)


def _parts(file: zipfile.ZipFile, source: str) -> Parts:
    root = file.namelist()[0].split("/")[0] + "/"
    names = _checked_names(file, root, _ALLOWED, source)
    if "byteorder" in names and file.read(f"{root}byteorder") != b"little":
        raise UnsupportedError(f"{source} was written on a big-endian machine", hint=AGAIN)
    return Parts(
        program_text.clean(file.read(f"{root}models/model.json"), source),
        _tensors(file, root, "weights", names, source),
        _tensors(file, root, "constants", names, source),
        _recorded(file.read(f"{root}data/sample_inputs/model.pt"), source),
    )


def _legacy_parts(file: zipfile.ZipFile, source: str) -> Parts:
    _checked_names(file, "", _ALLOWED_LEGACY, source)
    return Parts(
        program_text.clean(file.read("serialized_exported_program.json"), source),
        _named(file.read("serialized_state_dict.pt"), source),
        _named(file.read("serialized_constants.pt"), source),
        _recorded(file.read("serialized_example_inputs.pt"), source),
    )


def _checked_names(file: zipfile.ZipFile, root: str, allowed: re.Pattern[str], source: str) -> set[str]:
    names = file.namelist()
    for name in names:
        if not name.startswith(root) or not allowed.fullmatch(name.removeprefix(root)):
            raise InputError(
                f"{source} holds {name}, which is no part of a plain torch.export program: compiled code, "
                "custom objects and pickles can run code when loaded. Nothing was executed.",
                hint=AGAIN,
            )
    return {name.removeprefix(root) for name in names}


def _tensors(file: zipfile.ZipFile, root: str, what: str, names: set[str], source: str) -> dict[str, Tensor]:
    """Named tensors: views into raw little-endian records, which several of them may share."""
    folder = f"data/{what}/"
    if f"{folder}model.pt" in names:
        return _named(file.read(f"{root}{folder}model.pt"), source)
    config = json.loads(file.read(f"{root}{folder}model_{what}_config.json"))["config"]
    records: dict[str, Tensor] = {}
    tensors: dict[str, Tensor] = {}
    for name, entry in config.items():
        record = folder + entry["path_name"]
        if entry["use_pickle"] or entry["tensor_meta"] is None or record not in names:
            raise InputError(
                f"{source} keeps {name} in {record} as a pickle (a tensor subclass or a custom object), "
                "which can run code. Nothing was executed.",
                hint=AGAIN,
            )
        if record not in records:
            records[record] = _octets(file.read(root + record))
        view = _view(records[record], entry["tensor_meta"], name, source)
        tensors[name] = nn.Parameter(view, requires_grad=False) if entry["is_param"] else view
    return tensors


def _octets(content: bytes) -> Tensor:
    if not content:
        return torch.empty(0, dtype=torch.uint8)
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)


def _view(record: Tensor, meta: dict[str, Any], name: str, source: str) -> Tensor:
    if meta["dtype"] not in _DTYPES:
        raise UnsupportedError(f"{source}: {name} has a dtype without a rule here (number {meta['dtype']})")
    dtype = _DTYPES[meta["dtype"]]
    size, stride = ([int(each["as_int"]) for each in meta[key]] for key in ("sizes", "strides"))
    if any(each < 0 for each in (*size, *stride)):
        raise InputError(f"{source}: {name} has a negative size or stride", hint=AGAIN)
    memory.require(math.prod(size) * dtype.itemsize, f"{name} in {source}")
    return torch.as_strided(record.view(dtype), size, stride, int(meta["storage_offset"]["as_int"]))


def _named(content: bytes, source: str) -> dict[str, Tensor]:
    loaded = pickled.read(io.BytesIO(content), source, hint=AGAIN) if content else {}
    if not isinstance(loaded, dict) or not all(isinstance(each, Tensor) for each in loaded.values()):
        raise InputError(f"{source} holds something other than named tensors", hint=AGAIN)
    return dict(loaded)


def _recorded(content: bytes, source: str) -> tuple[Any, ...] | None:
    if not content:
        return None
    loaded = pickled.read(io.BytesIO(content), f"{source} (example inputs)", hint=AGAIN)
    return loaded if isinstance(loaded, tuple) and len(loaded) == 2 else None
