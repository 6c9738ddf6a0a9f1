"""Jobs on a Ray cluster, or on a Ray of this machine alone."""

import logging
import socket
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from lipcert.errors import InputError, ResourceError, UsageError
from lipcert.shard.job import Done, Function, Job, work

LOCAL = "local"
_PATIENCE = 10.0
"""Seconds in which the head of a cluster has to answer."""

_AHEAD = 2
"""Jobs a CPU that are under way: one is computed while the next one waits for it."""


@contextmanager
def connected(address: str, workers: int) -> Iterator[None]:
    """Within this, `on_cluster` finds the cluster connected already, call after call. Raises as it does."""
    with _connected(_ray(), address, workers):
        yield


def on_cluster(function: Function, jobs: Iterable[Job], address: str, workers: int) -> Generator[Done]:
    """Jobs as they are finished, in any order, each on one CPU with one thread.

    address: of the cluster's head, or "local" for a Ray that is started here and stopped again. workers: how many jobs
    are computed at a time, 0 for one a CPU. lipcert and what the function imports have to be on every node.
    Raises UsageError where ray is not installed, InputError where no cluster answers, ResourceError where a worker
    dies, and what `work` raises.
    """
    ray = _ray()
    with _connected(ray, address, workers):
        cpus = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        remote, shared = ray.remote(num_cpus=1)(work), ray.put(function)
        jobs, running = iter(jobs), dict[Any, Job]()
        try:
            while True:
                running |= {remote.remote(shared, job): job for job in islice(jobs, _AHEAD * cpus - len(running))}
                if not running:
                    return
                [ready], _ = ray.wait(list(running), num_returns=1)
                yield running.pop(ready), _result(ray, ready)
        finally:
            for reference in running:
                ray.cancel(reference, force=True)


def _result(ray: Any, reference: Any) -> list[Any]:
    try:
        results: list[Any] = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error  # what `work` raised, without Ray's wrapping
    except ray.exceptions.RayError as error:
        raise ResourceError(
            f"a worker of the Ray cluster failed: {type(error).__name__}: {str(error)[:200]}",
            hint="Look at the nodes' memory and logs; what is finished is kept.",
        ) from error
    return results


@contextmanager
def _connected(ray: Any, address: str, workers: int) -> Iterator[None]:
    """A connection that the caller already has is used and kept."""
    if ray.is_initialized():
        yield
        return
    _require_answer(address)
    where = {"num_cpus": workers or None, "include_dashboard": False} if address == LOCAL else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **where)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise _silent(address, error) from error
    try:
        yield
    finally:
        ray.shutdown()


def _require_answer(address: str) -> None:
    """Of an address that is a host and a port, where Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise _silent(address, error) from error


def _silent(address: str, error: Exception) -> InputError:
    return InputError(
        f"no Ray cluster answers at {address!r}: {str(error)[:200]}",
        hint="Give the address that `ray start --head` printed, or 'local'.",
    )


def _ray() -> Any:
    try:
        import ray
    except ModuleNotFoundError:
        raise UsageError(
            "a Ray cluster needs the package ray, which is not installed", hint="pip install 'lipcert[cluster]'"
        ) from None
    return ray
