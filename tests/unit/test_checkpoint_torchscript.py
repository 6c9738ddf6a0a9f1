"""TorchScript archives written by torch.jit: captured when they are trusted, refused with the way out when not."""

import builtins
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lipcert
from lipcert import checkpoint
from lipcert.certificate.check import check
from lipcert.errors import InputError, LipcertError, UnsupportedError, UsageError
from lipcert.graph.capture import capture, trace
from tests.soundness.attack import module_ratio
from tests.unit.onnx_files import ViT, cnn, mlp, resnet, seeded

Write = Callable[[nn.Module, tuple[int, ...], Path], Path]


def script(module: nn.Module, shape: tuple[int, ...], path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(module).save(str(path))
    return path


def traced(module: nn.Module, shape: tuple[int, ...], path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(module, torch.rand(1, *shape)).save(str(path))
    return path


def frozen(module: nn.Module, shape: tuple[int, ...], path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.freeze(torch.jit.script(module)).save(str(path))
    return path


def encoder_layer() -> nn.Module:
    """Without gradients torch runs it as one operation of its own, with them as those that it consists of."""
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu")


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], Write]] = {
    "MLP, scripted": (mlp, (6,), script),
    "CNN, scripted": (cnn, (1, 16, 16), script),
    "CNN, traced": (cnn, (1, 16, 16), traced),
    "residual CNN, traced": (resnet, (1, 8, 8), traced),
    "residual CNN, frozen": (resnet, (1, 8, 8), frozen),
    "ViT, traced": (ViT, (1, 8, 8), traced),
    "encoder layer, scripted": (encoder_layer, (3, 8), script),
}


def loaded(path: Path, shape: tuple[int, ...]) -> tuple[nn.Module, Tensor]:
    model = checkpoint.load(path, inputs=[shape], trust_pickle=True)
    assert model.module is not None
    return model.module, model.example_inputs[0]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_bounded_verified_and_attacked(name: str, tmp_path: Path) -> None:
    build, shape, write = NETWORKS[name]
    original = seeded(build)
    module, example = loaded(write(original, shape, tmp_path / "net"), shape)
    torch.testing.assert_close(module(example), original(example), atol=1e-5, rtol=1e-5)
    found = lipcert.bound(module, example, domain=lipcert.Box(0, 1), seconds=0.1)
    assert 0 < module_ratio(module, shape, "l2", (0.0, 1.0), starts=6, rounds=1, steps=6) <= found.upper * (1 + 1e-9)
    check(found.certificate, trace(capture(module, (example,)), (example,)), "")


@pytest.mark.parametrize("write", [script, traced])
def test_weights_and_layers_have_the_names_of_the_module(write: Write, tmp_path: Path) -> None:
    original = seeded(resnet)
    module, example = loaded(write(original, (1, 8, 8), tmp_path / "net"), (1, 8, 8))
    state, expected = module.state_dict(), original.state_dict()
    assert state.keys() == {name for name in expected if "num_batches" not in name}
    assert all(torch.equal(state[name], expected[name]) for name in state)
    paths = set(lipcert.bound(module, example, seconds=0.0).layers["path"])
    assert {"0", "1.one", "1.norm", "1.two", "4"} <= paths


def test_a_batch_is_computed_example_by_example(tmp_path: Path) -> None:
    original = seeded(ViT)
    module, _ = loaded(traced(original, (1, 8, 8), tmp_path / "net"), (1, 8, 8))
    x = torch.rand(5, 1, 8, 8)
    torch.testing.assert_close(module(x), original(x), atol=1e-5, rtol=1e-5)


class Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.shared = self.layer

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y = self.layer(x)
        return {"first": y, "second": torch.relu(self.shared(x) + y)}


def test_outputs_keep_their_names_and_tied_weights_are_one(tmp_path: Path) -> None:
    module, example = loaded(script(seeded(Named), (4,), tmp_path / "net"), (4,))
    assert len(module.state_dict()) == 2
    assert lipcert.bound(module, example, output="second", seconds=0.0).upper > 0


def test_without_trust_nothing_is_executed_and_both_ways_out_are_named(tmp_path: Path) -> None:
    path = script(seeded(mlp), (6,), tmp_path / "net")
    with pytest.raises(InputError, match="Nothing was executed") as caught:
        checkpoint.load(path, inputs=[(6,)])
    assert "--trust-pickle" in caught.value.hint
    assert "--arch" in caught.value.hint


def test_a_trusted_program_gives_its_weights_to_an_architecture(tmp_path: Path) -> None:
    path = script(seeded(mlp), (6,), tmp_path / "net")
    (tmp_path / "nets.py").write_text("from tests.unit.onnx_files import mlp as net\n")
    model = checkpoint.load(path, arch=f"{tmp_path / 'nets.py'}:net", inputs=[(6,)], trust_pickle=True)
    assert model.module is not None
    assert torch.equal(model.module.state_dict()["0.weight"], seeded(mlp).state_dict()["0.weight"])


def test_the_shape_of_the_input_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="shape of the input is not known"):
        checkpoint.load(script(seeded(mlp), (6,), tmp_path / "net"), trust_pickle=True)


class Decides(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if bool(x.sum() > 0):
            return x * 2
        return x * 3


class Counts(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.nonzero(x > 0.5).shape[0]


class Lists(nn.Module):
    """Jumps where no random input gets."""

    def forward(self, x: Tensor) -> Tensor:
        entries: list[float] = x.flatten().tolist()
        return x * (100 if entries[0] > 1000 else 1)


class Prints(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * (100 if "nan" in str(x) else 1)


class Remembers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(4))

    def forward(self, x: Tensor) -> Tensor:
        self.seen.add_(1.0)
        return x + self.seen


class CountsCalls(nn.Module):
    """A number that is in no state dict, and matters after some calls."""

    calls: int

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * (100.0 if self.calls > 50 else 1.0)


class Collects(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.seen = [torch.zeros(1)]

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        return x * (100.0 if len(self.seen) > 50 else 1.0)


class KeepsTheLast(nn.Module):
    """By less than rounding."""

    def __init__(self) -> None:
        super().__init__()
        self.last = torch.zeros(1, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = x + 1e-12 * self.last
        self.last = x
        return y


class CountsStored(nn.Module):
    """How many entries are stored is how many are not zero."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (100.0 if x.to_sparse()._nnz() < 4 else 1.0)


class AsksForGradients(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * (100.0 if torch.is_grad_enabled() else 1.0)


class AsksItsInput(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * (100.0 if x.requires_grad else 1.0)


class Random(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.rand_like(x)


class Several(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, int]:
        return x * 2, x.shape[1]


REFUSED: dict[str, tuple[Callable[[], nn.Module], type[LipcertError], str]] = {
    "control flow that depends on data": (Decides, UnsupportedError, r"if bool.*Control flow that depends on data"),
    "a size that depends on data": (Counts, UnsupportedError, "looks at values"),
    "a list of values": (Lists, UnsupportedError, "reads values while it runs .prim::tolist"),
    "values as text": (Prints, UnsupportedError, "reads values while it runs .aten::str"),
    "state that changes": (Remembers, UnsupportedError, "not what TorchScript computes|changes its own state"),
    "a count of its calls": (CountsCalls, UnsupportedError, "changes its own state"),
    "a list that grows": (Collects, UnsupportedError, "changes its own state"),
    "the input before": (KeepsTheLast, UnsupportedError, "changes its own state"),
    "a number of entries": (CountsStored, UnsupportedError, "reads values while it runs .aten::_nnz"),
    "whether gradients are wanted": (AsksForGradients, UnsupportedError, "not what TorchScript computes"),
    "whether the input wants gradients": (AsksItsInput, UnsupportedError, "not what TorchScript computes"),
    "randomness": (Random, UnsupportedError, "not what TorchScript computes"),
    "a number beside tensors": (Several, UnsupportedError, "among its tensors"),
    "another shape": (mlp, UnsupportedError, "wrong --input"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_captured_is_refused_naming_the_way_out(name: str, tmp_path: Path) -> None:
    build, kind, message = REFUSED[name]
    with pytest.raises(kind, match=message) as caught:
        loaded(script(seeded(build), (4,), tmp_path / "net"), (4,))
    assert "--arch" in caught.value.hint


def test_train_mode_is_refused(tmp_path: Path) -> None:
    path = script(nn.Sequential(nn.Linear(4, 4), nn.Dropout()), (4,), tmp_path / "net")
    with pytest.raises(UnsupportedError, match=r"train mode[^$]*eval\(\)"):
        loaded(path, (4,))


@pytest.mark.filterwarnings("ignore")
def test_dropout_that_tracing_kept_in_train_mode_is_refused(tmp_path: Path) -> None:
    torch.jit.trace(nn.Sequential(nn.Linear(4, 4), nn.Dropout()), torch.rand(1, 4), check_trace=False).eval().save(
        str(tmp_path / "net")
    )
    with pytest.raises(UnsupportedError):
        loaded(tmp_path / "net", (4,))


@pytest.mark.filterwarnings("ignore")
def test_packed_weights_of_quantised_layers_are_refused(tmp_path: Path) -> None:
    quantised = torch.ao.quantization.quantize_dynamic(seeded(mlp).eval(), {nn.Linear}).eval()
    with pytest.raises(UnsupportedError, match="packed weights"):
        loaded(script(quantised, (6,), tmp_path / "net"), (6,))


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    module = seeded(mlp)
    module[0].weight.data[0, 0] = torch.nan  # type: ignore[index, union-attr]
    with pytest.raises(InputError, match=r"NaN or infinite: 0\.weight"):
        loaded(script(module, (6,), tmp_path / "net"), (6,))


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = script(seeded(mlp), (6,), tmp_path / "whole")
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(tmp_path / "net", "w") as damaged:
        for entry in whole.infolist():
            damaged.writestr(entry.filename, whole.read(entry).replace(b"def forward", b"dif forward"))
    with pytest.raises(InputError, match="cannot load"):
        loaded(tmp_path / "net", (6,))


def test_where_torch_can_record_it_no_more_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real = script(seeded(mlp), (6,), tmp_path / "net"), builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name == "torch.fx.experimental.proxy_tensor":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(UnsupportedError, match="cannot record TorchScript any more") as caught:
        loaded(path, (6,))
    assert "--arch" in caught.value.hint
