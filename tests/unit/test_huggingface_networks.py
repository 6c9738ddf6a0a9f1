"""Folders that transformers saved: exactly the network in them."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import lipcert
from lipcert.errors import LipcertError, UsageError
from tests.soundness.tiny_transformers import CONFIGS, FAMILIES, TOKENS, WORDS, tiny
from tests.unit.huggingface_folders import IDS, SOME, edit, load, refusal, saved, values


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    return saved("BertForSequenceClassification", tmp_path)


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


_TEXT, _ROTARY, _IMAGE = (CONFIGS[name][1] for name in ("bert", "llama", "vit"))
MORE: dict[str, tuple[str, dict[str, Any]]] = {
    "GemmaForCausalLM": ("GemmaConfig", _ROTARY | {"head_dim": 4}),
    "PhiForCausalLM": ("PhiConfig", _TEXT),
    "GPTNeoXForCausalLM": ("GPTNeoXConfig", _TEXT),
    "OPTForCausalLM": ("OPTConfig", _TEXT | {"ffn_dim": 24, "word_embed_proj_dim": 8, "do_layer_norm_before": False}),
    "AlbertModel": ("AlbertConfig", _TEXT | {"embedding_size": 8}),
    "ElectraForSequenceClassification": ("ElectraConfig", _TEXT | {"embedding_size": 8}),
    "DeiTForImageClassification": ("DeiTConfig", _IMAGE),
    "CLIPVisionModel": ("CLIPVisionConfig", _IMAGE),
}
_QUICK = ("GemmaForCausalLM", "ElectraForSequenceClassification")


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in _QUICK else pytest.mark.slow) for n in MORE])
def test_networks_of_more_families_are_those_that_were_saved(name: str, tmp_path: Path) -> None:
    kind, arguments = MORE[name]
    torch.manual_seed(0)
    network: Any = getattr(transformers, name)._from_config(getattr(transformers, kind)(**arguments)).eval()
    with torch.no_grad():
        for part in network.parameters():
            part.normal_()
    network.save_pretrained(tmp_path)
    image = network.main_input_name == "pixel_values"
    model = load(tmp_path, inputs=None if image else IDS)
    assert model.module is not None
    found, expected = model.module(x := torch.rand(2, 3, 8, 8) if image else SOME), network(x)
    named = found if isinstance(found, dict) else {next(iter(expected)): found}
    for key, value in named.items():
        torch.testing.assert_close(value, expected[key], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "rope",
    [
        {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4},
        {
            "rope_type": "longrope", "factor": 4.0, "rope_theta": 1e4, "original_max_position_embeddings": 3,
            "short_factor": [1.0, 1.5], "long_factor": [2.0, 3.0],
        },
    ],
)  # fmt: skip
def test_positions_that_depend_on_the_length_are_those_of_this_length(rope: dict[str, Any], tmp_path: Path) -> None:
    edit(saved("LlamaForCausalLM", tmp_path), rope_parameters=rope)
    model = load(tmp_path)
    network: Any = transformers.LlamaForCausalLM.from_pretrained(tmp_path).eval()
    assert model.module is not None
    torch.testing.assert_close(model.module(SOME), network(SOME).logits, rtol=1e-4, atol=1e-5)
    assert lipcert.bound(model, seconds=0.0).log10_upper < 300


def test_kernels_that_a_config_asks_for_do_not_matter(bert: Path) -> None:
    edit(bert, attn_implementation="flash_attention_2")
    model = load(bert)
    assert model.module is not None
    expected = tiny("BertForSequenceClassification")(SOME).logits
    torch.testing.assert_close(model.module(SOME), expected, rtol=1e-6, atol=1e-6)


def test_keys_that_transformers_does_not_know_are_told(bert: Path) -> None:
    assert not any("config.json" in each for each in load(bert).assumes)
    edit(bert, gate_of_its_own=2.0)
    (told,) = (each for each in load(bert).assumes if "config.json" in each)
    assert told.endswith("does not know these keys of config.json: gate_of_its_own")


def test_images_of_any_size_are_asked_for_theirs(tmp_path: Path) -> None:
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1], layer_type="basic")
    transformers.ResNetForImageClassification(config).save_pretrained(tmp_path)
    assert "--input 3,224,224" in refusal(tmp_path, UsageError, inputs=None)
    assert load(tmp_path, inputs=[(3, 16, 16)]).example_inputs[0].shape == (1, 3, 16, 16)
