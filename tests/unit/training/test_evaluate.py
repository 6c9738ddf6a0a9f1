"""Where the bound at the end of a run holds: nothing is assumed of the data that they do not say."""

from pathlib import Path

import numpy as np
import pytest

from lipcert.training.api import train

MLP = {"model": "mlp", "widths": [4, 3], "optimizer": "adamw", "lr": 0.01, "steps": 1, "batch": 4}


@pytest.mark.parametrize(("dtype", "domain"), [("uint8", "box:0,1"), ("float32", "everywhere")])
def test_the_domain_is_the_range_that_the_data_name(tmp_path: Path, dtype: str, domain: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (40, 4)) if dtype == "uint8" else 5 * rng.standard_normal((40, 4))
    np.savez(tmp_path / "data.npz", x=x.astype(dtype), y=np.arange(40) % 3)
    found = train(MLP | {"data": str(tmp_path / "data.npz"), "out": str(tmp_path / "run")}, seconds=0.0)
    assert found.outcome is not None
    assert found.outcome.bound is not None
    assert str(found.outcome.bound.claim.domain) == domain
