"""Folders that transformers saved: exactly the network in them, or a refusal that says what to do."""

import json
import pickle
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import lipcert
from lipcert.checkpoint import memory
from lipcert.checkpoint.model import Model
from lipcert.errors import InputError, LipcertError, ResourceError, UnsupportedError, UsageError
from tests.soundness.tiny_transformers import FAMILIES, TOKENS, WORDS, tiny

IDS = [lipcert.Ids((TOKENS,))]
SOME = torch.tensor([[3, 7, 7, 49, 5], [9, 2, 30, 4, 8]])


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    return saved("BertForSequenceClassification", tmp_path)


@pytest.fixture
def gpt2(tmp_path: Path) -> Path:
    return saved("GPT2LMHeadModel", tmp_path)


def saved(name: str, folder: Path) -> Path:
    tiny(name).save_pretrained(folder)
    return folder


def edit(folder: Path, **keys: Any) -> None:
    """Keys of config.json; None takes one out."""
    path = folder / "config.json"
    content = json.loads(path.read_text()) | keys
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def edit_weights(folder: Path, change: Callable[[dict[str, Tensor]], Mapping[str, Tensor]]) -> None:
    path = folder / "model.safetensors"
    # A copy: what is read is mapped from the file that is replaced.
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    save_file(dict(change(tensors)), path, {"format": "pt"})


def load(folder: Path, **more: Any) -> Model:
    return lipcert.load(folder, inputs=more.pop("inputs", IDS), **more)


def values(module: Any) -> dict[str, Tensor]:
    return dict(module.network.state_dict())


def refusal(folder: Path, kind: type[LipcertError], **more: Any) -> str:
    with pytest.raises(kind) as refused:
        load(folder, **more)
    assert refused.value.hint
    return str(refused.value)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_network_is_the_one_that_was_saved(name: str, tmp_path: Path) -> None:
    network = tiny(name)
    image = "ViT" in name
    model = load(saved(name, tmp_path), inputs=None if image else IDS)
    assert model.module is not None
    x = torch.rand(2, 3, 8, 8) if image else SOME
    found, expected = model.module(x), network(x)
    assert model.output == ("last_hidden_state" if isinstance(found, dict) else "")
    named = found if isinstance(found, dict) else {next(iter(expected)): found}
    for key, value in named.items():
        torch.testing.assert_close(value, expected[key], rtol=1e-6, atol=1e-6)
    for key, weight in network.state_dict().items():
        assert torch.equal(values(model.module)[key], weight)
    assert model.provenance is not None
    assert model.provenance.format == "transformers"
    assert not model.provenance.left_out
    assert not any(part.training for part in model.module.modules())


def test_an_image_network_knows_its_input_and_takes_no_other(tmp_path: Path) -> None:
    saved("ViTModel", tmp_path)
    assert load(tmp_path, inputs=None).example_inputs[0].shape == (1, 3, 8, 8)
    assert load(tmp_path, inputs=[(3, 8, 8)]).example_inputs[0].shape == (1, 3, 8, 8)
    assert "3×8×8" in refusal(tmp_path, UsageError, inputs=[(3, 9, 9)])


@pytest.mark.parametrize("name", ["BertForSequenceClassification", "RobertaForSequenceClassification"])
def test_padding_is_masked_and_moves_no_position(name: str, tmp_path: Path) -> None:
    network, model = tiny(name), load(saved(name, tmp_path))
    pad = network.config.pad_token_id
    short = torch.cat([SOME[:1, :3], torch.full((1, 2), pad)], 1)
    assert model.module is not None
    expected = network(short, attention_mask=(short != pad).long()).logits
    torch.testing.assert_close(model.module(short), expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(network(short[:, :3]).logits, expected, rtol=1e-5, atol=1e-5)
    assert not bool((model.example_inputs[0] == pad).any())


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
    for key, weight in load_file(gpt2 / "model.safetensors").items():
        assert torch.equal(values(load(gpt2).module)[key], weight.to(wide))


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
    for key, weight in tiny("BertForSequenceClassification").state_dict().items():
        assert torch.equal(values(model.module)[key], weight)


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


def test_everything_that_speaks_against_a_config_is_said_at_once(bert: Path) -> None:
    edit(
        bert, auto_map={"AutoModel": "modeling.Evil"}, quantization_config={"quant_method": "gptq"},
        is_encoder_decoder=True, architectures=None, model_type=None,
    )  # fmt: skip
    (bert / "modeling.py").write_text("raise SystemExit('this code was run')")
    text = refusal(bert, UnsupportedError)
    assert all(key in text for key in ("auto_map", "gptq", "is_encoder_decoder", "architectures", "model_type"))
    assert "--arch" in text


@pytest.mark.parametrize(
    ("keys", "kind", "expected"),
    [
        ({"model_type": "nonesuch"}, UnsupportedError, "does not know the model_type 'nonesuch'"),
        ({"architectures": ["BertForEverything"]}, UnsupportedError, "BertForEverything.*BertForMaskedLM"),
        ({"architectures": ["GPT2LMHeadModel"]}, UnsupportedError, "GPT2LMHeadModel.*BertModel"),
        ({"hidden_size": "wide"}, InputError, "no config of bert"),
        ({"hidden_size": 15}, InputError, "cannot be built from its config"),
    ],
)
def test_a_config_that_names_no_network_is_refused(
    keys: dict[str, Any], kind: type[LipcertError], expected: str, bert: Path
) -> None:
    edit(bert, **keys)
    with pytest.raises(kind, match=expected):
        load(bert)


def test_weights_that_are_no_numbers_are_refused(bert: Path) -> None:
    name = "classifier.bias"
    edit_weights(bert, lambda tensors: tensors | {name: tensors[name] * torch.nan})
    assert name in refusal(bert, InputError)


def test_half_a_folder_says_which_half_is_missing(bert: Path) -> None:
    (bert / "config.json").rename(bert / "kept.json")
    assert "no config.json" in refusal(bert, InputError)
    (bert / "kept.json").rename(bert / "config.json")
    (bert / "model.safetensors").unlink()
    assert "no weights" in refusal(bert, InputError)
    (bert / "tf_model.h5").touch()
    assert "only tf_model.h5" in refusal(bert, InputError)
    (bert / "adapter_config.json").write_text("{}")
    assert "merge_and_unload" in refusal(bert, InputError)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": ' * 20_000])
def test_a_config_that_is_no_table_is_refused(content: str, bert: Path) -> None:
    (bert / "config.json").write_text(content)
    assert "config.json" in refusal(bert, InputError)


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


def test_a_text_network_asks_for_its_length_and_has_a_longest(tmp_path: Path) -> None:
    saved("RobertaModel", tmp_path)
    for inputs in (None, [(TOKENS,)], [lipcert.Ids((2, TOKENS))], [*IDS, *IDS]):
        assert "--input ids:" in refusal(tmp_path, UsageError, inputs=inputs)
    assert "ids:10" in refusal(tmp_path, UsageError, inputs=[lipcert.Ids((11,))])
    assert load(tmp_path, inputs=[lipcert.Ids((10,))]).example_inputs[0].shape == (1, 10)


def test_the_tokenizer_of_the_folder_is_the_checkpoints_own(bert: Path) -> None:
    assert not load(bert).metadata
    (bert / "tokenizer.json").write_text("{}")
    told = json.loads(load(bert).metadata["lipcert.training"])
    assert told["tokens"]["path"] == str(bert / "tokenizer.json")
    assert len(told["tokens"]["sha256"]) == 64


def test_nothing_is_fetched_and_nothing_printed(
    bert: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    load(bert)
    assert capfd.readouterr() == ("", "")


def test_a_config_that_would_fetch_another_network_is_refused_without_a_connection(
    bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def refuse(*given: object, **_: object) -> None:
        tried.append(given)
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    edit(bert, model_type="dpt", architectures=["DPTModel"], backbone="some/repository")
    assert "nothing is downloaded" in refusal(bert, UnsupportedError)
    inside = {"model_type": "rt_detr", "backbone": "some/repository"}
    edit(bert, model_type="vision-text-dual-encoder", backbone=None, vision_config=inside, text_config={})
    with pytest.raises(LipcertError):
        load(bert)
    assert not tried


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert "pip install 'lipcert[hf]'" in refusal(bert, UsageError)


def test_more_than_there_is_memory_is_refused(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = (bert / "model.safetensors").stat().st_size
    monkeypatch.setattr(memory, "physical", lambda: size // 2)
    assert "GiB" in refusal(bert, ResourceError)


def test_a_config_of_a_network_larger_than_memory_is_refused_before_it_is_made(
    bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(bert, num_hidden_layers=50, intermediate_size=20_000)
    monkeypatch.setattr(memory, "physical", lambda: 2**26)
    assert "GiB" in refusal(bert, ResourceError)


def test_the_hash_is_of_config_and_weights(bert: Path) -> None:
    def sha256() -> str:
        found = load(bert).provenance
        assert found is not None
        return found.sha256

    before = sha256()
    assert before == sha256()
    edit(bert, layer_norm_eps=1e-6)
    assert before != sha256()


def test_a_text_with_ids_beyond_the_vocabulary_is_refused(bert: Path) -> None:
    model = load(bert)
    assert model.module is not None
    with pytest.raises(LipcertError, match="token id"):
        lipcert.bound(model.module, torch.full((1, TOKENS), WORDS))
