"""Folders of transformers that describe no network that can be loaded: the refusal says what to do."""

import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from lipcert.checkpoint import memory
from lipcert.errors import InputError, LipcertError, ResourceError, UnsupportedError, UsageError
from tests.unit.huggingface_folders import edit, load, refusal, saved


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    return saved("BertForSequenceClassification", tmp_path)


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


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"position_embedding_type": "relative_key"}, "position_embedding_type: 'relative_key'"),
        ({"pruned_heads": {"0": [1]}}, "pruned_heads"),
    ],
)
def test_what_this_version_of_transformers_computes_in_another_way_is_refused(
    keys: dict[str, Any], expected: str, bert: Path
) -> None:
    edit(bert, **keys)
    text = refusal(bert, UnsupportedError)
    assert expected in text
    assert "--arch" in text


def test_a_network_that_needs_more_than_one_input_is_refused(bert: Path) -> None:
    edit(bert, chunk_size_feed_forward=2)
    assert "does not take one input" in refusal(bert, UnsupportedError)
