"""torch.export programs: what is read exactly, and what never executes."""

import io
import logging
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lipcert import checkpoint
from lipcert.errors import InputError, UnsupportedError, UsageError

from . import pt2_attacks


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 2, 3)
        self.normalise = nn.BatchNorm2d(2)
        self.dense = nn.Linear(72, 3)
        self.register_buffer("shift", torch.tensor([1.0, 2.0, 3.0]), persistent=False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        hidden = torch.relu(self.normalise(self.convolution(x))).flatten(1)
        return {"logits": self.dense(hidden) + self.shift, "hidden": hidden}


@pytest.fixture
def module() -> nn.Module:
    torch.manual_seed(0)
    return Branches().eval()


def save(program: torch.export.ExportedProgram, path: Path) -> Path:
    torch.export.save(program, path)
    return path


def test_a_program_computes_what_the_module_computes(module: nn.Module, tmp_path: Path) -> None:
    x = torch.rand(1, 1, 8, 8)
    model = checkpoint.load(save(torch.export.export(module, (x,)), tmp_path / "model.pt2"))
    assert model.program is not None
    assert model.module is None
    assert torch.equal(model.example_inputs[0], x)
    assert torch.equal(model.program.module()(x)["logits"], module(x)["logits"])
    assert all(torch.equal(tensor, module.state_dict()[name]) for name, tensor in model.program.state_dict.items())


def test_nodes_keep_their_module_paths(module: nn.Module, tmp_path: Path) -> None:
    model = checkpoint.load(save(torch.export.export(module, (torch.rand(1, 1, 8, 8),)), tmp_path / "model.pt2"))
    assert model.program is not None
    paths = {
        node.name: [path for path, _ in node.meta.get("nn_module_stack", {}).values()]
        for node in model.program.graph.nodes
    }
    assert paths["conv2d"] == ["", "convolution"]


def test_a_symbolic_batch_becomes_a_batch_of_one(module: nn.Module, tmp_path: Path) -> None:
    x = torch.rand(4, 1, 8, 8)
    program = torch.export.export(module, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    model = checkpoint.load(save(program, tmp_path / "model.pt2"))
    assert model.program is not None
    assert [tuple(each.shape) for each in model.example_inputs] == [(1, 1, 8, 8)]
    assert model.program.range_constraints == {}
    torch.testing.assert_close(model.program.module()(x[:1])["logits"], module(x)["logits"][:1])


@pytest.mark.parametrize("text", ["s0 +", "9**9**9", "(" * 5000, "f(1)", "Symbol('a b')", "Integer(x)", "1.5", "'s0'"])
def test_a_symbolic_size_is_sums_and_products_of_names(text: str, module: nn.Module, tmp_path: Path) -> None:
    entries, path = pt2_attacks.sound(), tmp_path / "model.pt2"
    size = {"as_expr": {"expr_str": text, "hint": {"as_int": 1}}}

    def change(tree: Any) -> None:
        tree["graph_module"]["graph"]["tensor_values"]["input"]["sizes"][0] = size

    entries[pt2_attacks.PROGRAM] = pt2_attacks.edited(entries[pt2_attacks.PROGRAM], change)
    pt2_attacks.write(entries, path)
    with pytest.raises(InputError, match=r"torch\.export did not write"):
        checkpoint.load(path)


def test_keyword_inputs_come_flat_in_the_order_of_the_placeholders(tmp_path: Path) -> None:
    class Sum(nn.Module):
        def forward(self, x: Tensor, *, pair: tuple[Tensor, Tensor]) -> Tensor:
            return x + pair[0] - pair[1]

    x, y, z = torch.rand(3, 1, 2)
    program = torch.export.export(Sum(), (x,), {"pair": (y, z)})
    model = checkpoint.load(save(program, tmp_path / "model.pt2"))
    assert [torch.equal(a, b) for a, b in zip(model.example_inputs, (x, y, z), strict=True)] == [True] * 3


def test_half_precision_weights_stay_exact(tmp_path: Path) -> None:
    module = nn.Linear(4, 3).to(torch.bfloat16).eval()
    program = torch.export.export(module, (torch.rand(1, 4).bfloat16(),))
    model = checkpoint.load(save(program, tmp_path / "model.pt2"))
    assert model.program is not None
    assert torch.equal(model.program.state_dict["weight"], module.weight)


def test_weights_that_share_storage_keep_their_values(tmp_path: Path) -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            whole = torch.arange(12.0).reshape(3, 4)
            self.register_buffer("whole", whole)
            self.register_buffer("turned", whole.t())
            self.register_buffer("part", whole[1:, ::2])

        def forward(self, x: Tensor) -> Tensor:
            return (x @ self.turned) @ self.whole + self.part.sum()

    module = Shared().eval()
    model = checkpoint.load(save(torch.export.export(module, (torch.rand(1, 4),)), tmp_path / "model.pt2"))
    assert model.program is not None
    assert all(torch.equal(model.program.state_dict[n], t) for n, t in module.state_dict().items())


def test_the_archive_of_older_versions_is_read_too(module: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    x = torch.rand(1, 1, 8, 8)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in legacy_entries(module, x).items():
            archive.writestr(name, content)
    model = checkpoint.load(path)
    assert model.program is not None
    assert torch.equal(model.program.module()(x)["logits"], module(x)["logits"])


def legacy_entries(module: nn.Module, x: Tensor) -> dict[str, bytes]:
    from torch._export.serde.serialize import serialize

    artifact = serialize(torch.export.export(module, (x,)))
    return {
        "version": b"8.8",
        "serialized_exported_program.json": artifact.exported_program,
        "serialized_state_dict.pt": artifact.state_dict,
        "serialized_constants.pt": artifact.constants,
        "serialized_example_inputs.pt": artifact.example_inputs,
    }


@pytest.mark.parametrize("name", pt2_attacks.ATTACKS)
def test_code_in_an_archive_is_refused_and_not_run(name: str, tmp_path: Path) -> None:
    entries, marker, path = pt2_attacks.sound(), tmp_path / "marker", tmp_path / "model.pt2"
    pt2_attacks.ATTACKS[name](entries, marker)
    pt2_attacks.write(entries, path)
    with pytest.raises(InputError) as refusal:
        checkpoint.load(path)
    assert refusal.value.hint
    assert not marker.exists()


@pytest.mark.parametrize(
    "entry", ["serialized_state_dict.pt", "serialized_constants.pt", "serialized_example_inputs.pt"]
)
def test_code_in_an_older_archive_is_refused_and_not_run(entry: str, module: nn.Module, tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / "model.pt2"
    entries = legacy_entries(module, torch.rand(1, 1, 8, 8)) | {entry: pt2_attacks.torch_pickle(marker)}
    pt2_attacks.write(entries, path, root="")
    with pytest.raises(InputError, match="Nothing was executed"):
        checkpoint.load(path)
    assert not marker.exists()


@pytest.mark.filterwarnings("ignore")
def test_the_attacks_are_real_torch_runs_the_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)  # torch logs the fallback, wrongly
    entries, marker, path = pt2_attacks.sound(), tmp_path / "marker", tmp_path / "model.pt2"
    pt2_attacks.ATTACKS["pickled example inputs"](entries, marker)
    pt2_attacks.write(entries, path)
    torch.export.load(path)
    assert marker.exists()


def test_guards_written_as_code_are_left_out(tmp_path: Path) -> None:
    entries, marker, path = pt2_attacks.sound(), tmp_path / "marker", tmp_path / "model.pt2"
    code = f"open({str(marker)!r}, 'w')"
    entries[pt2_attacks.PROGRAM] = pt2_attacks.edited(
        entries[pt2_attacks.PROGRAM], lambda tree: tree.update(guards_code=[code])
    )
    pt2_attacks.write(entries, path)
    model = checkpoint.load(path)
    assert model.program is not None
    model.program.module()(*model.example_inputs)
    assert not marker.exists()


def test_the_entries_that_attacks_start_from_are_sound(tmp_path: Path) -> None:
    pt2_attacks.write(pt2_attacks.sound(), tmp_path / "model.pt2")
    assert checkpoint.load(tmp_path / "model.pt2").program is not None


def _false_size(entries: pt2_attacks.Entries) -> None:
    def change(tree: Any) -> None:
        tree["config"]["1.weight"]["tensor_meta"]["sizes"][0] = {"as_int": 10**9}

    entries[pt2_attacks.WEIGHTS] = pt2_attacks.edited(entries[pt2_attacks.WEIGHTS], change)


def _other_shape(entries: pt2_attacks.Entries) -> None:
    def change(tree: Any) -> None:
        tree["graph_module"]["graph"]["tensor_values"]["p_1_weight"]["sizes"] = [{"as_int": 2}, {"as_int": 4}]

    entries[pt2_attacks.PROGRAM] = pt2_attacks.edited(entries[pt2_attacks.PROGRAM], change)


def _other_input(entries: pt2_attacks.Entries) -> None:
    buffer = io.BytesIO()
    torch.save(((torch.rand(1, 5),), {}), buffer)
    entries[pt2_attacks.SAMPLES] = buffer.getvalue()


def _no_weights(entries: pt2_attacks.Entries) -> None:
    del entries["data/weights/weight_0"]


def _no_graph(entries: pt2_attacks.Entries) -> None:
    entries[pt2_attacks.PROGRAM] = b"[" * 100_000


@pytest.mark.parametrize("damage", [_false_size, _other_shape, _other_input, _no_weights, _no_graph])
def test_an_archive_that_contradicts_itself_is_refused(damage, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    entries, path = pt2_attacks.sound(), tmp_path / "model.pt2"
    damage(entries)
    pt2_attacks.write(entries, path)
    with pytest.raises(InputError):
        checkpoint.load(path)


def test_complex_weights_are_refused_by_name(tmp_path: Path) -> None:
    class Turn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.turn = nn.Parameter(torch.ones(2, dtype=torch.complex64))

        def forward(self, x: Tensor) -> Tensor:
            return (x * self.turn).real

    path = save(torch.export.export(Turn(), (torch.rand(1, 2),)), tmp_path / "model.pt2")
    with pytest.raises(UnsupportedError, match="turn"):
        checkpoint.load(path)


def test_nan_weights_are_refused_by_name(tmp_path: Path) -> None:
    module = nn.Linear(2, 2)
    module.weight.data[0, 0] = torch.nan
    path = save(torch.export.export(module, (torch.rand(1, 2),)), tmp_path / "model.pt2")
    with pytest.raises(InputError, match=r"weight \(1 of 4 values\)"):
        checkpoint.load(path)


def test_a_program_takes_no_arch_and_no_input(module: nn.Module, tmp_path: Path) -> None:
    path = save(torch.export.export(module, (torch.rand(1, 1, 8, 8),)), tmp_path / "model.pt2")
    with pytest.raises(UsageError, match="holds its architecture"):
        checkpoint.load(path, inputs=[(1, 8, 8)])


def test_a_gpu_program_is_read_onto_the_cpu(tmp_path: Path) -> None:
    entries, path = pt2_attacks.sound(), tmp_path / "model.pt2"
    for name in (pt2_attacks.PROGRAM, pt2_attacks.WEIGHTS):
        entries[name] = entries[name].replace(b'{"type": "cpu", "index": null}', b'{"type": "cuda", "index": 0}')
    pt2_attacks.write(entries, path)
    model = checkpoint.load(path)
    assert model.program is not None
    assert {tensor.device.type for tensor in model.program.state_dict.values()} == {"cpu"}
    assert {node.meta["val"].device.type for node in model.program.graph.find_nodes(op="placeholder")} == {"cpu"}
