"""GELU and SiLU written by hand, bounded as the functions that they are: their steepest places are looked for."""

import pytest
import torch
from torch import Tensor

import lipcert
from tests.unit.spellings.activations import ACTIVATIONS
from tests.unit.spellings.parts import D, Function, T


def slopes(function: Function, x: Tensor) -> Tensor:
    """Of every entry; each output depends on its own input alone."""
    (found,) = torch.autograd.grad(function(x).sum(), x, create_graph=True)
    return found


def steepest(function: Function) -> float:
    """From starts all along the line, uphill in the absolute slope."""
    starts = torch.linspace(-8, 8, 64 * T * D, dtype=torch.float64).reshape(-1, T, D)
    x = starts.requires_grad_()
    uphill = torch.optim.Adam([x], lr=0.01, maximize=True)
    best = 0.0
    for _ in range(300):
        found = slopes(function, x).abs()
        best = max(best, float(found.detach().max()))
        uphill.zero_grad()
        found.sum().backward()
        uphill.step()
    return best


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_steepest_slope_that_is_found_is_just_below_the_bound(name: str) -> None:
    function = Function(ACTIVATIONS[name][0]).eval()
    upper = lipcert.bound(function, torch.zeros(1, T, D), norm="linf", seconds=0.01).upper
    assert upper * (1 - 1e-4) <= steepest(function) <= upper
