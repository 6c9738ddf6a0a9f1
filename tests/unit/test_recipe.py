"""Recipes: one flat table, its defaults, what it refuses, and how the data complete it."""

import json
import subprocess
import sys
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipcert import architectures
from lipcert.architectures import ARCHITECTURES
from lipcert.architectures.arguments import ARGUMENTS
from lipcert.errors import InputError, UsageError
from lipcert.workspace.init import init
from lipcert.workspace.load import load
from lipcert.workspace.recipe import Recipe, recipe
from lipcert.workspace.recipe_fields import ConstraintName, Fields, ModelName, PolynomialsName

RUN: dict[str, Any] = {"data": "shakespeare", "optimizer": "muon", "lr": 0.1, "steps": 100, "batch": 8}
CAPPED: dict[str, Any] = {"constraint": "soft_cap", "w_max": 2.0}
TOKENS: dict[str, Any] = {"context": 8, "width": 16, "layers": 2, "heads": 2}
MODELS: dict[str, dict[str, Any]] = {
    "mlp": RUN | {"model": "mlp", "widths": [784, 32, 10]},
    "cnn": RUN | {"model": "cnn", "stages": [4, 8]},
    "gpt": RUN | {"model": "gpt", **TOKENS},
    "encoder": RUN | {"model": "encoder", **TOKENS},
}
GPT = MODELS["gpt"]


def complaints(table: dict[str, Any]) -> list[str]:
    with pytest.raises(InputError) as refusal:
        Recipe.of(table)
    return [line.strip() for line in refusal.value.message.splitlines()[1:]]


def test_keys_of_the_recipe_and_of_the_model_stand_side_by_side() -> None:
    found = Recipe.of(GPT | CAPPED | {"logit_scale": 4})
    assert (found.model, found.lr, found.w_max, found.head_w_max) == ("gpt", 0.1, 2.0, None)
    assert (found.tokens, found.momentum, found.beta2, found.spike, found.seed) == ("chars", 0.95, 0.95, 3.0, 0)
    assert found.arguments["width"] == 16
    assert found.arguments["logit_scale"] == 4
    assert found.arguments["residual"] == "convex"
    assert "vocabulary" not in found.arguments


@pytest.mark.parametrize("model", MODELS)
def test_a_recipe_comes_back_from_json(model: str) -> None:
    found = Recipe.of(MODELS[model] | CAPPED | {"embedding_cap": Decimal("0.1"), "clip": 1})
    assert Recipe.of(json.loads(json.dumps(found.to_json()))) == found
    assert not any(isinstance(value, dict) for value in found.to_json().values())


@given(st.floats(1e-300, 1e300), st.integers(0, 2**63 - 1))
def test_numbers_come_back_exactly(w_max: float, seed: int) -> None:
    found = Recipe.of(GPT | CAPPED | {"w_max": w_max, "seed": seed})
    assert (found.w_max, found.seed) == (w_max, seed)
    assert Recipe.of(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (GPT | {"lrr": 1}, "lrr: is no known key; did you mean 'lr'?"),
        (GPT | {"hads": 1}, "hads: is no known key; did you mean 'heads'?"),
        (GPT | {"zzz": 1}, "zzz: is no known key; docs/recipes.md lists them"),
        (GPT | {"arguments": {"width": 1}}, "arguments: is no known key"),
        (GPT | {"stages": [1]}, 'stages: belongs to model = "cnn"'),
        (MODELS["cnn"] | {"heads": 1}, 'heads: belongs to model = "gpt" or "encoder"'),
        (GPT | {"constraint": "softcap"}, "constraint: Input should be 'none', "),
        (GPT | {"constraint": "softcap"}, "did you mean 'soft_cap'? (seen: 'softcap')"),
        (GPT | {"model": "gtp"}, "did you mean 'gpt'? (seen: 'gtp')"),
        (GPT | {"model": ["gpt"]}, "model: Input should be 'mlp'"),
        (GPT | {"norm": "rsm"}, "did you mean 'rms'? (seen: 'rsm')"),
        (GPT | {"optimizer": "sgd"}, "optimizer: Input should be 'adamw' or 'muon' (seen: 'sgd')"),
        ({key: GPT[key] for key in GPT if key != "lr"}, "lr: is missing"),
        ({key: GPT[key] for key in GPT if key != "model"}, "model: is missing"),
        ({key: GPT[key] for key in GPT if key != "width"}, "width: is missing"),
        (GPT | {"lr": "8/255"}, "lr: Input should be a valid number (seen: '8/255')"),
        (GPT | {"lr": Decimal("NaN")}, "lr: Input should be a finite number"),
        (GPT | {"lr": Decimal("1e999")}, "lr: Input should be a finite number"),
        (GPT | {"lr": 0}, "lr: Input should be greater than 0 (seen: 0)"),
        (GPT | {"lr": True}, "lr: Input should be a valid number (seen: True)"),
        (GPT | {"beta2": 1.0}, "beta2: Input should be less than 1"),
        (GPT | {"steps": 1.5}, "steps: Input should be a valid integer (seen: 1.5)"),
        (GPT | {"steps": 0}, "steps: Input should be greater than 0 (seen: 0)"),
        (GPT | {"spike": 0.5}, "spike: a loss below its median is no spike"),
        (GPT | {"device": "gpu"}, "device: write auto, cpu"),
        (GPT | {"seed": -1}, "seed: Input should be greater than or equal to 0"),
        (GPT | {"heads": 3}, "width 16 is no multiple of heads 3"),
        (GPT | {"vocabulary": 0}, "vocabulary: Input should be greater than 0"),
        (MODELS["mlp"] | {"widths": [3, "a"]}, "widths.1: Input should be a valid integer (seen: 'a')"),
        (GPT | {"constraint": "svd_cap"}, 'w_max: is missing: constraint = "svd_cap" needs a cap'),
        (GPT | {"constraint": "weight_decay"}, 'weight_decay: is missing: constraint = "weight_decay" needs it'),
        (GPT | {"w_max": 1.0}, 'w_max: nothing would hold it: constraint is "none"'),
        (GPT | {"head_w_max": 1.0}, 'head_w_max: nothing would hold it: constraint is "none"'),
        (GPT | {"constraint": "weight_decay", "weight_decay": 0.1, "head_w_max": 1.0}, "w_max: is missing beside"),
        (GPT | {"weight_decay": 11.0}, "weight_decay: times lr it is 1.1: above 1"),
        (GPT | {"accumulate": 3}, "accumulate: a batch of 8 is not 3 equal parts"),
        (GPT | {"warmup": 101}, "warmup: 101 steps are more than the 100 of the run"),
        (GPT | {"final_lr": 0.1}, 'final_lr: the learning rate stays as it is: schedule is "constant"'),
    ],
)
def test_what_is_wrong_is_named(table: dict[str, Any], said: str) -> None:
    assert any(said in line for line in complaints(table)), complaints(table)


def test_all_that_is_wrong_is_named_in_one_go() -> None:
    wrong = GPT | {"lr": -1, "stages": [1], "constraint": "cap", "heads": 0, "stepz": 1}
    assert [line.partition(":")[0] for line in complaints(wrong)] == ["lr", "constraint", "heads", "stages", "stepz"]
    assert len(complaints(GPT | {"accumulate": 3, "warmup": 101, "w_max": 1})) == 3


@pytest.mark.parametrize(
    "table",
    [
        GPT | {"constraint": "weight_decay", "w_max": 1.0},
        GPT | {"constraint": "spectral_weight_decay", "weight_decay": 0.1},
        GPT | {"warmup": 100, "accumulate": 8, "spike": 0, "device": "cuda:1", "weight_decay": 10},
        GPT | {"schedule": "cosine", "final_lr": 1, "tied": True, "embedding_cap": 1.0},
    ],
)
def test_what_goes_together(table: dict[str, Any]) -> None:
    assert Recipe.of(table).model == "gpt"


def test_flags_stand_in_the_place_of_the_table() -> None:
    before = Recipe.of(GPT | CAPPED).to_json()
    assert Recipe.of(before, {"w_max": 1.0, "heads": 4}) == Recipe.of(GPT | {**CAPPED, "w_max": 1.0, "heads": 4})
    assert Recipe.of(before, {"constraint": "none", "w_max": None}) == Recipe.of(GPT)
    assert Recipe.of({}, GPT) == Recipe.of(GPT)


def test_another_model_brings_all_its_arguments() -> None:
    before = Recipe.of(GPT).to_json()
    assert Recipe.of(before, {"model": "mlp", "widths": [4, 2]}) == Recipe.of(RUN | {"model": "mlp", "widths": [4, 2]})
    with pytest.raises(UsageError, match="--width: is missing"):
        Recipe.of(before, {"model": "encoder"})


def test_what_flags_make_wrong_is_bad_usage() -> None:
    with pytest.raises(UsageError, match="--w-max: nothing would hold it") as refusal:
        Recipe.of(GPT | CAPPED, {"constraint": "none"})
    assert "`none`" in refusal.value.hint
    with pytest.raises(UsageError, match="--widths: Input should be a valid integer"):
        Recipe.of(MODELS["mlp"], {"widths": [3, "a"]})


TEXT, LABELLED, IMAGES = {"vocabulary": 65}, {"vocabulary": 9, "classes": 2}, {"classes": 10, "shape": (1, 28, 28)}


@pytest.mark.parametrize(
    ("model", "facts", "found"),
    [
        ("mlp", IMAGES, {"widths": [784, 32, 10]}),
        ("mlp", IMAGES | {"shape": (784,)}, {"widths": [784, 32, 10]}),
        ("cnn", IMAGES, {"in_channels": 1, "classes": 10}),
        ("gpt", TEXT, {"vocabulary": 65}),
        ("encoder", LABELLED, LABELLED),
    ],
)
def test_the_data_complete_the_arguments(model: str, facts: dict[str, Any], found: dict[str, Any]) -> None:
    arguments = Recipe.of(MODELS[model]).complete(facts)
    assert {key: arguments[key] for key in found} == found
    assert ARGUMENTS[model].model_validate(arguments).model_dump() == arguments


@pytest.mark.parametrize(
    ("table", "facts", "message"),
    [
        (MODELS["mlp"], IMAGES | {"shape": (3, 32, 32)}, r"widths \[784, 32, 10\] do not fit data of 3072 numbers"),
        (MODELS["mlp"], IMAGES | {"classes": 9}, "do not fit data of 784 numbers an input and 9 classes"),
        (MODELS["mlp"], LABELLED, "a model 'mlp' needs labelled arrays, which these are not"),
        (MODELS["cnn"] | {"in_channels": 3}, IMAGES, "in_channels is 3 in the recipe and 1 in the data"),
        (MODELS["cnn"], IMAGES | {"shape": (784,)}, r"'cnn' needs images of \(channels, height, width\)"),
        (GPT | {"vocabulary": 256}, TEXT, "vocabulary is 256 in the recipe and 65 in the data"),
        (GPT, IMAGES, "a model 'gpt' needs data with a vocabulary"),
        (MODELS["encoder"], TEXT, "a model 'encoder' needs data with classes"),
    ],
)
def test_data_that_do_not_fit(table: dict[str, Any], facts: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as refusal:
        Recipe.of(table).complete(facts)
    assert refusal.value.hint


def test_names_are_those_that_lipcert_knows() -> None:
    assert set(get_args(ModelName)) == set(ARGUMENTS) == set(ARCHITECTURES)
    assert all(ARCHITECTURES[name].arguments is ARGUMENTS[name] for name in ARGUMENTS)
    assert not Fields.model_fields.keys() & {key for each in ARGUMENTS.values() for key in each.model_fields}


def test_constraints_and_polynomials_are_those_of_the_trainer() -> None:
    from lipcert.training.constraints import CONSTRAINTS
    from lipcert.training.newton_schulz import SETS

    assert get_args(ConstraintName) == tuple(CONSTRAINTS)
    assert get_args(PolynomialsName) == tuple(SETS)


def workspace(root: Path, text: str) -> Path:
    (root / "lipcert.toml").write_text(f"version = 1\n{text}")
    return root


def toml(table: dict[str, Any], name: str = "small") -> str:
    return "\n".join([f"[train.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())])


def test_recipes_stand_in_lipcert_toml(tmp_path: Path) -> None:
    found = load(workspace(tmp_path, toml(GPT | CAPPED | {"eps": 1e-12})))
    assert recipe(found, "small") == Recipe.of(GPT | CAPPED | {"eps": 1e-12})
    with pytest.raises(UsageError, match=r"there is no \[train\.smal\] in lipcert\.toml") as refusal:
        recipe(found, "smal")
    assert refusal.value.hint == "Did you mean 'small'?"


def test_a_workspace_without_recipes_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refusal:
        recipe(load(workspace(tmp_path, "")), "small")
    assert refusal.value.hint == "Known: none"


def test_check_names_every_key_of_every_recipe(tmp_path: Path) -> None:
    text = "\n".join(
        [
            toml(GPT | {"stages": [1], "lr": "fast"}),
            toml(MODELS["mlp"] | {"widths": [1, 2.5]}, "flat"),
            toml(GPT, '"../up"'),
            toml(GPT | {"heads": 3}, "heads"),
        ]
    )
    with pytest.raises(InputError) as refusal:
        load(workspace(tmp_path, text))
    assert [line.partition("toml: ")[2] for line in refusal.value.message.splitlines()[1:]] == [
        "train.small.lr: Input should be a valid number (seen: 'fast')",
        'train.small.stages: belongs to model = "cnn"',
        "train.flat.widths.1: Input should be a valid integer (seen: 2.5)",
        "train.../up: a recipe names the folder of its runs: write letters, digits, '-', '_' and '.' (seen: '../up')",
        "train.heads: width 16 is no multiple of heads 3",
    ]


def test_the_recipe_in_the_template_is_valid(tmp_path: Path) -> None:
    init(tmp_path)
    text = (tmp_path / "lipcert.toml").read_text(encoding="utf-8")
    lines = [line.removeprefix("# ") for line in text.partition("# [train.small]")[2].partition("\n\n")[0].splitlines()]
    assert Recipe.of(tomllib.loads("\n".join(lines))).constraint == "soft_cap"


@pytest.mark.parametrize("module", ["architectures.arguments", "workspace.recipe", "workspace.load"])
def test_recipes_are_read_without_torch(module: str) -> None:
    program = f"import sys, lipcert.{module}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_name_that_architectures_have_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'biuld'"):
        _ = architectures.biuld
