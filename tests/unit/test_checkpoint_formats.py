"""Files that load, in each format and wrapping, with exactly the weights that were saved."""

import argparse
import io
import json
import os
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import Tensor, nn

from lipcert import architectures, checkpoint
from lipcert.checkpoint import lipcert as own
from lipcert.checkpoint.examples import Ids
from lipcert.errors import InputError

ARCH = """
import torch
from torch import nn

class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Linear(4, 4, bias=False)
        self.decode = nn.Linear(4, 4, bias=False)
        self.decode.weight = self.encode.weight

    def forward(self, x):
        return self.decode(torch.relu(self.encode(x)))

def net():
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.BatchNorm1d(3), nn.Linear(3, 2)), torch.rand(1, 4)

def bare():
    return net()[0]

def double():
    return net()[0].double(), torch.rand(1, 4)

def half():
    return net()[0].half(), torch.rand(1, 4).half()

def tied():
    return Tied(), torch.rand(1, 4)

def empty():
    with torch.device("meta"):
        return net()[0], torch.rand(1, 4, device="cpu")
"""


@pytest.fixture
def arch(tmp_path: Path) -> str:
    (tmp_path / "nets.py").write_text(ARCH)
    return f"{tmp_path / 'nets.py'}"


@pytest.fixture
def weights() -> dict[str, Tensor]:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.BatchNorm1d(3), nn.Linear(3, 2))
    return {name: torch.rand_like(t) if t.is_floating_point() else t for name, t in module.state_dict().items()}


def assert_holds(model: checkpoint.Model, weights: Mapping[str, Tensor]) -> None:
    assert model.module is not None
    assert not model.module.training
    loaded = model.module.state_dict()
    assert loaded.keys() == weights.keys()
    assert all(torch.equal(loaded[name].double(), tensor.double()) for name, tensor in weights.items())


def optimiser_state() -> dict[str, Any]:
    module = nn.Linear(4, 3)
    optimiser = torch.optim.Adam(module.parameters())
    module(torch.rand(1, 4)).sum().backward()
    optimiser.step()
    return optimiser.state_dict()


WRAPPINGS: dict[str, tuple[Callable[[dict[str, Tensor]], Any], tuple[str, ...]]] = {
    "plain": (lambda w: w, ()),
    "ordered": (lambda w: OrderedDict(w), ()),
    "parameters": (lambda w: {n: nn.Parameter(t) if t.is_floating_point() else t for n, t in w.items()}, ()),
    "state_dict": (lambda w: {"state_dict": w, "epoch": 3, "acc": torch.tensor(97)}, ("state_dict",)),
    "list": (lambda w: {"state_dict": [w], "err": 0.1}, ("state_dict", "[0]")),
    "tuple": (lambda w: (w, 3), ("[0]",)),
    "deep": (lambda w: {"run": {"model_state": w}}, ("run", "model_state")),
    "with its config": (lambda w: {"model_state": w, "config": {"width": 4, "act": "relu"}}, ("model_state",)),
    "optimiser": (lambda w: {"optimizer": optimiser_state(), "model": w}, ("model",)),
    "average beside": (
        lambda w: {"model_ema": {n: t + 1 for n, t in w.items()}, "model": w},
        ("model",),
    ),
    "twice the same": (lambda w: {"first": w, "second": dict(w)}, ("first",)),
    "data parallel": (lambda w: {f"module.{n}": t for n, t in w.items()}, ("module.*",)),
    "compiled": (lambda w: {f"_orig_mod.{n}": t for n, t in w.items()}, ("_orig_mod.*",)),
    "both": (lambda w: {f"module._orig_mod.{n}": t for n, t in w.items()}, ("module.*",)),
    "inner compiled": (
        lambda w: {n.replace(".", "._orig_mod.", 1): t for n, t in w.items()},
        ("_orig_mod.*",),
    ),
    "trainer": (
        lambda w: {"state_dict": {f"model.{n}": t for n, t in w.items()}, "pytorch-lightning_version": "2"},
        ("state_dict", "model.*"),
    ),
    "split": (
        lambda w: {"head": {n: w[n] for n in w if n[0] == "0"}, "tail": {n: w[n] for n in w if n[0] != "0"}},
        ("head+tail",),
    ),
    "split list": (
        lambda w: [{n: w[n] for n in w if n[0] == "0"}, {n: w[n] for n in w if n[0] != "0"}],
        ("[0]+[1]",),
    ),
    "records": (
        lambda w: {
            "net": w,
            "accuracy": np.float64(0.5),
            "args": argparse.Namespace(lr=0.1),
            "at": Path("x"),
        },
        ("net",),
    ),
    "no batch count": (lambda w: {n: t for n, t in w.items() if "num_batches" not in n}, ()),
}


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", WRAPPINGS)
def test_a_wrapped_state_dict(name: str, legacy: bool, arch: str, weights: dict[str, Tensor], tmp_path: Path) -> None:
    wrap, unwrapped = WRAPPINGS[name]
    path = tmp_path / "model.bin"
    torch.save(wrap(weights), path, _use_new_zipfile_serialization=not legacy)
    model = checkpoint.load(path, arch=f"{arch}:net")
    assert_holds(model, weights)
    assert model.provenance is not None
    assert model.provenance.unwrapped == unwrapped
    assert model.provenance.arch == f"{arch}:net"
    assert model.provenance.format == ("torch.save before 1.6" if legacy else "torch.save")


def test_weights_that_lay_on_a_gpu_are_read_without_one(arch: str, weights: dict[str, Tensor], tmp_path: Path) -> None:
    """A file as torch.save writes it there: its storages name the device."""
    buffer = io.BytesIO()
    torch.save({"state_dict": weights}, buffer)
    path = tmp_path / "gpu.pt"
    with zipfile.ZipFile(buffer) as cpu, zipfile.ZipFile(path, "w") as gpu:
        for entry in cpu.infolist():
            content = cpu.read(entry)
            if entry.filename.endswith("/data.pkl"):
                cpu_name, gpu_name = (b"X" + struct.pack("<I", len(name)) + name for name in (b"cpu", b"cuda:0"))
                assert cpu_name in content
                content = content.replace(cpu_name, gpu_name)
            gpu.writestr(entry.filename, content)
    with pytest.raises(RuntimeError, match="CUDA"):
        torch.load(path)
    assert_holds(checkpoint.load(path, arch=f"{arch}:net"), weights)


def shards_of(weights: dict[str, Tensor], folder: Path) -> Path:
    """Two shards and their index, as transformers names them."""
    names = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    places = {name: names[place % 2] for place, name in enumerate(weights)}
    for file in names:
        save_file({name: t for name, t in weights.items() if places[name] == file}, folder / file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    return index


def test_shards_are_read_by_their_index_or_by_their_folder(
    arch: str, weights: dict[str, Tensor], tmp_path: Path
) -> None:
    index = shards_of(weights, tmp_path)
    found = {place: checkpoint.load(place, arch=f"{arch}:net") for place in (index, tmp_path)}
    for place, model in found.items():
        assert_holds(model, weights)
        assert model.provenance is not None
        assert model.provenance.format == {index: "safetensors in shards", tmp_path: "transformers"}[place]
    assert len({model.provenance.sha256 for model in found.values() if model.provenance is not None}) == 1


def _moved(index: dict[str, Any], to: str) -> dict[str, Any]:
    return {"weight_map": dict.fromkeys(index["weight_map"], to)}


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no map": (lambda index: {"metadata": {}}, "no index of a sharded checkpoint"),
    "an empty map": (lambda index: {"weight_map": {}}, "no weight_map"),
    "a map to numbers": (lambda index: {"weight_map": {"0.weight": 1}}, "no weight_map"),
    "above its folder": (lambda index: _moved(index, "../secret.safetensors"), "outside its folder"),
    "anywhere": (lambda index: _moved(index, "/etc/passwd"), "outside its folder"),
    "no file": (lambda index: _moved(index, ".."), "outside its folder|missing"),
    "a name too long": (lambda index: _moved(index, "x" * 5000), "1 of the 1 shards"),
    "a missing shard": (lambda index: _moved(index, "model-00003-of-00003.safetensors"), "1 of the 1 shards"),
    "a tensor too many": (
        lambda index: {"weight_map": index["weight_map"] | {"more": "model-00001-of-00002.safetensors"}},
        "more is not in model-00001",
    ),
    "a tensor too few": (
        lambda index: {"weight_map": dict(list(index["weight_map"].items())[1:])}, r"is in model-\d[^ ]* unnamed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_an_index_that_contradicts_its_shards_is_refused(
    name: str, arch: str, weights: dict[str, Tensor], tmp_path: Path
) -> None:
    index = shards_of(weights, tmp_path)
    change, expected = BROKEN[name]
    index.write_text(json.dumps(change(json.loads(index.read_text()))))
    with pytest.raises(InputError, match=expected):
        checkpoint.load(index, arch=f"{arch}:net")


def test_two_sets_of_weights_that_fit_are_not_chosen_between(
    arch: str, weights: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save({"student": weights, "teacher": {n: t + 1 for n, t in weights.items()}}, tmp_path / "m.pt")
    with pytest.raises(InputError, match="student and teacher"):
        checkpoint.load(tmp_path / "m.pt", arch=f"{arch}:net")


def test_safetensors_are_read_whatever_they_are_called(arch: str, weights: dict[str, Tensor], tmp_path: Path) -> None:
    save_file(weights, tmp_path / "model.pt")
    assert_holds(checkpoint.load(tmp_path / "model.pt", arch=f"{arch}:net"), weights)


def test_safetensors_whose_header_begins_as_a_pickle_does(
    arch: str, weights: dict[str, Tensor], tmp_path: Path
) -> None:
    """The length of a header is a multiple of 8: one in 32 ends in 0x80, with which a pickle begins."""
    path = tmp_path / "net.safetensors"
    for length in range(0, 256, 8):
        save_file(weights, path, metadata={"note": "n" * length})
        if path.read_bytes()[:1] == b"\x80":
            break
    else:
        raise AssertionError("no such header")
    assert_holds(checkpoint.load(path, arch=f"{arch}:net"), weights)


def test_compressed_archives_are_read_and_not_mapped(arch: str, weights: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(weights, tmp_path / "stored.pt")
    with (
        zipfile.ZipFile(tmp_path / "stored.pt") as stored,
        zipfile.ZipFile(tmp_path / "packed.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for entry in stored.infolist():
            packed.writestr(entry.filename, stored.read(entry))
    assert_holds(checkpoint.load(tmp_path / "packed.pt", arch=f"{arch}:net"), weights)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("function", ["net", "double", "half"])
def test_no_weight_is_rounded(
    dtype: torch.dtype, function: str, arch: str, weights: dict[str, Tensor], tmp_path: Path
) -> None:
    saved = {n: (t.double() / 3).to(dtype) if t.is_floating_point() else t for n, t in weights.items()}
    torch.save(saved, tmp_path / "m.pt")
    model = checkpoint.load(tmp_path / "m.pt", arch=f"{arch}:{function}")
    assert_holds(model, saved)
    assert model.module is not None
    assert len({t.dtype for t in model.module.state_dict().values() if t.is_floating_point()}) == 1
    model.module(*model.example_inputs)


def test_tied_weights_stay_one_parameter(arch: str, tmp_path: Path) -> None:
    value = torch.rand(4, 4)
    torch.save({"encode.weight": value, "decode.weight": value.clone()}, tmp_path / "m.pt")
    assert_tied(checkpoint.load(tmp_path / "m.pt", arch=f"{arch}:tied"), value)


@pytest.mark.parametrize("kept", ["encode.weight", "decode.weight"])
def test_one_name_of_tied_weights_is_enough(kept: str, arch: str, tmp_path: Path) -> None:
    value = torch.rand(4, 4)
    torch.save({kept: value}, tmp_path / "m.pt")
    assert_tied(checkpoint.load(tmp_path / "m.pt", arch=f"{arch}:tied"), value)


def test_safetensors_that_dropped_a_tied_name_load(arch: str, tmp_path: Path) -> None:
    module = checkpoint.arch.build(f"{arch}:tied")[0]
    save_model(module, str(tmp_path / "m.safetensors"))
    assert_tied(checkpoint.load(tmp_path / "m.safetensors", arch=f"{arch}:tied"), module.state_dict()["encode.weight"])


def test_tied_names_that_contradict_each_other_are_refused(arch: str, tmp_path: Path) -> None:
    torch.save({"encode.weight": torch.ones(4, 4), "decode.weight": torch.zeros(4, 4)}, tmp_path / "m.pt")
    with pytest.raises(InputError, match=r"encode\.weight and decode\.weight"):
        checkpoint.load(tmp_path / "m.pt", arch=f"{arch}:tied")


def assert_tied(model: checkpoint.Model, value: Tensor) -> None:
    assert isinstance(model.module, nn.Module)
    assert model.module.encode.weight is model.module.decode.weight
    assert torch.equal(model.module.encode.weight, value)


def test_a_network_built_on_the_meta_device_gets_its_values(
    arch: str, weights: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save(weights, tmp_path / "m.pt")
    assert_holds(checkpoint.load(tmp_path / "m.pt", arch=f"{arch}:empty"), weights)


def test_input_shapes_replace_the_example_and_leave_the_batch_out(
    arch: str, weights: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save(weights, tmp_path / "m.pt")
    model = checkpoint.load(tmp_path / "m.pt", arch=f"{arch}:bare", inputs=[(4,)])
    assert [tuple(x.shape) for x in model.example_inputs] == [(1, 4)]
    again = checkpoint.load(tmp_path / "m.pt", arch=f"{arch}:bare", inputs=[(4,)])
    assert torch.equal(model.example_inputs[0], again.example_inputs[0])


@pytest.mark.filterwarnings("ignore")
def test_a_trusted_pickle_is_executed_only_on_request(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(2, 2))
    torch.save(module, tmp_path / "m.pt")
    with pytest.raises(InputError, match="Nothing was executed"):
        checkpoint.load(tmp_path / "m.pt", inputs=[(2,)])
    model = checkpoint.load(tmp_path / "m.pt", inputs=[(2,)], trust_pickle=True)
    assert_holds(model, module.state_dict())


@pytest.mark.parametrize(
    ("architecture", "arguments", "shape"),
    [
        ("mlp", {"widths": [4, 3, 2], "activation": "tanh", "bias": False}, (4,)),
        ("cnn", {"in_channels": 1, "classes": 3, "stages": [2, 4]}, (1, 8, 8)),
        ("cnn", {"in_channels": 2, "classes": 3, "stages": [2], "batch_norm": False}, (2, 4, 4)),
    ],
)
def test_our_own_checkpoint_needs_nothing_else(
    architecture: str, arguments: dict[str, Any], shape: tuple[int, ...], tmp_path: Path
) -> None:
    module = architectures.build(architecture, arguments).eval()
    path = tmp_path / "m.safetensors"
    own.save(path, module, architecture, arguments, shape)
    model = checkpoint.load(path)
    assert_holds(model, module.state_dict())
    assert model.provenance is not None
    assert model.provenance.format == "lipcert"
    assert tuple(model.example_inputs[0].shape) == (1, *shape)
    assert model.module is not None
    assert torch.equal(model.module(*model.example_inputs), module(*model.example_inputs))
    assert os.listdir(tmp_path) == ["m.safetensors"]  # noqa: PTH208  hidden files count


TOKENS = {"vocabulary": 7, "context": 6, "width": 4, "heads": 2, "layers": 1}


def test_our_own_checkpoint_of_a_network_of_token_ids(tmp_path: Path) -> None:
    module, path = architectures.build("gpt", TOKENS).eval(), tmp_path / "m.safetensors"
    own.save(path, module, "gpt", TOKENS, (6,), "int64")
    model = checkpoint.load(path)
    assert [(x.shape, x.dtype) for x in model.example_inputs] == [((1, 6), torch.int64)]
    assert model.module is not None
    assert torch.equal(model.module(*model.example_inputs), module(*model.example_inputs))
    shorter = checkpoint.load(path, inputs=[Ids((3,))])
    assert shorter.example_inputs[0].shape == (1, 3)


def test_a_program_of_token_ids(tmp_path: Path) -> None:
    module, ids = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2)).eval(), torch.tensor([[4, 0, 1]])
    torch.export.save(torch.export.export(module, (ids,)), tmp_path / "m.pt2")
    model = checkpoint.load(tmp_path / "m.pt2")
    assert torch.equal(model.example_inputs[0], ids)
    assert model.program is not None
    assert torch.equal(model.program.module()(ids), module(ids))


def test_token_ids_may_be_mixed_with_other_inputs(arch: str, weights: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(weights, tmp_path / "m.pt")
    x, ids = checkpoint.load(tmp_path / "m.pt", arch=f"{arch}:bare", inputs=[(4,), Ids((2, 3))]).example_inputs
    assert (x.shape, ids.shape, ids.dtype) == ((1, 4), (1, 2, 3), torch.int64)
