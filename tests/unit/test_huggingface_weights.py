"""Weights in folders of transformers: exactly those of the files are in the network, or it is refused."""

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from lipcert.errors import InputError, UsageError
from tests.soundness.tiny_transformers import tiny
from tests.unit.huggingface_folders import IDS, edit, edit_weights, load, refusal, saved, values


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    return saved("BertForSequenceClassification", tmp_path)


@pytest.fixture
def gpt2(tmp_path: Path) -> Path:
    return saved("GPT2LMHeadModel", tmp_path)


@pytest.mark.parametrize("name", ["GPT2LMHeadModel", "ViTForImageClassification"])
def test_shards_are_one_network(name: str, tmp_path: Path) -> None:
    tiny(name).save_pretrained(tmp_path, max_shard_size="4KB")
    assert not (tmp_path / "model.safetensors").exists()
    model = load(tmp_path, inputs=None if "ViT" in name else IDS)
    for key, weight in tiny(name).state_dict().items():
        assert torch.equal(values(model.module)[key], weight)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_no_weight_is_rounded(dtype: torch.dtype, gpt2: Path) -> None:
    edit_weights(gpt2, lambda tensors: {name: t.to(dtype) for name, t in tensors.items()})
    edit(gpt2, dtype=str(dtype).removeprefix("torch."))
    wide = torch.promote_types(dtype, torch.float32)
    found = values(load(gpt2).module)
    for key, weight in load_file(gpt2 / "model.safetensors").items():
        assert torch.equal(found[key], weight.to(wide))


def test_types_are_widened_to_one_that_holds_all(gpt2: Path) -> None:
    half = "transformer.wpe.weight"
    edit_weights(gpt2, lambda tensors: tensors | {half: tensors[half].to(torch.bfloat16)})
    found = values(load(gpt2).module)
    assert {t.dtype for t in found.values()} == {torch.float32}
    assert torch.equal(found[half], tiny("GPT2LMHeadModel").transformer.wpe.weight.to(torch.bfloat16).float())


def test_tied_weights_stay_one_parameter(gpt2: Path) -> None:
    assert "lm_head.weight" not in load_file(gpt2 / "model.safetensors")
    network: Any = load(gpt2).module
    assert network.network.lm_head.weight is network.network.transformer.wte.weight


@pytest.mark.parametrize("tied", [True, False])
def test_names_with_values_of_their_own_are_two_parameters_whatever_the_config_says(tied: bool, gpt2: Path) -> None:
    edit_weights(gpt2, lambda tensors: tensors | {"lm_head.weight": tensors["transformer.wte.weight"] + 1})
    edit(gpt2, tie_word_embeddings=tied)
    network: Any = load(gpt2).module
    assert torch.equal(network.network.lm_head.weight, network.network.transformer.wte.weight + 1)


def test_names_of_older_versions_are_understood(bert: Path) -> None:
    def aged(tensors: dict[str, Tensor]) -> Mapping[str, Tensor]:
        old = {n.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): t
               for n, t in tensors.items()}  # fmt: skip
        return old | {"bert.embeddings.position_ids": torch.arange(12)[None]}

    edit_weights(bert, aged)
    model = load(bert)
    assert model.provenance is not None
    assert model.provenance.left_out == ("bert.embeddings.position_ids",)
    found = values(model.module)
    for key, weight in tiny("BertForSequenceClassification").state_dict().items():
        assert torch.equal(found[key], weight)


def test_causal_masks_that_older_versions_saved_are_left_out(gpt2: Path) -> None:
    mask = {"transformer.h.0.attn.bias": torch.ones(1, 1, 12, 12).tril()}
    edit_weights(gpt2, lambda tensors: tensors | mask)
    found = load(gpt2).provenance
    assert found is not None
    assert found.left_out == tuple(mask)


def test_the_head_of_another_task_is_left_out_and_told(bert: Path) -> None:
    edit(bert, architectures=["BertModel"])
    model = load(bert)
    assert model.provenance is not None
    assert model.provenance.left_out == ("classifier.bias", "classifier.weight")
    assert "of the file these tensors are left out: classifier.bias, classifier.weight" in model.assumes
    assert model.output == "last_hidden_state"


def without(name: str) -> Callable[[dict[str, Tensor]], Mapping[str, Tensor]]:
    return lambda tensors: {key: value for key, value in tensors.items() if key != name}


def test_what_is_missing_is_never_made_up(bert: Path) -> None:
    name = "bert.encoder.layer.1.output.dense.weight"
    edit_weights(bert, without(name))
    text = refusal(bert, InputError)
    assert f"missing in the file: {name} (16, 24)" in text
    assert "at random" in text


def test_a_missing_head_is_refused(tmp_path: Path) -> None:
    saved("BertModel", tmp_path)
    edit(tmp_path, architectures=["BertForSequenceClassification"])
    assert "missing in the file: classifier.weight" in refusal(tmp_path, InputError)


MISFITS: dict[str, tuple[dict[str, Any], str]] = {
    "a layer too many": ({"num_hidden_layers": 1}, r"unknown to the network: bert\.encoder\.layer\.1"),
    "a layer too few": ({"num_hidden_layers": 3}, r"missing in the file: bert\.encoder\.layer\.2"),
    "another width": ({"intermediate_size": 30}, r"other shape: bert\.encoder\.layer\.\d\.\w+\.dense\.weight is "),
    "another vocabulary": ({"vocab_size": 51}, r"\(51, 16\) in the network and \(50, 16\) in the file"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_weights_of_another_config_are_refused(name: str, bert: Path) -> None:
    keys, expected = MISFITS[name]
    edit(bert, **keys)
    with pytest.raises(InputError, match=expected):
        load(bert)


def test_a_bias_that_the_network_does_not_have_is_refused(tmp_path: Path) -> None:
    saved("LlamaForCausalLM", tmp_path)
    edit_weights(tmp_path, lambda tensors: tensors | {"model.norm.bias": torch.ones(16)})
    assert "model.norm.bias" in refusal(tmp_path, InputError)


def test_weights_that_are_no_numbers_are_refused(bert: Path) -> None:
    name = "classifier.bias"
    edit_weights(bert, lambda tensors: tensors | {name: tensors[name] * torch.nan})
    assert name in refusal(bert, InputError)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('this code was run')",)


def test_a_pickle_is_read_only_when_told_and_its_code_never_runs(bert: Path) -> None:
    tensors = load_file(bert / "model.safetensors")
    torch.save(tensors, bert / "pytorch_model.bin")
    edit_weights(bert, lambda tensors: tensors | {"classifier.bias": torch.ones(2)})
    assert torch.equal(values(load(bert).module)["classifier.bias"], torch.ones(2))
    (bert / "model.safetensors").unlink()
    assert "--trust-pickle" in refusal(bert, UsageError)
    assert torch.equal(values(load(bert, trust_pickle=True).module)["classifier.bias"], tensors["classifier.bias"])
    torch.save(tensors | {"classifier.bias": Evil()}, bert / "pytorch_model.bin")
    refusal(bert, InputError, trust_pickle=True)
    (bert / "pytorch_model.bin").write_bytes(pickle.dumps(Evil()))
    refusal(bert, InputError, trust_pickle=True)


def test_a_pointer_to_the_weights_is_no_file_of_weights(bert: Path) -> None:
    (bert / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    assert "git lfs pull" in refusal(bert, InputError)
