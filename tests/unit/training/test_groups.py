"""Parameters by role, their scales, and the groups of a recipe."""

from itertools import product

import pytest
import torch
from torch import nn

from lipcert import architectures
from lipcert.errors import UnsupportedError
from lipcert.training.constraints import AIM
from lipcert.training.groups import groups, roles
from lipcert.training.optimizer import update_bound
from tests.unit.training.recipes import gpt, recipe


def by_role(model: nn.Module) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for part in roles(model):
        found.setdefault(part.role, []).append(part.name)
    return found


def test_a_gpt_has_all_four_roles() -> None:
    found = by_role(gpt(bias=True, norm="layer", positions="learned"))
    assert found["embedding"] == ["embedding.weight", "positions.weight"]
    assert found["head"] == ["unembedding.weight"]
    assert len(found["linear"]) == 12
    assert {name.rpartition(".")[2] for name in found["vector"]} == {"weight", "bias"}


def test_a_tied_embedding_is_an_embedding_and_there_is_no_head() -> None:
    found = by_role(gpt(tied=True))
    assert found["embedding"] == ["embedding.weight"]
    assert "head" not in found


@pytest.mark.parametrize(
    ("name", "arguments", "head"),
    [
        ("mlp", {"widths": [4, 8, 3]}, "3.weight"),
        ("cnn", {"in_channels": 1, "classes": 3, "stages": [4, 8]}, "5.weight"),
        (
            "encoder",
            {"vocabulary": 9, "classes": 2, "context": 8, "width": 8, "layers": 1, "heads": 2},
            "classifier.weight",
        ),
    ],
)
def test_the_head_is_the_last_linear_layer(name: str, arguments: dict[str, object], head: str) -> None:
    assert by_role(architectures.build(name, arguments))["head"] == [head]


def test_every_trained_parameter_has_one_role() -> None:
    model = architectures.build("cnn", {"in_channels": 1, "classes": 3, "stages": [4, 8]})
    model[0].weight.requires_grad_(False)  # type: ignore[union-attr]
    trained = {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    parts = roles(model)
    assert {id(part.parameter) for part in parts} == trained
    assert len(parts) == len(trained)


def test_a_shared_matrix_is_named_once() -> None:
    layer = nn.Linear(4, 4)
    assert [part.name for part in roles(nn.Sequential(layer, nn.ReLU(), layer))] == ["0.weight", "0.bias"]


def test_a_layer_that_nothing_is_known_of_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match=r"1\.weight.*ConvTranspose2d"):
        roles(nn.Sequential(nn.Linear(2, 2), nn.ConvTranspose2d(2, 2, 3)))
    with pytest.raises(UnsupportedError, match="Conv2d"):
        roles(nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular"))


def l2_norm(module: nn.Module, shape: tuple[int, ...]) -> float:
    """Of the whole linear map, from its matrix."""
    basis = torch.eye(torch.Size(shape).numel()).reshape(-1, *shape)
    with torch.no_grad():
        return float(torch.linalg.matrix_norm(module(basis).flatten(1), 2))


@pytest.mark.parametrize(
    ("taps", "stride", "dilation", "padding", "parts"), list(product((1, 2, 3, 4), (1, 2, 3), (1, 2), (0, 2), (1, 2)))
)
def test_no_convolution_is_above_its_scale(taps: int, stride: int, dilation: int, padding: int, parts: int) -> None:
    torch.manual_seed(0)
    for positive in (False, True):
        layer = nn.Conv2d(4, 6, taps, stride, padding, dilation, parts, bias=False)
        if positive:
            layer.weight.data.abs_()
        (part,) = roles(layer)
        sigma = torch.linalg.matrix_norm(layer.weight.flatten(1), 2)
        per_pixel = l2_norm(layer, (4, 9, 9)) * (4 / 6) ** 0.5
        assert per_pixel <= part.scale * sigma * (1 + 1e-5)


def test_a_kernel_of_ones_without_stride_comes_near_its_scale() -> None:
    layer = nn.Conv1d(1, 1, 3, padding=1, bias=False)
    nn.init.ones_(layer.weight)
    (part,) = roles(layer)
    assert l2_norm(layer, (1, 60)) > 0.99 * part.scale * 3**0.5


def test_a_linear_layer_of_norm_1_has_sigma_1_over_its_scale() -> None:
    for part in roles(gpt()):
        if part.role == "linear":
            assert torch.linalg.matrix_norm(part.parameter.detach(), 2) * part.scale == pytest.approx(1, abs=1e-5)


def test_muon_moves_matrices_and_adamw_the_rest() -> None:
    found = {group["role"]: group for group in groups(gpt(norm="rms"), recipe(embedding_lr=0.5, embedding_cap=1.0))}
    assert {role: group["method"] for role, group in found.items()} == {
        "linear": "muon", "head": "muon", "embedding": "adamw", "vector": "adamw",
    }  # fmt: skip
    assert found["linear"]["lr"] == 0.05
    assert found["embedding"]["lr"] == found["vector"]["lr"] == 0.5
    assert {role: group["row_cap"] for role, group in found.items() if group["row_cap"]} == {"embedding": 1.0}


def test_only_matrices_are_constrained_and_decayed() -> None:
    changes = {"constraint": "soft_cap", "w_max": 2.0, "head_w_max": 5.0, "weight_decay": 0.1}
    found = {group["role"]: group for group in groups(gpt(norm="rms"), recipe(**changes))}
    assert [found[role]["w_max"] for role in ("linear", "head", "embedding", "vector")] == [2.0, 5.0, None, None]
    assert found["linear"]["weight_decay"] == found["head"]["weight_decay"] == 0.1
    assert found["embedding"]["constraint"] == "none"
    assert found["embedding"]["weight_decay"] == found["vector"]["weight_decay"] == 0.0


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_the_decay_that_is_left_out_is_what_holds_the_cap(optimizer: str) -> None:
    model = gpt()
    changes = {"optimizer": optimizer, "constraint": "weight_decay", "w_max": 2.0, "lr": 1e-3}
    for group in groups(model, recipe(**changes)):
        if group["w_max"] is not None:
            bounds = [update_bound(group, *each) for each in zip(group["params"], group["scales"], strict=True)]
            assert max(bounds) / group["weight_decay"] == pytest.approx(2.0 * AIM)


def test_without_a_constraint_no_decay_is_invented() -> None:
    assert all(group["weight_decay"] == 0 for group in groups(gpt(), recipe()))
