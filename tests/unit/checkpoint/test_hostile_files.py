"""Files made to harm: nothing is executed, unpacked or filled, and damage is refused."""

import contextlib
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save as safetensors_bytes
from torch import nn

from lipcert import checkpoint
from lipcert.checkpoint import memory
from lipcert.errors import InputError, LipcertError, ResourceError
from tests.unit.checkpoint.files import assert_holds, mlp_weights, saved, zipped


def test_a_zip_bomb_is_not_unpacked(mlp: str, tmp_path: Path) -> None:
    entries = {"bomb/data.pkl": b"", "bomb/data/0": bytes(50_000_000)}
    (tmp_path / "m.pt").write_bytes(zipped(entries, zipfile.ZIP_DEFLATED))
    with pytest.raises(InputError, match="zip bomb"):
        checkpoint.load(tmp_path / "m.pt", arch=mlp)


def test_a_small_tensor_that_claims_to_be_huge_is_not_filled(tmp_path: Path, mlp: str) -> None:
    torch.save({"weight": torch.zeros(1).expand(10**15)}, tmp_path / "m.pt")
    with pytest.raises(ResourceError, match="GiB"):
        checkpoint.load(tmp_path / "m.pt", arch=mlp)


def test_more_than_there_is_memory_is_refused(mlp: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(mlp_weights(), tmp_path / "mapped.pt")
    torch.save(mlp_weights(), tmp_path / "read.pt", _use_new_zipfile_serialization=False)
    torch.save({name: t.bfloat16() for name, t in mlp_weights().items()}, tmp_path / "widened.pt")
    monkeypatch.setattr(memory, "physical", lambda: 60)
    assert checkpoint.load(tmp_path / "mapped.pt", arch=mlp).module is not None
    for name in ("read.pt", "widened.pt"):
        with pytest.raises(ResourceError, match="GiB"):
            checkpoint.load(tmp_path / name, arch=mlp)


class Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (f"open({str(self.marker)!r}, 'w').close()",)


class EvilSystem(Evil):
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("evil", [Evil, EvilSystem])
def test_a_pickle_with_code_is_refused_and_not_run(evil: type[Evil], legacy: bool, mlp: str, tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / "m.pt"
    torch.save({"state_dict": mlp_weights(), "x": evil(marker)}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(InputError, match="Nothing was executed") as refusal:
        checkpoint.load(path, arch=mlp)
    assert "--arch" in refusal.value.hint
    assert "--trust-pickle" in refusal.value.hint
    assert not marker.exists()


@pytest.mark.filterwarnings("ignore")
def test_a_trusted_pickle_is_executed_only_on_request(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(2, 2))
    torch.save(module, tmp_path / "m.pt")
    with pytest.raises(InputError, match="Nothing was executed"):
        checkpoint.load(tmp_path / "m.pt", inputs=[(2,)])
    model = checkpoint.load(tmp_path / "m.pt", inputs=[(2,)], trust_pickle=True)
    assert_holds(model, module.state_dict())


def test_a_placeholder_never_becomes_the_class_it_stands_for(mlp: str, tmp_path: Path) -> None:
    """A dtype forged in a pickle can make NumPy read arbitrary memory, so none is ever built from one."""
    torch.save({"state_dict": mlp_weights(), "x": np.float64(1.0)}, tmp_path / "m.pt")
    before = torch.serialization.get_safe_globals()
    checkpoint.load(tmp_path / "m.pt", arch=mlp)
    loaded = checkpoint.pickled.read(tmp_path / "m.pt", "m.pt")
    assert isinstance(loaded["x"], checkpoint.pickled.Placeholder)
    assert torch.serialization.get_safe_globals() == before


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_anywhere_is_a_refusal_and_never_a_crash(data: st.DataObject, mlp: str, tmp_path: Path) -> None:
    originals = [
        saved(mlp_weights()),
        saved(mlp_weights(), _use_new_zipfile_serialization=False),
        safetensors_bytes(mlp_weights()),
    ]
    content = bytearray(data.draw(st.sampled_from(originals)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "m.pt").write_bytes(content[: data.draw(st.integers(1, len(content)))])
    with contextlib.suppress(LipcertError):
        checkpoint.load(tmp_path / "m.pt", arch=mlp)
