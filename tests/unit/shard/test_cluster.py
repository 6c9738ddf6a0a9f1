"""Ray: optional, and the same results."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lipcert.errors import InputError, UsageError
from lipcert.shard.map import map_items
from tests.unit.shard import functions

PROGRAM = """
from functools import partial
from lipcert.errors import InputError, ResourceError
from lipcert.shard.cluster import connected
from lipcert.shard.map import map_items
from tests.unit.shard import functions

def refused(function, items, kind):
    try:
        list(map_items(function, items, ray="local", workers=2))
    except kind as error:
        return str(error)
    raise AssertionError("nothing was refused")

found = list(map_items(functions.square, range(9), ray="local", workers=2, chunk=2))
assert found == [(item, functions.square(item)) for item in range(9)], found
import ray
assert not ray.is_initialized()
with connected("local", 2):
    for _ in range(2):
        assert list(map_items(functions.square, [3], ray="local", workers=2)) == [(0, functions.square(3))]
        assert ray.is_initialized()
assert not ray.is_initialized()
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
found = list(map_items(partial(functions.weighted, [0.5, 0.25]), range(5), ray="local"))
assert found == [(item, 0.75 * item) for item in range(5)], found
assert refused(functions.odd_alone, [1, 4], InputError).startswith("item 1: 4 is even\\nGive odd")
assert "item 1: ZeroDivisionError" in refused(functions.odd_alone, [1, 6], RuntimeError)
assert ray.is_initialized()
ray.shutdown()
"""


def test_without_ray_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match="needs the package ray") as refusal:
        list(map_items(functions.square, [1], ray="local"))
    assert "lipcert[cluster]" in refusal.value.hint


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:99999"])
def test_an_address_where_nobody_answers_is_refused_at_once(address: str) -> None:
    with pytest.raises(InputError, match=f"no Ray cluster answers at '{address}'"):
        list(map_items(functions.square, [1], ray=address))


@pytest.mark.slow
def test_ray_computes_the_same(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3]), "RAY_USAGE_STATS_ENABLED": "0"}
    command = [sys.executable, str(tmp_path / "program.py")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
