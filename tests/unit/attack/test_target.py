"""What is attacked: logits of many forms of output, embeddings, passes; and losses on them."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipcert.attacks.embedding import embedding
from lipcert.attacks.harness import run
from lipcert.attacks.loss import IGNORED, cross_entropy, dlr, fooled, margin, targeted_dlr
from lipcert.attacks.plan import Plan
from lipcert.attacks.target import Target
from lipcert.errors import InputError, UnsupportedError, UsageError
from lipcert.norms.norm import TOKEN_L2, TOKEN_RMS
from tests.unit.attack.networks import classifier, images, plan, transformer


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda z: (z, z), "a tuple of 2: Tensor, Tensor"),
        (lambda z: {"logits": z}, "a dict with the keys logits"),
        (lambda z: z[:, 0], r"shape \(4,\) for 4 examples"),
        (lambda z: z[:, :1], "two classes at least"),
        (lambda z: z.argmax(1, keepdim=True).expand(-1, 2), "int64"),
        (lambda z: z[:2], r"shape \(2, 5\) for 4 examples"),
    ],
)
def test_what_is_no_tensor_of_logits_is_refused(returned: object, message: str) -> None:
    network = classifier()
    x, _ = images(network, 4)
    with pytest.raises(InputError, match=message):
        Target(lambda z: returned(network(z)))(x)  # type: ignore[operator]


def test_an_entry_of_the_output_is_named() -> None:
    network = classifier()
    x, y = images(network, 4)
    for output, wrap in (("1", lambda z: (z[:, 0], z)), ("logits", lambda z: {"logits": z})):
        assert torch.equal(Target(lambda x, w=wrap: w(network(x)), output=output)(x), network(x))
    with pytest.raises(UsageError, match="no entry 'logit': it returns a dict with the keys logits"):
        Target(lambda x: {"logits": network(x)}, output="logit")(x)
    pair = Target(lambda x: (network(x), x), output="0")
    assert run(pair, x, y, plan("fgsm")).accuracy == 1.0


def test_passes_are_counted_by_examples() -> None:
    network = classifier()
    x, y = images(network, 4)
    target = Target(network)
    target(x)
    target.gradient(x, y, cross_entropy)
    assert (target.passes.forward, target.passes.backward) == (8, 4)


@pytest.mark.parametrize("kind", ["encoder", "gpt"])
@pytest.mark.parametrize("source", ["", "embedding", "blocks.0"])
def test_the_values_of_a_module_stand_in_for_it(kind: str, source: str) -> None:
    network, ids = transformer(kind)
    target, x = embedding(network.eval(), ids, source=source)
    assert x.shape == (12, 8, 16)
    with torch.no_grad():
        assert torch.allclose(target(x), network(ids), atol=1e-6)
        assert not torch.allclose(target(x + 1), network(ids), atol=1e-2)
        some = torch.tensor([3, 3, 0])
        assert torch.allclose(target.select(some)(x[some]), network(ids)[some], atol=1e-5)
        assert torch.allclose(target.double()(x.double()).float(), network(ids), atol=1e-5)
    assert not network.embedding._forward_hooks


def test_a_source_that_is_not_there() -> None:
    network, ids = transformer()
    with pytest.raises(UsageError, match=r"'block.0'.\n.*blocks.0"):
        embedding(network, ids, source="block.0")
    with pytest.raises(UsageError, match=r"no nn\.Embedding modules"):
        embedding(classifier(), torch.rand(2, 192))
    twice = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    twice.append(twice[0])
    with pytest.raises(UsageError, match="called 2 times"):
        embedding(twice, torch.rand(2, 4), source="0")


def test_two_embeddings_of_the_ids_have_to_be_told_apart() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.last = nn.Embedding(9, 4), nn.Embedding(9, 4), nn.Linear(4, 3)

        def forward(self, ids: Tensor) -> Tensor:
            return self.last((self.first(ids) + self.second(ids)).mean(1))

    ids = torch.randint(9, (2, 5))
    with pytest.raises(UsageError, match=r"2 nn\.Embedding modules look up the first input: first, second"):
        embedding(Two(), ids)
    assert embedding(Two(), ids, source="second")[0].place == "second"


def test_embeddings_are_attacked_without_any_range() -> None:
    network, ids = transformer()
    target, x = embedding(network, ids)
    y = Target(network.eval())(ids).argmax(1)
    usual = plan("fgsm", eps=("1/20", "1/3"))
    threat = Plan(TOKEN_RMS, usual.eps, ("fgsm", "pgd", "apgd-dlr", "minimal"), usual.effort)
    found = run(target, x, y, threat)
    assert found.robust_accuracy[1] < found.robust_accuracy[0]
    assert float(found.adversarial.abs().max()) > 1
    assert all(not attempt.rejected for attempt in found.attempts)


def test_a_network_that_answers_at_every_position() -> None:
    network, ids = transformer("gpt")
    target, x = embedding(network.eval(), ids)
    with torch.no_grad():
        y = target(x).argmax(2)
    y[:, :-1] = IGNORED
    threat = Plan(TOKEN_L2, plan("fgsm", eps=("1/20", "1")).eps, ("pgd", "apgd-t", "minimal"), plan("fgsm").effort)
    found = run(target, x, y, threat)
    assert found.accuracy == 1.0
    assert found.fooled.any()
    assert "at every position" in next(each.skipped for each in found.attempts if each.attack == "apgd-t")
    hits = found.radius.isfinite()
    with torch.no_grad():
        assert bool((target(found.adversarial).argmax(2)[hits, -1] != y[hits, -1]).all())
    with pytest.raises(InputError, match="without any label that counts"):
        run(target, x, torch.full_like(y, IGNORED), threat)


def test_margins_and_losses() -> None:
    logits = torch.tensor([[3.0, 1.0, 0.0, -1.0], [0.0, 2.0, 5.0, 1.0]])
    y = torch.tensor([0, 1])
    assert margin(logits, y).tolist() == [2.0, -3.0]
    assert fooled(logits, y).tolist() == [False, True]
    assert torch.allclose(dlr(logits, y), torch.tensor([-2 / 3, 3 / 4]))
    assert torch.allclose(targeted_dlr(torch.tensor([1, 2]))(logits, y), torch.tensor([-2 / 3.5, 3 / 4.5]))
    assert torch.allclose(cross_entropy(logits, y), F.cross_entropy(logits, y, reduction="none"))


def test_of_several_positions_the_worst_one_counts() -> None:
    logits = torch.tensor([[[3.0, 1.0, 0.0], [0.0, 2.0, 5.0], [9.0, 0.0, 1.0]]])
    for labels, expected in (([0, 1, 0], -3.0), ([0, IGNORED, 0], 2.0), ([IGNORED, IGNORED, 0], 8.0)):
        y = torch.tensor([labels])
        assert margin(logits, y).tolist() == [expected]
        assert fooled(logits, y).tolist() == [expected < 0]
        counted = F.cross_entropy(logits[0], y[0], reduction="none", ignore_index=IGNORED)
        assert torch.allclose(cross_entropy(logits, y), counted.max())


def test_a_network_that_detaches_is_named_so() -> None:
    network = classifier()
    x, y = images(network, 4)
    for broken in (lambda x: network(x.detach()), lambda x: network(x).detach()):
        with pytest.raises(UnsupportedError, match="have no gradient"):
            Target(broken).gradient(x, y, cross_entropy)
