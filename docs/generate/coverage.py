"""The table of own-models.md: for each core operation, what reaches it from each format.

Read off the graphs of what the tests bound: the functions of tests/unit/lowering/, the ONNX graphs of
tests/unit/onnx_rows.py and the tiny networks of tests/soundness/tiny_transformers.py.
"""

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import torch

from generate.reached import reached
from lipcert.checkpoint.huggingface.network import Pixels, Texts
from lipcert.checkpoint.load import load
from lipcert.checkpoint.onnx import operations
from lipcert.checkpoint.onnx.module import OnnxModule
from lipcert.graph.capture import capture, captured, lower, trace
from lipcert.graph.program import find_output, functional
from lipcert.rules.table import RULES
from tests.soundness.tiny_transformers import CLASSES, CONFIGS, TOKENS, tiny
from tests.unit.onnx_rows import ROWS, Row

Found = dict[str, list[str]]
"""Core operation → names in a format."""

NAMES = {"gpt2": "GPT-2", "bert": "BERT", "roberta": "RoBERTa", "distilbert": "DistilBERT", "vit": "ViT"}


def pages() -> dict[str, str]:
    aten, onnx, families = exported(), of_onnx(), of_families()
    rows = [f"| [{name}](theory/{name}.md) | {_code(aten[name])} | {_code(onnx[name])} | {_plain(families[name])} |"
            for name in RULES]  # fmt: skip
    text = [
        "# What reaches each rule",
        "For every core operation, the operations of each format that become it. State dicts and safetensors with "
        "`--arch`, `torch.export` programs, lipcert's own checkpoints and modules in Python are what the second column "
        "says; TorchScript is recorded as the same operations. An ONNX file is rewritten into them first.",
        "| core operation | `torch.export`, `--arch`, Python, TorchScript | ONNX | transformers |\n|---|---|---|---|\n"
        + "\n".join(rows),
        "`attention`, `mix` and `centre` are found in what several operations compute together, whatever the format: "
        "matrix products around a softmax, rotary positions, a mean that is subtracted.",
        "Of the ONNX operations that are understood these reach no rule: what they compute is known from shapes and "
        f"weights before the network runs, or is their input as it is: {_code(_without_rule(onnx))}.",
    ]
    return {"coverage.md": "\n\n".join(text) + "\n"}


def _without_rule(onnx: Found) -> list[str]:
    reaching = {name for names in onnx.values() for name in names}
    return [name for name in operations() if name not in reaching]


def exported() -> Found:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for operation, cores in reached().items():
        for core in cores:
            found[core].append(operation.removeprefix("aten."))
    return found


@cache
def of_onnx() -> Found:
    """By one graph or more for each operation."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    with tempfile.TemporaryDirectory() as folder:
        for row in ROWS:
            for core in _cores(row, Path(folder) / "m.onnx") if row.bounded else ():
                found[core].add(row.op)
    return defaultdict(list, {core: sorted(names) for core, names in found.items()})


def _cores(row: Row, path: Path) -> Iterator[str]:
    """The core operations in the place of the node that the row is for."""
    model = load(row.write(path))
    assert isinstance(model.module, OnnxModule)
    program = functional(captured(model), model.example_inputs)
    graph = lower(program, model.example_inputs, find_output(program, "")[1])
    steps = zip(model.module._plan.steps, model.module._places, strict=True)
    places = {place for step, place in steps if step.call.op == row.op}
    yield from {node.op for node in graph.nodes.values() if node.path in places}


@cache
def of_families() -> Found:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for family in CONFIGS:
        for core in _used(CLASSES[family][0]):
            found[core].append(NAMES.get(family, family.capitalize()))
    return found


def _used(name: str) -> set[str]:
    network = tiny(name)
    pixels = network.main_input_name == "pixel_values"
    module = Pixels(network) if pixels else Texts(network, None, typed=hasattr(network.config, "type_vocab_size"))
    inputs = (torch.rand(1, 3, 8, 8) if pixels else torch.ones(1, TOKENS, dtype=torch.int64),)
    graph = trace(capture(module.eval(), inputs), inputs)
    return {node.op for node in graph.nodes.values()}


def _code(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "–"


def _plain(names: list[str]) -> str:
    return ", ".join(names) or "–"
