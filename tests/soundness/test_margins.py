"""Margins between two classes: none moves faster than its bound, and no attack succeeds within a radius."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from lipcert.architectures import build
from lipcert.bounds.certify import certify
from lipcert.bounds.example import least_radius
from lipcert.bounds.margins import margins_of
from lipcert.bounds.run import prove_graph
from lipcert.certificate.prove import silent
from lipcert.graph.capture import capture, trace
from lipcert.norms.norm import NORMS
from lipcert.rules.domain import Box, Vocabulary
from lipcert.store.examples import certifies
from tests.soundness.attack import largest_ratio
from tests.soundness.measure import Box as Points

CLASSES = 4
ROUNDING = 1e-9


def classifier(seed: int, *, convolutional: bool = False) -> nn.Module:
    torch.manual_seed(seed)
    if convolutional:
        return nn.Sequential(
            nn.Unflatten(1, (1, 5, 5)), nn.Conv2d(1, 3, 3), nn.GELU(), nn.Flatten(), nn.Linear(27, CLASSES)
        ).eval()  # fmt: skip
    return nn.Sequential(nn.Linear(25, 12), nn.ReLU(), nn.Linear(12, 9), nn.Tanh(), nn.Linear(9, CLASSES)).eval()


class Tokens(nn.Module):
    """Attention over four tokens, the mean of them, and three times the logits."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.head = nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        y = x + self.attention(x, x, x, need_weights=False)[0]
        return 3 * self.head(torch.tanh(y.mean(1)))


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("convolutional", [False, True])
@pytest.mark.parametrize("label", [0, 3])
def test_no_margin_moves_faster_than_its_bound(norm: str, convolutional: bool, label: int) -> None:
    module = classifier(label, convolutional=convolutional)
    example = torch.zeros(1, 25)
    graph = trace(capture(module, (example,)), (example,))
    margins = margins_of(graph, prove_graph(graph, NORMS[norm], Box(-1, 1), 0.3, silent))
    exact, box = module.double(), Points(-torch.ones(25, dtype=torch.float64), torch.ones(25, dtype=torch.float64))
    for other, bound in enumerate(margins.against(label, CLASSES).tolist()):
        if other != label:
            found = largest_ratio(
                lambda inputs, i=other: (exact(inputs[0])[:, label] - exact(inputs[0])[:, i])[:, None],  # type: ignore[misc]
                [box], norm, rounds=1,
            )  # fmt: skip
            assert found <= bound * (1 + ROUNDING)
        else:
            assert bound == 0


@pytest.mark.parametrize("norm", ["token-l2", "token-rms", "l2", "linf"])
def test_no_step_within_a_certified_radius_changes_the_class(norm: str) -> None:
    torch.manual_seed(0)
    module, x = Tokens().eval(), torch.rand(6, 4, 6)
    y = module(x).argmax(1)
    found = certify(module, x, y, norm=norm, domain=Box(-2, 2), seconds=0.3)
    assert bool((found.radius > 0).all())
    exact, measure = module.double(), NORMS[norm]
    point = x.double().clone().requires_grad_()
    for _ in range(20):
        scores = exact(point)
        away = torch.where(torch.nn.functional.one_hot(y, CLASSES).bool(), -torch.inf, scores).amax(1)
        (away - scores.gather(1, y[:, None])[:, 0]).sum().backward()
        assert point.grad is not None
        step = measure.steepest(point.grad) * found.radius.reshape(-1, 1, 1) * 0.999
        moved = x.double() + step
        assert bool((exact(moved).argmax(1) == y).all())
        point = moved.detach().requires_grad_()


def test_ties_and_wrong_labels_are_not_certified() -> None:
    module = nn.Linear(3, 2, bias=False).eval()
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    x = torch.tensor([[0.5, 0.5, 0.0], [0.2, 0.7, 0.0], [0.9, 0.1, 0.0]])
    found = certify(module, x, torch.tensor([0, 0, 0]), norm="l2", domain=Box(0, 1))
    assert found.radius[:2].tolist() == [[0.0], [0.0]]
    assert found.radius[2].item() == pytest.approx(0.8 / 2**0.5, rel=1e-5)
    assert found.arithmetic == ("enclosed",) * 3
    assert found.at(Fraction(1, 2)).tolist() == [False, False, True]
    assert found.at(Fraction(6, 10)).tolist() == [False, False, False]


class Masked(nn.Module):
    """Scores of the mean of the tokens that are no padding: what the ids say counts beside their embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(9, 4), nn.Linear(4, CLASSES)

    def forward(self, ids: Tensor) -> Tensor:
        kept = (ids != 0).float()[..., None]
        return self.head((self.embedding(ids) * kept).mean(1))


def test_examples_with_masks_of_their_own_are_not_certified_by_that_of_the_first() -> None:
    torch.manual_seed(0)
    module, ids = Masked().eval(), torch.tensor([[1, 0, 0, 0], [1, 2, 3, 4], [4, 0, 0, 0]])
    y = module(ids).argmax(1)
    together = certify(module, ids, y, norm="token-l2", domain=Vocabulary(1))
    for i in range(3):
        alone = certify(module, ids[i : i + 1], y[i : i + 1], norm="token-l2", domain=Vocabulary(1))
        best, second = module(ids[i : i + 1])[0].detach().double().topk(2).values.tolist()
        assert alone.margin.item() == pytest.approx(best - second, abs=1e-5)
        assert together.margin[i].item() == pytest.approx(alone.margin.item(), rel=1e-9)
        assert together.radius[i].item() == pytest.approx(alone.radius.item(), rel=1e-2)


@pytest.mark.parametrize("kind", ["gpt", "encoder"])
def test_the_margins_of_transformers_are_enclosed(kind: str) -> None:
    torch.manual_seed(0)
    more: dict[str, object] = {"classes": 3} if kind == "encoder" else {"zero_init": False}
    sizes = {"vocabulary": 11, "context": 6, "width": 8, "layers": 3, "heads": 2}
    module, ids = build(kind, sizes | more).eval(), torch.randint(11, (3, 6))
    outputs = module(ids)
    found = certify(module, ids, outputs.argmax(-1), norm="token-l2", domain=Vocabulary(), seconds=0.0)
    assert found.arithmetic == ("enclosed",) * 3
    best = module.double()(ids).topk(2).values
    gaps = (best[..., 0] - best[..., 1]).reshape(found.margin.shape)
    assert bool((found.margin <= gaps + 1e-12).all())
    assert bool((found.margin >= gaps - 1e-4 * outputs.abs().max()).all())


def test_no_radius_reaches_further_than_the_domain() -> None:
    module = nn.Linear(3, 2, bias=False).eval()
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[0.01, 0.0, 0.0], [0.0, 0.01, 0.0]]))
    x, y = torch.tensor([[0.9, 0.1, 0.0]]), torch.tensor([0])
    assert certify(module, x, y, norm="l2", domain=Box(0, 1)).radius.item() > 0.5
    assert certify(module, x, y, norm="l2", domain=Box(0, 1, radius="1/4")).radius.item() == 0.25


def test_an_example_that_is_safe_on_the_whole_domain_is_certified_up_to_its_edge() -> None:
    module = nn.Linear(3, 2, bias=False).eval()
    x = torch.tensor([[0.9, 0.1, 0.0]])
    y = module(x).argmax(1)
    with torch.no_grad():
        module.weight.mul_(1000)
    for text in ("1/100", "1/30", "3/1000", "1/4"):
        eps = Fraction(text) / 1000
        found = certify(module, x, y, norm="l2", domain=Box(0, 1, radius=str(eps)))
        assert found.at(eps).all()
        assert certifies(found.radius.item(), eps)
        assert Fraction(found.radius.item()) <= eps
        assert not found.at(eps + Fraction(1, 10**30)).any()


positive = st.floats(min_value=5e-324, max_value=1e300)


@given(gap=positive, bound=positive)
def test_a_radius_is_proved_up_to_the_next_float(gap: float, bound: float) -> None:
    radius = least_radius(np.array([gap]), np.array([bound]))
    if radius > 0:
        assert Fraction(math.nextafter(radius, math.inf)) < Fraction(gap) / Fraction(bound)


@given(radius=positive, eps=st.fractions(min_value=0, max_value=10**6))
def test_a_budget_is_reached_exactly_below_the_next_float(radius: float, eps: Fraction) -> None:
    assert certifies(radius, eps) == (eps < Fraction(math.nextafter(radius, math.inf)))
    below = Fraction(radius)
    assert certifies(radius, below)
    assert not certifies(radius, Fraction(math.nextafter(radius, math.inf)))


@pytest.mark.parametrize("radius", [0.0, -1.0, math.nan, None, "1.0"])
def test_what_is_no_radius_certifies_nothing(radius: float | str | None) -> None:
    assert not certifies(radius, Fraction(0))


class LastToken(nn.Module):
    """Logits at the last of three tokens, or entries of two tokens' logits side by side."""

    def __init__(self, *, whole: bool) -> None:
        super().__init__()
        self.inner, self.head, self.whole = nn.Linear(5, 6), nn.Linear(6, CLASSES), whole

    def forward(self, x: Tensor) -> Tensor:
        logits = self.head(torch.tanh(self.inner(x.reshape(-1, 3, 5))))
        return logits[:, -1] if self.whole else torch.cat([logits[:, 0, 2:], logits[:, 1, :2]], dim=1)


def _last(module: nn.Module) -> object:
    example = torch.zeros(1, 15)
    graph = trace(capture(module.eval(), (example,)), (example,))
    return margins_of(graph, prove_graph(graph, NORMS["l2"], Box(-1, 1), 0.3, silent))


def test_a_last_layer_is_seen_through_whole_rows_alone() -> None:
    torch.manual_seed(0)
    assert _last(LastToken(whole=True)).last is not None  # type: ignore[attr-defined]
    assert _last(LastToken(whole=False)).last is None  # type: ignore[attr-defined]


@pytest.mark.parametrize("whole", [True, False])
def test_no_margin_of_chosen_rows_moves_faster_than_its_bound(whole: bool) -> None:
    torch.manual_seed(1)
    module = LastToken(whole=whole)
    margins = _last(module)
    exact, box = module.double(), Points(-torch.ones(15, dtype=torch.float64), torch.ones(15, dtype=torch.float64))
    for other, bound in enumerate(margins.against(0, CLASSES).tolist()):  # type: ignore[attr-defined]
        if other != 0:
            found = largest_ratio(
                lambda inputs, i=other: (exact(inputs[0])[:, 0] - exact(inputs[0])[:, i])[:, None],  # type: ignore[misc]
                [box], "l2", rounds=1,
            )  # fmt: skip
            assert found <= bound * (1 + ROUNDING)
