"""Programs of torch.export, made for a batch of one, as networks that attacks and certificates take."""

import copy
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

import lipcert
from lipcert.attacks.embedding import embedding, table
from lipcert.attacks.exported import Exported, weights_of
from lipcert.attacks.harness import run
from lipcert.attacks.target import Target
from lipcert.certificate.document import hashes
from lipcert.errors import InputError, UnsupportedError, UsageError
from tests.unit.attack.networks import classifier, images, plan, transformer
from tests.unit.onnx_files import export_dynamo


def export(network: nn.Module, *inputs: Tensor) -> ExportedProgram:
    return torch.export.export(network.eval(), inputs)


class Viewed(nn.Module):
    """With the shape of its batch written out, as in many an old network."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm, self.last = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(144, 5)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.conv(x)))
        return self.last(x.view(x.size(0), -1))


class Typed(nn.Module):
    """Export writes the types of the inputs, of a buffer and of a constant into its operations."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 3)
        self.register_buffer("scale", torch.rand(4), persistent=False)
        self.mean = torch.rand(4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x.to(self.first.weight.dtype) - self.mean) * torch.tensor([1.0, 2.0, 3.0, 4.0])
        return self.last((x + torch.arange(4, dtype=x.dtype)) * self.scale)


class Scattered(nn.Module):
    """With an operation that insists on one type, and takes another than float64 by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros(1, 4).scatter(1, torch.arange(4)[None], self.last(x))


class Functional(nn.Module):
    """An embedding that is no module."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.rows, self.last = nn.Parameter(torch.randn(30, 6)), nn.Linear(48, 4)

    def forward(self, ids: Tensor) -> dict[str, Tensor]:
        return {"ids": ids, "logits": self.last(nn.functional.embedding(ids, self.rows).flatten(1))}


@pytest.mark.parametrize("make", [classifier, Viewed])
def test_a_program_is_attacked_and_certified_as_the_module_it_was_exported_from(make: type[nn.Module]) -> None:
    network = make().eval()
    x, y = images(network, 8)
    program = export(network, x[:1])
    ways = {"norm": "l2", "eps": (0.02, 0.5), "low": 0.0, "high": 1.0, "steps": 5}
    ours, theirs = (lipcert.attack(each, x, y, **ways) for each in (program, network))  # type: ignore[arg-type]
    assert torch.equal(ours.prediction, theirs.prediction)
    assert ours.fooled.any()
    assert torch.equal(ours.fooled, theirs.fooled)
    assert torch.allclose(ours.radius, theirs.radius, rtol=1e-3)
    assert torch.allclose(ours.margin64, theirs.margin64, rtol=1e-3, atol=1e-5, equal_nan=True)
    proved = [
        lipcert.certify(each, x, y, norm="l2", domain=lipcert.Box(0, 1), seconds=0.0) for each in (program, network)
    ]
    assert torch.equal(proved[0].radius, proved[1].radius)
    assert bool((proved[0].radius[:, 0] <= ours.radius).all())


def test_types_that_are_written_into_a_program_are_widened() -> None:
    network, x = Typed(), torch.rand(6, 4)
    target = Target(Exported(export(network, x[:1]), (x[:1],), None, ""))
    double = copy.deepcopy(network).double()
    double.mean = network.mean.double()
    with torch.no_grad():
        wide, exact = target.double()(x.double()), double(x.double())
        assert wide.dtype == torch.float64
        assert float((wide - exact).abs().max()) < 1e-12
        assert torch.equal(target(x), torch.cat([network(row) for row in x.split(1)]))


def test_of_a_program_that_insists_on_its_types_no_margin_in_float64_is_known() -> None:
    network, x = Scattered(), torch.rand(6, 4)
    with torch.no_grad():
        y = torch.cat([network(row) for row in x.split(1)]).argmax(1)
    found = lipcert.attack(export(network, x[:1]), x, y, norm="linf", eps=0.9, low=0.0, high=1.0, attacks=("pgd",))
    assert found.fooled.any()
    assert bool(found.margin64.isnan().all())


@pytest.mark.parametrize("kind", ["encoder", "gpt"])
@pytest.mark.parametrize("source", ["", "blocks.0"])
def test_what_is_perturbed_inside_a_program_is_what_is_perturbed_inside_the_module(kind: str, source: str) -> None:
    network, ids = transformer(kind)
    exported = Exported(export(network, ids[:1]), (ids[:1],), source, "")
    ours, x = embedding(exported, ids, source=source)
    theirs, expected = embedding(network, ids, source=source)
    assert ours.place == theirs.place
    assert torch.allclose(x, expected, atol=1e-6)
    with torch.no_grad():
        assert torch.allclose(ours(x + 0.1), theirs(x + 0.1), atol=1e-5)
        some = torch.tensor([3, 3, 0])
        assert torch.allclose(ours.select(some)(x[some]), network(ids)[some], atol=1e-5)
        assert torch.allclose(ours.double()(x.double()).float(), network(ids), atol=1e-5)


def test_an_embedding_without_a_module_is_attacked_and_has_no_table_for_swaps() -> None:
    ids = torch.randint(30, (6, 8), generator=torch.Generator().manual_seed(0))
    program = export(Functional(), ids[:1])
    exported = Exported(program, (ids[:1],), "", "logits")
    target, x = embedding(exported, ids, output="logits")
    assert (target.place, x.shape) == ("embedding", (6, 8, 6))
    y = target(x).argmax(1)
    found = lipcert.attack(program, ids, y, norm="token-l2", eps="1", steps=5, output="logits")
    assert found.accuracy == 1.0
    assert found.fooled.any()
    with pytest.raises(UnsupportedError, match="no plain table"):
        table(target)


def test_labels_beside_other_outputs() -> None:
    ids = torch.randint(30, (3, 8))
    network = Functional()
    returned = Exported(export(network, ids[:1]), (ids[:1],), None, "")(ids)
    assert torch.equal(returned["ids"], ids)
    assert torch.allclose(returned["logits"], network(ids)["logits"], atol=1e-6)


def test_programs_that_take_other_inputs_are_refused() -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x + y

    x = torch.rand(4, 3)
    y = torch.zeros(4, dtype=torch.int64)
    ways = {"norm": "l2", "eps": 0.1}
    with pytest.raises(UnsupportedError, match="takes 2 inputs"):
        lipcert.attack(export(Two(), x[:1], x[:1]), x, y, **ways)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="captured for"):
        lipcert.attack(export(nn.Linear(3, 2), x), x, y, **ways)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="batch of 4"):
        Exported(export(nn.Linear(3, 2), x), (x,), None, "")
    with pytest.raises(UsageError, match=r"no module '9'"):
        lipcert.attack(export(classifier(), images(classifier(), 1)[0]), *images(classifier(), 2), source="9", **ways)  # type: ignore[arg-type]


def test_the_weights_of_a_program_are_those_that_its_bound_states() -> None:
    x = torch.rand(1, 4)
    program = export(Typed(), x)
    stated = lipcert.bound(program, x, seconds=0.0).certificate["weights_sha256"]
    assert hashes(weights_of(program)) == stated
    assert {"scale", "mean", "first.weight"} <= set(stated)


def test_a_network_that_writes_out_the_shape_of_images_is_attacked() -> None:
    network = Viewed().eval()
    x, y = images(network, 6)
    assert run(Target(network), x, y, plan("fgsm")).accuracy == 1.0


@pytest.mark.parametrize("kind", ["onnx", "torchscript"])
def test_a_network_from_a_file_is_attacked_inside_as_its_module_is(kind: str, tmp_path: Path) -> None:
    network, ids = transformer()
    network.eval()
    path, y = tmp_path / "net", network(ids).argmax(-1)
    if kind == "onnx":
        export_dynamo(network, (ids[:1],), path)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.trace(network, ids[:1]).save(str(path))
    loaded = lipcert.load(path, inputs=[lipcert.Ids((8,))], trust_pickle=True).module
    assert loaded is not None
    ways = {"norm": "token-l2", "eps": ["1/10", "1"], "attacks": ["fgsm"]}
    ours, theirs = (lipcert.attack(each, ids, y, **ways) for each in (loaded, network))  # type: ignore[arg-type]
    assert ours.robust_accuracy == theirs.robust_accuracy
    assert torch.allclose(ours.adversarial, theirs.adversarial, atol=1e-4)


def test_a_program_of_any_number_of_examples_may_hold_constants() -> None:
    x = torch.rand(3, 4)
    program = torch.export.export(Typed().eval(), (x,), dynamic_shapes=({0: torch.export.Dim("n")},))
    bounds = [lipcert.bound(each, x[:1], seconds=0.0).upper for each in (program, export(Typed(), x[:1]))]
    assert bounds[0] == bounds[1]
