"""Some of the items, and the function applied to them."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any

from lipcert.errors import LipcertError

Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Job:
    """indices: the numbers of the items among all."""

    indices: tuple[int, ...]
    items: tuple[Any, ...]


Done = tuple[Job, list[Any]]
"""A job with the results of its items."""


def work(function: Function, job: Job) -> list[Any]:
    """Every item's result. What the function raises is raised with the item's number: a refusal as itself, anything
    else, which may not survive the way back from another process, as a RuntimeError.
    """
    results = []
    for index, item in zip(job.indices, job.items, strict=True):
        try:
            results.append(function(item))
        except LipcertError as error:
            raise type(error)(f"item {index}: {error.message}", hint=error.hint) from error
        except Exception as error:
            raise RuntimeError(f"item {index}: {type(error).__name__}: {error}") from error
    return results


def here(function: Function, jobs: Iterable[Job]) -> Generator[Done]:
    """One job after the other in this process, with all its threads."""
    for job in jobs:
        yield job, work(function, job)
