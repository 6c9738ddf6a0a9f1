"""`lipcert.inspect`: what a file is, what is in it, and a command and a stub that work as they stand."""

import json
import shlex
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import lipcert
from lipcert.checkpoint.contents import look
from lipcert.checkpoint.contents.layers import layers
from tests.soundness.tiny_transformers import tiny
from tests.unit.onnx_files import cnn, export, seeded, write

CHAINS: dict[str, nn.Module] = {
    "mlp": nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3, bias=False)),
    "flat": nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3)),
    "norms": nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 6), nn.LayerNorm(6)),
    "cnn": nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 8, 3, padding=1),
        nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 49, 10),
    ),
    "unpadded": nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 24 * 24, 10)
    ),
    "depthwise": nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.ReLU(), nn.Flatten(),
        nn.Linear(6 * 64, 2),
    ),
    "containers": nn.Sequential(
        OrderedDict(
            features=nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            flatten=nn.Flatten(),
            classifier=nn.Sequential(nn.Linear(4 * 256, 16), nn.ReLU(), nn.Linear(16, 10)),
        )
    ),
    "named": nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 6, 5), a=nn.ReLU(), b=nn.MaxPool2d(2), conv2=nn.Conv2d(6, 16, 5), c=nn.ReLU(),
            d=nn.MaxPool2d(2), e=nn.Flatten(), fc1=nn.Linear(256, 20), f=nn.ReLU(), fc2=nn.Linear(20, 10),
        )
    ),
}  # fmt: skip
PLAIN = ("mlp", "flat", "cnn", "unpadded", "depthwise", "containers", "named")
"""Those whose guess is the network itself: ReLU, maxima of two, and nothing else."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


SLOW = ("cnn", "unpadded", "named")
"""Whose bound takes longer than a few seconds."""


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in CHAINS])
def test_the_stub_of_a_chain_takes_its_weights_and_can_be_bounded(name: str) -> None:
    network = CHAINS[name].eval()
    torch.save(network.state_dict(), "weights.pt")
    found = lipcert.inspect("weights.pt")
    assert found.problems == ()
    Path("net.py").write_text(found.stub)
    model = lipcert.load("weights.pt", arch="net.py:net")
    assert model.module is not None
    expected, held = network.state_dict(), model.module.state_dict()
    assert expected.keys() == held.keys()
    assert all(torch.equal(expected[key], held[key]) for key in expected)
    if name in PLAIN:
        (x,) = model.example_inputs
        torch.testing.assert_close(model.module(x), network(x))
    assert lipcert.bound("weights.pt", arch="net.py:net", seconds=0.01).upper > 0


def test_the_order_of_safetensors_is_that_of_numbers() -> None:
    deep = nn.Sequential(*(part for _ in range(6) for part in (nn.Linear(4, 4), nn.ReLU())), nn.Linear(4, 2))
    save_file(deep.state_dict(), "weights.safetensors")
    found = lipcert.inspect("weights.safetensors")
    assert [each.path for each in found.layers] == ["0", "2", "4", "6", "8", "10", "12"]
    Path("net.py").write_text(found.stub)
    assert lipcert.bound("weights.safetensors", arch="net.py:net", seconds=0.01).upper > 0


def test_what_does_not_follow_each_other_is_a_skeleton_that_takes_the_weights() -> None:
    network = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 3, enable_nested_tensor=False
    )
    torch.save(network.state_dict(), "weights.pt")
    found = lipcert.inspect("weights.pt")
    assert "attention qkv 8 → 24" in found.layers[0].what
    assert "for _ in range(3)" in found.stub
    Path("net.py").write_text(found.stub)
    model = lipcert.load("weights.pt", arch="net.py:net")
    assert model.module is not None
    assert model.module.state_dict().keys() == network.state_dict().keys()
    with pytest.raises(lipcert.UnsupportedError, match="say here how the parts are joined"):
        lipcert.bound(model)


def test_names_of_a_file_cannot_become_code(here: Path) -> None:
    name = '"): __import__("os").system("touch pwned"), ("'
    save_file({f"{name}.weight": torch.rand(2, 2), "b\n.weight": torch.rand(3, 3)}, "weights.safetensors")
    Path("net.py").write_text(lipcert.inspect("weights.safetensors").stub)
    lipcert.load("weights.safetensors", arch="net.py:net", inputs=[(2,)])
    assert not (here / "pwned").exists()


@pytest.mark.parametrize(
    ("wrap", "where"),
    [
        (lambda state: state, ()),
        (lambda state: {"state_dict": state, "epoch": 3, "optimizer": {"state": {}}}, ("state_dict",)),
        (lambda state: {"model": {f"module.{k}": v for k, v in state.items()}}, ("model", "module.*")),
        (lambda state: {"model_state": state, "config": {"lr": 0.1}}, ("model_state",)),
    ],
)
def test_wrappers_are_told_and_what_lies_beside(wrap: Any, where: tuple[str, ...]) -> None:
    state = CHAINS["mlp"].half().state_dict()
    CHAINS["mlp"].float()
    torch.save(wrap(state), "checkpoint")
    found = lipcert.inspect("checkpoint")
    assert found.groups[0].where == where
    assert [each.dtype for each in found.groups[0].entries] == ["float16"] * 3
    assert found.groups[0].entries[0].shape == (8, 4)
    assert found.groups[0].entries[0].bytes == 64
    if "epoch" in wrap(state):
        assert found.metadata["beside"] == "epoch, optimizer"


def test_stages_in_a_list_are_guessed_together() -> None:
    parts = list(CHAINS["mlp"].state_dict().items())
    torch.save([dict(parts[:2]), dict(parts[2:])], "stages.pt")
    found = lipcert.inspect("stages.pt")
    assert [group.where for group in found.groups] == [("[0]",), ("[1]",)]
    assert [layer.path for layer in found.layers] == ["0", "2"]


def test_tied_weights_and_numbers_that_are_none_are_told() -> None:
    weight = torch.rand(4, 4)
    torch.save({"a.weight": weight, "b.weight": weight, "c.weight": torch.full((2, 4), torch.nan)}, "weights.pt")
    found = lipcert.inspect("weights.pt")
    assert [(each.same_as, each.not_finite) for each in found.groups[0].entries] == [("", 0), ("a.weight", 0), ("", 8)]
    assert "NaN" in found.problems[0].message
    assert found.command == ""


def _paths(folder: Path) -> dict[str, Path]:
    network = seeded(cnn)
    program = torch.export.export(network, (torch.rand(1, 1, 8, 8),))
    torch.export.save(program, folder / "net.pt2")
    export(network, (1, 8, 8), folder / "net.onnx")
    tiny("GPT2LMHeadModel").save_pretrained(folder / "gpt2")
    tiny("ViTForImageClassification").save_pretrained(folder / "vit")
    return {name: folder / name for name in ("net.pt2", "net.onnx", "gpt2", "vit")}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return _paths(tmp_path_factory.mktemp("written"))


@pytest.mark.parametrize(
    ("name", "kind", "core", "domain"),
    [
        ("net.pt2", "torch.export", "conv", True), ("net.onnx", "ONNX", "conv", True),
        ("gpt2", "transformers", "attention", False), ("vit", "transformers", "attention", True),
    ],
)  # fmt: skip
def test_a_file_with_a_graph_says_what_it_uses_and_gives_a_command_that_loads(
    name: str, kind: str, core: str, domain: bool, written: dict[str, Path]
) -> None:
    found = lipcert.inspect(written[name])
    assert found.format == kind
    assert found.problems == ()
    assert core in found.core
    assert all(each.bounded for each in (*found.operations, *found.onnx))
    assert found.domain_guessed is domain
    words = shlex.split(found.command)
    assert words[:3] == ["lipcert", "bound", str(written[name])]
    assert ("--input" in words) == (name == "gpt2")
    assert (
        found.sha256
        == lipcert.load(written[name], inputs=[lipcert.Ids((4,))] if name == "gpt2" else None).provenance.sha256
    )  # type: ignore[union-attr]
    json.dumps(found.to_json(), allow_nan=False)


def test_onnx_says_what_it_says_also_where_operations_are_not_understood(here: Path) -> None:
    path = write(
        here / "m.onnx", "g (float[1,4] x) => (float[1,4] y) { s = Det(W) y = Add(x, s) }", W=torch.eye(4).numpy()
    )
    found = lipcert.inspect(path)
    assert {each.name: each.bounded for each in found.onnx} == {"Det": False, "Add": True}
    assert found.metadata["inputs"] == ["x (1, 4)"]
    assert "Det" in found.problems[0].message
    assert found.command == ""


def test_nothing_is_executed_unless_it_is_trusted(here: Path) -> None:
    torch.save(CHAINS["mlp"], "module.pt")
    found = lipcert.inspect("module.pt")
    assert found.groups == ()
    assert "--trust-pickle" in found.problems[0].hint
    trusted = lipcert.inspect("module.pt", inputs=[(4,)], trust_pickle=True)
    assert trusted.metadata["class"] == "Sequential"
    assert trusted.command == "lipcert bound module.pt --input 4 --trust-pickle"


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\x89PNG\r\n\x1a\n", "a PNG picture"), (b"<html>", "web page"), (b"\x00\x01\x02", "unknown kind"),
     (b"PK\x03\x04 cut off", "truncated or damaged")],
)  # fmt: skip
def test_a_file_that_is_none_of_these_is_named(content: bytes, words: str) -> None:
    Path("file").write_bytes(content)
    found = lipcert.inspect("file")
    assert (found.format, found.size) == ("", len(content))
    assert words in found.problems[0].message + found.problems[0].hint


def test_a_damaged_file_says_what_it_begins_as() -> None:
    torch.save(CHAINS["mlp"].state_dict(), "weights.pt")
    save_file({"a": torch.rand(64)}, "weights.safetensors")
    Path("cut.safetensors").write_bytes(Path("weights.safetensors").read_bytes()[:-8])
    found = lipcert.inspect("cut.safetensors")
    assert found.format == "safetensors"
    assert "cannot be read" in found.problems[0].message


def test_a_config_without_weights_and_weights_without_config(written: dict[str, Path], here: Path) -> None:
    for kept in ("config.json", "model.safetensors"):
        (here / kept[:3]).mkdir()
        (here / kept[:3] / kept).write_bytes((written["gpt2"] / kept).read_bytes())
    assert "has no weights" in lipcert.inspect("con").problems[0].message
    assert lipcert.inspect("con").metadata["model_type"] == "gpt2"
    assert "no config.json" in lipcert.inspect("mod").problems[0].message
    assert len(lipcert.inspect("mod").groups[0].entries) > 10


def test_what_is_no_file_is_refused() -> None:
    with pytest.raises(lipcert.InputError, match="does not exist"):
        lipcert.inspect("nowhere.pt")


def test_layers_of_every_kind_are_named() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tok_emb, self.cls = nn.Embedding(9, 4), nn.Parameter(torch.rand(1, 4))
            self.norm, self.qkv = nn.RMSNorm(4), nn.Linear(4, 12)

    torch.save(Net().state_dict(), "weights.pt")
    said = {each.path: each.what for each in layers(look(Path("weights.pt")).tensors)}
    assert said["tok_emb"] == "embedding of 9 → 4"
    assert said["qkv"] == "linear 4 → 12 (attention qkv)"
    assert "RMS norm" in said["norm"]
    assert "cls" in said[""]


def test_a_network_built_by_arch_is_inspected_as_a_whole() -> None:
    torch.save(CHAINS["mlp"].state_dict(), "weights.pt")
    Path("mine.py").write_text(
        "from torch import nn\n"
        "def net():\n    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3, bias=False))\n"
    )
    found = lipcert.inspect("weights.pt", arch="mine.py:net", inputs=[(4,)])
    assert found.stub == ""
    assert {each.name for each in found.operations} == {"aten.linear.default", "aten.tanh.default"}
    assert found.command == "lipcert bound weights.pt --arch mine.py:net --input 4"
