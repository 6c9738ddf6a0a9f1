"""`lipcert.inspect`: what a file is, what is in it, and the command that would bound it."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lipcert.checkpoint import weights
from lipcert.checkpoint.contents import Group, Problem, look
from lipcert.checkpoint.contents.chain import chain
from lipcert.checkpoint.contents.layers import Layer, layers
from lipcert.checkpoint.contents.record import Contents
from lipcert.checkpoint.contents.stub import stub
from lipcert.checkpoint.examples import Ids
from lipcert.checkpoint.load import Inputs, load
from lipcert.checkpoint.model import Model
from lipcert.checkpoint.onnx import operations as onnx_operations
from lipcert.checkpoint.sniff import Format
from lipcert.errors import LipcertError
from lipcert.graph.capture import captured, trace
from lipcert.graph.ops import Used, used
from lipcert.rules.table import RULES
from lipcert.rules.types import Node, Reach

_TOKENS = 16
"""So many are suggested for a network of texts."""

_PLANES = (1, 3)
"""So many channels has an image: its pixels lie between 0 and 1 before they are normalised."""

_PIXELS = "box:0,1"
_STUB = "net.py:net"

_WEIGHTS_ALONE = (Format.SAFETENSORS, Format.SHARDS, Format.TORCH_ZIP, Format.TORCH_LEGACY)


@dataclass(frozen=True)
class Inspection:
    """format: such as "safetensors" or "torch.export"; "lipcert" for its own checkpoints, "" for what cannot be read.

    size, sha256: of the file, or of all files of a folder. groups: the tensors, likeliest first. metadata: what stands
    beside them. onnx: operations of an ONNX graph, and whether they are understood. operations: those that torch
    exports. core: the rules that prove its bound. layers: a guess from names and shapes, where the file holds
    weights alone. stub: a file for --arch that builds them. command: the line that bounds the network, "" where none
    would. domain_guessed: whether its --domain is a guess to be checked. problems: why it cannot be bounded as it is.
    """

    path: Path
    format: str
    size: int
    sha256: str
    groups: tuple[Group, ...]
    metadata: Mapping[str, Any]
    onnx: tuple[Used, ...] = ()
    operations: tuple[Used, ...] = ()
    core: tuple[str, ...] = ()
    layers: tuple[Layer, ...] = ()
    stub: str = ""
    command: str = ""
    domain_guessed: bool = False
    problems: tuple[Problem, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """All but the tensors themselves."""
        found = vars(self) | {"path": str(self.path), "metadata": _plain(self.metadata)}
        found["groups"] = [
            {"where": list(g.where), "tensors": [_entry(vars(e)) for e in g.entries]} for g in self.groups
        ]
        found["layers"] = [{"path": each.path, "what": each.what} for each in self.layers]
        for key in ("onnx", "operations", "problems"):
            found[key] = [vars(each) for each in found[key]]
        return found | {"core": list(self.core)}


def _plain(metadata: Mapping[str, Any]) -> Any:
    """As strict JSON can hold it: NaN as a word."""
    return json.loads(json.dumps(dict(metadata), default=str), parse_constant=str)


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    return entry | {"shape": list(entry["shape"])}


@dataclass(frozen=True)
class _Network:
    """What loading and tracing it brought. core: of the graph, () where it could not be lowered."""

    model: Model | None = None
    operations: tuple[Used, ...] = ()
    core: tuple[str, ...] = ()
    needs_domain: bool = False
    problems: tuple[Problem, ...] = ()


def inspect(
    path: Path | str, *, arch: str | None = None, inputs: Inputs | None = None, trust_pickle: bool = False
) -> Inspection:
    """What a file or folder is, what is in it, and what would bound it. Nothing in it is executed.

    arch, inputs, trust_pickle: as `lipcert.load` takes them. What is wrong with a file is part of the result.
    Raises InputError where there is nothing to look at: no file, an empty one, a folder that transformers did not save.
    """
    path = Path(path)
    contents = look(path, trust_pickle=trust_pickle)
    bare = arch is None and contents.format in _WEIGHTS_ALONE and "class" not in contents.metadata
    asked = inputs or _texts(contents, arch)
    network, guess = _Network(), tuple(layers(contents.tensors)) if bare else ()
    if contents.tensors and bare:
        network = _Network(problems=_unfit(contents))
    elif contents.format and not bare:
        network = _network(path, arch, asked, trust_pickle)
    said = tuple(dict.fromkeys((*contents.problems, *network.problems)))
    known = onnx_operations() if contents.onnx else ()
    domain = _domain(network, guess)
    words = _command(path, arch or (_STUB if guess else None), asked, domain, trust_pickle)
    return Inspection(
        path, contents.format, contents.size, contents.sha256, contents.groups, contents.metadata,
        tuple(Used(name, times, name in known) for name, times in contents.onnx.items()), network.operations,
        network.core, guess, stub(guess), words if (network.core or guess) and not said else "", bool(domain), said,
    )  # fmt: skip


def _texts(contents: Contents, arch: str | None) -> Inputs | None:
    """What to ask of a network of texts, as its config tells: so many tokens that it has positions for them."""
    told = contents.metadata
    if contents.format != Format.HUGGINGFACE or arch is not None or "vocab_size" not in told:
        return None
    positions = told.get("max_position_embeddings", told.get("n_positions", _TOKENS + 2))
    return [Ids((max(1, min(_TOKENS, positions - 2)) if isinstance(positions, int) else _TOKENS,))]


def _unfit(contents: Contents) -> tuple[Problem, ...]:
    """Why the weights are none that a network can have here."""
    found = []
    for check in (weights.check_names, weights.check_kind, weights.check_values):
        try:
            check({name: t for name, t in contents.tensors.items() if check is not weights.check_values
                   or not weights.not_dense(t)}, str(contents.path))  # fmt: skip
        except LipcertError as error:
            found.append(Problem.of(error))
    return tuple(found)


def _network(path: Path, arch: str | None, inputs: Inputs | None, trust: bool) -> _Network:
    model: Model | None = None
    operations: tuple[Used, ...] = ()
    try:
        model = load(path, arch=arch, inputs=inputs, trust_pickle=trust)
        program = captured(model)
        operations = used(program, model.example_inputs)
        graph = trace(program, model.example_inputs, output=model.output)
    except LipcertError as error:
        return _Network(model, operations, problems=(Problem.of(error),))
    found = {node.op for node in graph.nodes.values()}
    needs_domain = any(_needs_domain(node) for node in graph.nodes.values() if node.op in RULES)
    return _Network(model, operations, tuple(name for name in RULES if name in found), needs_domain)


def _needs_domain(node: Node) -> bool:
    """Whether its rule may have no finite bound where nothing is known of its inputs."""
    rule = RULES[node.op]
    if node.op == "entrywise":
        assert rule.slopes is not None
        ends = rule.slopes(node, Reach(np.float64(-np.inf), np.float64(np.inf)))
        return not all(bool(np.isfinite(end).all()) for end in ends)
    return bool(rule.needs) and not node.attrs.get("eps")


def _domain(network: _Network, guess: tuple[Layer, ...]) -> str:
    """For images, and where a rule needs one: pixels before they are normalised. Token ids have their vocabulary."""
    if network.model is None:
        found = chain(guess)
        return _PIXELS if found and _is_image(found.shape) else ""
    first = network.model.example_inputs[0]
    if not first.is_floating_point():
        return ""
    return _PIXELS if _is_image(tuple(first.shape[1:])) or network.needs_domain else ""


def _is_image(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[0] in _PLANES


def _command(path: Path, arch: str | None, inputs: Inputs | None, domain: str, trust: bool) -> str:
    words = ["lipcert", "bound", str(path), *(("--arch", arch) if arch else ())]
    for each in inputs or ():
        shape, kind = (each.shape, "ids:") if isinstance(each, Ids) else (each, "")
        words += ["--input", kind + ",".join(map(str, shape))]
    return shlex.join([*words, *(("--domain", domain) if domain else ()), *(["--trust-pickle"] if trust else [])])
