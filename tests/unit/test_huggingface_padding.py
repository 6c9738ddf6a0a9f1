"""Which tokens are masked, and what is said of it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from lipcert.attacks.texts import tokens_of
from lipcert.checkpoint.model import Model
from lipcert.data.tokens import tokenizer_of
from lipcert.errors import InputError
from tests.soundness.tiny_transformers import tiny
from tests.unit.huggingface_folders import SOME, edit, load, refusal, saved


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    return saved("BertForSequenceClassification", tmp_path)


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


def masked(model: Model, token: int) -> bool:
    """Whether what stands behind a token of this id does not depend on that the token is there."""
    assert model.module is not None
    ids = torch.cat([SOME[:1, :3], torch.full((1, 2), token)], 1)
    return torch.allclose(model.module(ids), model.module(ids[:, :3]), rtol=1e-5, atol=1e-5)


def without_padding(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"pad_token_id": None}))


NAMES: dict[str, dict[str, dict[str, Any]]] = {
    "padding of tokenizer.json": {"tokenizer.json": {"padding": {"pad_id": 7, "pad_token": "[PAD]"}}},
    "a token of tokenizer.json": {
        "tokenizer.json": {"added_tokens": [{"id": 7, "content": "[PAD]"}]},
        "tokenizer_config.json": {"pad_token": "[PAD]"},
    },
    "a token with properties": {
        "tokenizer_config.json": {"pad_token": {"content": "<p>"}, "added_tokens_decoder": {"7": {"content": "<p>"}}}
    },
    "a vocabulary": {
        "tokenizer.json": {"model": {"vocab": {"a": 0, "<p>": 7}}},
        "special_tokens_map.json": {"pad_token": "<p>"},
    },
    "a list of pieces": {
        "tokenizer.json": {"model": {"vocab": [[f"w{i}", 0.0] for i in range(9)]}},
        "special_tokens_map.json": {"pad_token": "w7"},
    },
}


@pytest.mark.parametrize("name", NAMES)
def test_a_tokenizer_that_fills_up_with_another_token_than_the_config_is_refused(name: str, bert: Path) -> None:
    for file, content in NAMES[name].items():
        (bert / file).write_text(json.dumps(content))
    text = refusal(bert, InputError)
    assert "0 in config.json" in text
    assert f"7 in {list(NAMES[name])[-1]}" in text
    edit(bert, pad_token_id=7)
    model = load(bert)
    assert masked(model, 7)
    assert not masked(model, 0)


def test_the_tokenizers_token_is_masked_where_the_config_names_none(bert: Path) -> None:
    without_padding(bert)
    assert "no token is masked, as the folder names none that fills up" in load(bert).assumes
    (bert / "vocab.txt").write_text("a\nb\n[PAD]\n")
    (bert / "tokenizer_config.json").write_text(json.dumps({"pad_token": "[PAD]"}))
    model = load(bert)
    assert masked(model, 2)
    assert "tokens of id 2, which fill texts up, are masked" in model.assumes


def test_nothing_is_masked_where_no_token_reaches_those_before_it(tmp_path: Path) -> None:
    saved("GPT2LMHeadModel", tmp_path)
    (tmp_path / "tokenizer.json").write_text(json.dumps({"padding": {"pad_id": 7}}))
    assert load(tmp_path).assumes == ("no token is masked, as none that fills up stands before another",)


@pytest.mark.parametrize("decoder", [False, True])
def test_a_network_that_continues_texts_by_name_and_looks_ahead_has_its_padding_masked(
    decoder: bool, tmp_path: Path
) -> None:
    saved("BertForMaskedLM", tmp_path)
    edit(tmp_path, architectures=["BertLMHeadModel"], is_decoder=decoder)
    told = "none that fills up stands before another" if decoder else "id 0, which fill texts up, are masked"
    assert any(told in each for each in load(tmp_path).assumes)
    assert "all tokens are of type 0" in load(tmp_path).assumes


def test_data_are_filled_up_with_the_token_that_is_masked(bert: Path) -> None:
    words = Tokenizer(WordLevel({"<fill>": 0, "[UNK]": 1, "good": 2, "[PAD]": 3}, unk_token="[UNK]"))
    words.save(str(bert / "tokenizer.json"))
    (bert / "tokenizer_config.json").write_text(json.dumps({"pad_token": "<fill>"}))
    model = load(bert)
    assert masked(model, 0)
    assert tokenizer_of(tokens_of(model.metadata)).pad == 0
