"""`lipcert.bound` from Python: what it returns, and what it refuses."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

import lipcert
from lipcert.bounds import engine
from lipcert.bounds.measure import Measured


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)).eval()


def test_a_bound_carries_its_claim_and_its_table() -> None:
    bound = lipcert.bound(net(), torch.zeros(1, 4), norm="l2", domain=lipcert.Box(0, 1), seconds=0.2)
    assert bound.status == lipcert.Status.PROVED
    assert bound.claim.domain == "box:0,1"
    assert bound.claim.shape == (1, 4)
    assert 0 < bound.lower <= bound.upper <= bound.product
    assert math.isclose(10**bound.log10_upper, bound.upper, rel_tol=1e-9)
    assert list(bound.layers["operation"]) == ["linear", "relu", "linear"]
    assert "proved" in bound._repr_html_()


def test_an_affine_network_is_bounded_by_its_one_matrix() -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 4)).eval()
    weights = [layer.weight.detach().double() for layer in layers if isinstance(layer, nn.Linear)]
    truth = float(torch.linalg.matrix_norm(weights[1] @ weights[0], 2))
    bound = lipcert.bound(layers, torch.zeros(1, 6), seconds=0.2)
    assert truth <= bound.upper <= truth * (1 + 1e-6)


def test_an_exported_program_is_bounded_as_its_module_is() -> None:
    program = torch.export.export(net(), (torch.zeros(1, 4),))
    bounds = [lipcert.bound(model, torch.zeros(1, 4), seconds=0.0).upper for model in (net(), program)]
    assert math.isclose(*bounds, rel_tol=1e-9)


def test_a_float_end_of_a_box_is_its_binary_value_and_a_text_its_fraction() -> None:
    assert str(lipcert.Box("1/10", "8/10")) == "box:1/10,4/5"
    assert str(lipcert.Box(0.5, 1, radius="8/255")) == "box:1/2,1+8/255"
    for wrong in (float("nan"), float("inf"), "one", "1/0"):
        with pytest.raises(lipcert.UsageError):
            lipcert.Box(0, wrong)
    with pytest.raises(lipcert.UsageError, match="empty"):
        lipcert.Box(1, 0)
    with pytest.raises(lipcert.UsageError, match="negative"):
        lipcert.Box(0, 1, radius=-1)


def test_exp_has_a_bound_on_a_box_alone() -> None:
    class Exponential(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.exp()

    with pytest.raises(lipcert.UnsupportedError, match="exp") as refusal:
        lipcert.bound(Exponential().eval(), torch.zeros(1, 3), seconds=0.1)
    assert "box" in refusal.value.hint
    bound = lipcert.bound(Exponential().eval(), torch.zeros(1, 3), domain=lipcert.Box(0, 1), seconds=0.2)
    assert math.e <= bound.upper <= math.e * (1 + 1e-6)


@pytest.mark.parametrize("ratio", [1e9, math.nan, math.inf])
def test_a_measured_ratio_above_the_bound_stops_the_program(ratio: float, monkeypatch: pytest.MonkeyPatch) -> None:
    point = torch.zeros(1, 4)
    monkeypatch.setattr(engine, "measure", lambda *args, **kwargs: Measured(ratio, point, point, 1))
    with pytest.raises(lipcert.ViolationError, match="above the bound"):
        lipcert.bound(net(), torch.zeros(1, 4), seconds=0.1)


def test_an_unknown_norm_is_refused() -> None:
    with pytest.raises(lipcert.UsageError, match="l7") as refusal:
        lipcert.bound(net(), torch.zeros(1, 4), norm="l7")
    assert "linf" in refusal.value.hint


def test_train_mode_is_refused() -> None:
    with pytest.raises(lipcert.UnsupportedError, match="train mode"):
        lipcert.bound(net().train(), torch.zeros(1, 4))


def test_a_path_is_read_as_load_reads_it_and_a_loaded_model_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(net().state_dict(), "weights.pt")
    Path("built.py").write_text(
        "from torch import nn\ndef net():\n    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))\n"
    )
    given = {"arch": "built.py:net", "inputs": [(4,)]}
    loaded = lipcert.load("weights.pt", **given)  # type: ignore[arg-type]
    found = [
        lipcert.bound("weights.pt", seconds=0.0, **given),  # type: ignore[arg-type]
        lipcert.bound(tmp_path / "weights.pt", torch.ones(1, 4), seconds=0.0, **given),  # type: ignore[arg-type]
        lipcert.bound(loaded, seconds=0.0),
        lipcert.bound(net(), torch.zeros(1, 4), seconds=0.0),
    ]
    assert all(math.isclose(each.upper, found[-1].upper, rel_tol=1e-9) for each in found)
    with pytest.raises(lipcert.UsageError, match="--input"):
        lipcert.bound("weights.pt", arch="built.py:net")


def test_a_module_needs_inputs_and_takes_nothing_that_is_for_files() -> None:
    with pytest.raises(lipcert.UsageError, match="not known"):
        lipcert.bound(net())
    with pytest.raises(lipcert.UsageError, match="no path"):
        lipcert.bound(net(), torch.zeros(1, 4), inputs=[(4,)])
