"""Reading back results and certificates: strict JSON, the right kind and version, the shape of the schema."""

import copy
import json
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

from lipcert.errors import InputError
from lipcert.store.atomic import write_json
from lipcert.store.schema import SCHEMA_VERSION, Kind, load_schema, read_json, shape_problems

RESULT: dict[str, Any] = {
    "schema_version": SCHEMA_VERSION,
    "kind": "result",
    "claim": {
        "norm": "l2",
        "domain": "box:0,1+8/255",
        "source": "x",
        "output": "output",
        "arithmetic": "real",
        "shape": [1, 64],
        "module": "",
        "through": "",
    },
    "status": "proved",
    "upper": "1.25e+400",
    "log10_upper": 400.1,
    "lower": 0.5,
    "product": None,
    "layers": [
        {
            "name": "linear",
            "path": "layers.0",
            "operation": "linear",
            "shape": [10, 64],
            "estimate": 1.0,
            "norm": 1.0000001,
            "log10_norm": 1e-7,
            "slack": 1e-7,
            "gain": None,
            "log10_gain": 400.1,
            "share": None,
        }
    ],
    "blocks": [
        {
            "name": "add",
            "path": "blocks.0",
            "operation": "sum",
            "paths": {"skip": "1.0", "mlp": "2.5"},
            "step": "3.0",
            "gain": "1.25e+400",
            "share": None,
        }
    ],
    "paper_accounting": None,
    "regions": [
        {
            "entry": "x",
            "exit": "linear",
            "method": "attention",
            "gain": "1.25e+400",
            "product": "1.25e+400",
            "paths": {"value": "1.0", "softmax": "1.25e+400"},
        }
    ],
    "weights_sha256": {"layers.0.weight": "0" * 64},
    "versions": {"lipcert": "0.1.0"},
    "seconds": 1.5,
}


@pytest.mark.parametrize("name", ["common", *get_args(Kind)])
def test_the_shipped_schemas_are_schemas(name: Any) -> None:
    Draft202012Validator.check_schema(load_schema(name))


def test_a_result_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_json(tmp_path / "result.json", RESULT)
    assert read_json(tmp_path / "result.json", "result") == RESULT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no strict JSON"),
        ("{", "no strict JSON"),
        ("[]", "no JSON object"),
        ('{"seconds": NaN}', "NaN"),
        ('{"seconds": -Infinity}', "Infinity"),
        ('{"seconds": 1e999}', "beyond the float range"),
        ('{"kind": "result", "kind": "result"}', "stands twice"),
        ("[" * 100_000, "nested too deeply"),
        ('{"seconds": ' + "9" * 5000 + "}", "no strict JSON"),
        ("{}", "its kind is None"),
        ('{"kind": "certificate", "schema_version": 1}', "its kind is 'certificate'"),
        ('{"kind": "result"}', "schema_version None"),
        ('{"kind": "result", "schema_version": 2}', "schema_version 2"),
        ('{"kind": "result", "schema_version": true}', "schema_version True"),
        ('{"kind": "result", "schema_version": 1.0}', "schema_version 1.0"),
        ('{"kind": "result", "schema_version": 1}', "'claim' is a required property"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(InputError, match=message) as refusal:
        read_json(tmp_path / "result.json", "result")
    assert refusal.value.hint


def test_what_is_no_text_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "picture.json").write_bytes(b"\x89PNG\xff")
    for path, message in (
        (tmp_path / "picture.json", "no text"),
        (tmp_path / "missing.json", "no such file"),
        (tmp_path, "cannot be read"),
    ):
        with pytest.raises(InputError, match=message):
            read_json(path, "result")


@pytest.mark.parametrize(
    ("keys", "value", "where"),
    [
        (["upper"], 1.25, "upper"),
        (["upper"], "NaN", "upper"),
        (["upper"], "-1", "upper"),
        (["lower"], -1.0, "lower"),
        (["lower"], True, "lower"),
        (["status"], "certain", "status"),
        (["surprise"], 1, "surprise"),
        (["layers", 0, "shape"], [10.0, 64], "layers[0].shape[0]"),
        (["layers", 0, "norm"], "inf", "layers[0].norm"),
        (["claim", "arithmetic"], "float32", "claim.arithmetic"),
        (["claim", "norm"], "l3", "claim.norm"),
        (["claim", "module"], None, "claim.module"),
        (["claim", "through"], 2, "claim.through"),
        (["regions", 0, "paths", "value"], "-1.0", "regions[0].paths.value"),
        (["blocks", 0, "paths", "mlp"], "inf", "blocks[0].paths.mlp"),
        (["blocks", 0, "step"], 3.0, "blocks[0].step"),
        (["paper_accounting"], "nan", "paper_accounting"),
        (["weights_sha256", "layers.0.weight"], "00", "layers.0.weight"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(keys: list[str | int], value: object, where: str) -> None:
    result = copy.deepcopy(RESULT)
    place: Any = result
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    problems = list(shape_problems(result, "result"))
    assert problems
    assert where in problems[0]


def test_many_problems_are_counted_and_long_ones_cut(tmp_path: Path) -> None:
    result = {**RESULT, "layers": ["x" * 10_000] * 50}
    (tmp_path / "result.json").write_text(json.dumps(result))
    with pytest.raises(InputError, match="45 more") as refusal:
        read_json(tmp_path / "result.json", "result")
    assert len(str(refusal.value)) < 3000
