"""Every optimiser with every constraint: what it leaves behind is bounded from the file alone, and verified."""

from pathlib import Path
from typing import get_args

import pytest

from lipcert.bounds.engine import bound
from lipcert.certificate.check import check
from lipcert.checkpoint.load import load
from lipcert.graph.capture import capture, trace
from lipcert.norms import ball
from lipcert.training.api import train
from lipcert.training.promise import largest
from lipcert.workspace.recipe_fields import DECAYS, ConstraintName, OptimizerName

RECIPE = {
    "model": "gpt", "data": "shakespeare", "context": 8, "width": 16, "layers": 1, "heads": 2, "batch": 4, "steps": 5,
    "lr": 0.1, "embedding_cap": 1.0, "validation_batches": 1, "schedule": "linear",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", get_args(OptimizerName))
@pytest.mark.parametrize("constraint", get_args(ConstraintName))
def test_a_trained_checkpoint_is_bounded_and_verified(tmp_path: Path, optimizer: str, constraint: str) -> None:
    by_decay = optimizer == "adamw" and constraint in DECAYS
    change = {"weight_decay": 1.0} if by_decay else {} if constraint == "none" else {"w_max": 1.5}
    out = {"out": str(tmp_path / "run"), "optimizer": optimizer, "constraint": constraint}
    trained = train(RECIPE | change | out, seconds=0.0)
    if trained.guarantee.holds:
        assert max(largest(trained.guarantee).values()) <= 1.5
    model = load(trained.checkpoint)
    assert model.module is not None  # lipcert's own checkpoint
    found = bound(model.module, model.example_inputs, norm="token-rms", seconds=0.0)
    graph = trace(capture(model.module, model.example_inputs), model.example_inputs)
    verified = check(found.certificate, graph, "")
    assert ball.up(verified) == pytest.approx(found.upper, rel=1e-12)  # the certificate's decimal is rounded up
