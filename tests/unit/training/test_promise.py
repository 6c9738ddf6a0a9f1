"""What a run promises, and whether a broken promise is seen."""

from collections.abc import Iterator

import pytest
import torch

from lipcert.architectures.table import build
from lipcert.errors import UsageError, ViolationError
from lipcert.training.groups import groups
from lipcert.training.optimizer import ConstrainedOptimizer
from lipcert.training.promise import Promise, largest, promise, require_kept
from lipcert.workspace.recipe import Recipe

TABLE = {
    "model": "gpt", "data": "shakespeare", "context": 8, "width": 8, "layers": 1, "heads": 1, "vocabulary": 5,
    "optimizer": "muon", "lr": 0.1, "steps": 1, "batch": 1, "constraint": "soft_cap", "w_max": 1.0,
}  # fmt: skip


def promised(**changes: object) -> Promise:
    recipe = Recipe.of({**TABLE, **changes})
    torch.manual_seed(0)
    parts = groups(build(recipe.model, recipe.arguments), recipe)
    found = promise(parts, recipe)
    ConstrainedOptimizer(parts).start()
    return found


@pytest.fixture
def fewer_bits() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    yield
    torch.set_float32_matmul_precision(before)


def test_a_promise_covers_every_matrix_and_a_broken_one_is_seen() -> None:
    found = promised()
    assert found.holds
    assert len(found.capped) == 7
    assert max(largest(found).values()) <= 1
    require_kept(found)
    with torch.no_grad():
        found.capped[3].weight.mul_(1.01)
    with pytest.raises(ViolationError, match=found.capped[3].name):
        require_kept(found)


def test_a_weight_that_is_no_number_breaks_a_promise() -> None:
    found = promised()
    with torch.no_grad():
        found.capped[0].weight[0, 0] = torch.nan
    with pytest.raises(Exception, match=r"NaN|nan|finite"):
        require_kept(found)


def test_nothing_is_promised_of_tied_embeddings() -> None:
    found = promised(tied=True)
    assert not found.holds
    assert "embedding" in found.why


def test_nothing_is_promised_of_products_with_fewer_bits(fewer_bits: None) -> None:
    assert not promised().holds


def test_a_decay_that_no_step_could_take_is_refused() -> None:
    with pytest.raises(UsageError, match="turn weights round"):
        promised(optimizer="adamw", constraint="weight_decay", lr=0.5)
