"""Swaps of tokens: what may stand for what, what is found, and the radius that covers all of it."""

import itertools

import pytest
import torch

from lipcert.attacks.embedding import embedding
from lipcert.attacks.swaps import NONE, nearest_tokens, swap, swap_radius
from lipcert.errors import InputError, UnsupportedError, UsageError
from lipcert.norms.norm import L2, TOKEN_L2, TOKEN_RMS
from tests.unit.attack.networks import transformer


def test_the_nearest_tokens_are_those_of_a_search_by_hand() -> None:
    network, ids = transformer()
    target, _ = embedding(network, ids)
    table, found = network.embedding.weight.detach(), nearest_tokens(target, 3, chunk=7)
    for token in range(30):
        order = (table - table[token]).norm(dim=1).argsort()
        assert found[token].tolist() == order[1:4].tolist()


def test_swaps_stay_within_the_substitutes_and_their_number() -> None:
    network, ids = transformer()
    target, x = embedding(network.eval(), ids)
    y, options = target(x).argmax(1), nearest_tokens(target, 4)
    options[:, 2:] = NONE
    shares = []
    for swaps in (1, 2, 4):
        found = swap(target, y, options, swaps)
        changed = found.ids != ids
        assert torch.equal(changed.sum(1), found.swaps)
        assert int(found.swaps.max()) <= swaps
        assert bool((found.ids[..., None] == options[ids]).any(2)[changed].all())
        assert torch.equal(network(found.ids).argmax(1) != y, found.fooled)
        shares.append(float(found.fooled.double().mean()))
    assert 0 < shares[0] <= shares[1] <= shares[2]


def test_a_text_that_is_wrong_already_keeps_its_tokens() -> None:
    network, ids = transformer()
    target, x = embedding(network.eval(), ids)
    found = swap(target, (target(x).argmax(1) + 1) % 4, nearest_tokens(target, 4), 2)
    assert torch.equal(found.ids, ids)
    assert bool(found.fooled.all())


def test_one_swap_is_as_good_as_trying_all_of_them() -> None:
    network, ids = transformer()
    target, x = embedding(network.eval(), ids)
    y, options = target(x).argmax(1), nearest_tokens(target, 1)  # eight positions, and eight swaps are tried
    found = swap(target, y, options, 1)
    for row, text in enumerate(ids):
        tried = text.repeat(8, 1)
        tried[range(8), range(8)] = options[text, 0]
        assert bool((network(tried).argmax(1) != y[row]).any()) == bool(found.fooled[row])


@pytest.mark.parametrize("norm", [TOKEN_L2, TOKEN_RMS], ids=lambda norm: norm.name)
def test_the_radius_covers_every_text_of_substitutes(norm: object) -> None:
    network, ids = transformer()
    target, x = embedding(network, ids[:2, :3])
    options = nearest_tokens(target, 2)
    options[5] = NONE
    radius = swap_radius(target, ids[:2, :3], options, norm)  # type: ignore[arg-type]
    for row, text in enumerate(ids[:2, :3].tolist()):
        choices = [[token, *(each for each in options[token].tolist() if each != NONE)] for token in text]
        texts = torch.tensor(list(itertools.product(*choices)))
        moves = network.embedding.weight.detach()[texts].double() - x[row].double()
        largest = float(norm.of(moves).max())  # type: ignore[attr-defined]
        assert largest <= float(radius[row]) <= largest * (1 + 1e-9)


def test_what_does_not_fit_is_refused() -> None:
    network, ids = transformer()
    target, x = embedding(network, ids)
    y = target(x).argmax(1)
    with pytest.raises(UsageError, match="30 substitutes of 30 tokens"):
        nearest_tokens(target, 30)
    with pytest.raises(InputError, match="a row for every token"):
        swap(target, y, torch.zeros(5, 2, dtype=torch.int64), 1)
    with pytest.raises(InputError, match="outside the vocabulary"):
        swap(target, y, torch.full((30, 2), 30), 1)
    with pytest.raises(UsageError, match="measures no tokens"):
        swap_radius(target, ids, nearest_tokens(target, 2), L2)
    inside, _ = embedding(network, ids, source="blocks.0")
    with pytest.raises(UnsupportedError, match="no plain table"):
        nearest_tokens(inside, 2)
