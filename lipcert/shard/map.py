"""One function over many items, wherever there is room for it; the results are the same."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Protocol, runtime_checkable

from lipcert.errors import UsageError
from lipcert.shard.cluster import on_cluster
from lipcert.shard.job import Done, Function, Job, here
from lipcert.shard.processes import in_processes

Progress = Callable[[int, int], None]
"""Called with how many items are done, and of how many."""


@runtime_checkable
class Kept(Protocol):
    """Results that outlive the run, such as `lipcert.store.parts.Resumable`."""

    @property
    def results(self) -> Mapping[int, Any]: ...
    def add(self, results: Mapping[int, Any], /) -> None: ...


def silent(done: int, of: int) -> None:
    pass


def map_items(
    function: Function,
    items: Sequence[Any],
    *,
    workers: int = 0,
    ray: str | None = None,
    progress: Progress = silent,
    chunk: int = 1,
    kept: Kept | None = None,
) -> Iterator[tuple[int, Any]]:
    """(index, function(item)) for every item, in the order of the items.

    function: pure: its result depends on its item alone, random numbers included, whose seed the item holds. For
        workers and Ray a function of a module, or a `partial` of one; large arguments of it travel once a worker.
    workers: 0 computes here, more in so many processes of one thread each. ray: the address of a cluster, or "local".
    chunk: items that are computed, and kept, together. kept: items that it has results of are not computed again.
    A sum of floating-point numbers may depend on the number of threads: a worker has one, this process what it has.

    Raises UsageError for numbers that make no sense and a missing ray, and what the function raises, with the index
    of its item: a refusal as what it is, anything else as RuntimeError. Finished chunks are kept by then.
    """
    if workers < 0 or chunk < 1:
        raise UsageError(f"{workers} workers with {chunk} items each", hint="Give 0 or more workers, 1 or more items.")
    results = {index: kept.results[index] for index in range(len(items)) if index in kept.results} if kept else {}
    todo = [index for index in range(len(items)) if index not in results]
    next_index, done = 0, len(items) - len(todo)
    progress(done, len(items))
    with closing(_run(function, _jobs(items, todo, chunk), workers if todo else 0, ray if todo else None)) as finished:
        for job, found in finished:
            fresh = dict(zip(job.indices, found, strict=True))
            results |= _stored(fresh, kept)
            done += len(fresh)
            progress(done, len(items))
            while next_index in results:
                yield next_index, results.pop(next_index)
                next_index += 1
    yield from sorted(results.items())


def _stored(fresh: dict[int, Any], kept: Kept | None) -> dict[int, Any]:
    """As a rerun will find them, so that it makes no difference."""
    if kept is None:
        return fresh
    kept.add(fresh)
    return {index: kept.results[index] for index in fresh}


def _jobs(items: Sequence[Any], indices: Sequence[int], chunk: int) -> Iterator[Job]:
    for start in range(0, len(indices), chunk):
        chosen = tuple(indices[start : start + chunk])
        yield Job(chosen, tuple(items[index] for index in chosen))


def _run(function: Function, jobs: Iterable[Job], workers: int, ray: str | None) -> Generator[Done]:
    if ray is not None:
        return on_cluster(function, jobs, ray, workers)
    return in_processes(function, jobs, workers) if workers else here(function, jobs)
