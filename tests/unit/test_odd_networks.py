"""Networks of unusual shapes go all the way: bounded, measured, written, and proved again."""

import json
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import lipcert
from lipcert.bounds.engine import bound_graph
from lipcert.certificate.check import check
from lipcert.certificate.prove import silent
from lipcert.graph.capture import capture, trace
from lipcert.norms import ball
from lipcert.norms.norm import NORMS
from lipcert.rules.domain import Box
from lipcert.store.schema import shape_problems


class Lambda(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def zero() -> nn.Module:
    network = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    return network


def several_items() -> nn.Module:
    """The batch axis holds parts of one input in between."""
    parts = Lambda(lambda x: x.reshape(2, 2, 6, 6)), Lambda(lambda x: x.reshape(1, -1))
    return nn.Sequential(parts[0], nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), parts[1], nn.Linear(64, 2))


def without_a_batch() -> nn.Module:
    return nn.Sequential(Lambda(lambda x: x.squeeze(0)), nn.Conv2d(4, 2, 3), nn.ReLU(), Lambda(torch.flatten))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "the input itself": (nn.Identity, (1, 6)),
    "zero": (zero, (1, 6)),
    "x - x": (lambda: Lambda(lambda x: x - x), (1, 6)),
    "one number in, one out": (lambda: Lambda(lambda x: torch.sin(3 * x)), (1,)),
    "a number without axes": (lambda: Lambda(lambda x: (x * x).mean()), (1, 6)),
    "several items": (several_items, (1, 4, 6, 6)),
    "without a batch": (without_a_batch, (1, 4, 6, 6)),
    "a slope a channel": (lambda: nn.Sequential(nn.Conv2d(4, 3, 3), nn.PReLU(3)), (1, 4, 6, 6)),
    "an infinite end": (lambda: Lambda(lambda x: x.clamp(0.5, torch.inf)), (1, 6)),
    "padding beyond the kernel": (lambda: nn.Conv2d(1, 1, 3, padding=5, stride=7), (1, 1, 1, 1)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_unusual_shape_is_bounded_and_proved_again(name: str) -> None:
    torch.manual_seed(0)
    build, shape = NETWORKS[name]
    example = torch.zeros(shape)
    graph = trace(capture(build().eval(), (example,)), (example,))
    for norm in NORMS.values():
        done = bound_graph(graph, norm, Box(0, 1), seconds=0.05, seed=0, progress=silent)
        assert 0 <= done.lower <= done.upper
        certificate = json.loads(json.dumps(done.certificate, allow_nan=False))
        assert not [*shape_problems(certificate, "certificate"), *shape_problems(done.to_json(), "result")]
        assert certificate["upper"] == ball.to_text(done.ball)
        assert math.isclose(ball.up(check(certificate, graph, "")), done.upper, rel_tol=1e-12)


@pytest.mark.parametrize("scale", [0.05, 20.0])
def test_shares_are_of_a_bound_above_one(scale: float) -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(4, 4), Lambda(lambda x: x + x.relu()), nn.Linear(4, 4)).eval()
    last = layers[2]
    assert isinstance(last, nn.Linear)
    last.weight.data.mul_(scale)
    found = lipcert.bound(layers, torch.zeros(1, 3, 4), norm="token-l2", seconds=0.0)
    shares = [block.share for block in found.blocks]
    assert shares
    assert (found.upper > 1) == (scale > 1)
    assert sum(share or 0.0 for share in shares) == pytest.approx(float(scale > 1))
