"""Jobs in processes on this machine, each with a fresh interpreter and one thread."""

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from itertools import islice
from typing import Any

from lipcert.errors import ResourceError
from lipcert.shard.job import Done, Function, Job, work

_AHEAD = 2
"""Jobs a worker that are under way: one is computed while the next one waits for it."""

_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def in_processes(function: Function, jobs: Iterable[Job], workers: int) -> Generator[Done]:
    """Jobs as they are finished, in any order. `function` has to be importable by name, its arguments to be pickled.

    The function travels once a worker and not once a job. Whoever stops to iterate, Ctrl-C included, ends the workers.
    Raises ResourceError where a worker is killed, and what `work` raises.
    """
    packed = pickle.dumps(function)
    jobs = iter(jobs)
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start, (packed,))
    try:
        running = {_submit(pool, job) for job in islice(jobs, _AHEAD * workers)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {_submit(pool, job) for job in islice(jobs, len(done))}
            for future in sorted(done, key=lambda future: future.exception() is not None):  # what worked is kept first
                yield future.result()
        pool.shutdown()  # idle workers end by themselves, and leave nothing behind
    except BrokenProcessPool as error:
        raise ResourceError(
            "a worker process was killed or could not start; most often there was not enough memory",
            hint="Use fewer workers or smaller batches; what is finished is kept.",
        ) from error
    finally:
        _end(pool)


def _submit(pool: ProcessPoolExecutor, job: Job) -> "Future[Done]":
    return pool.submit(_work, job)


def _end(pool: ProcessPoolExecutor) -> None:
    """Does not wait for jobs that nobody asks for any more: they can take minutes. (`terminate_workers` of 3.14.)"""
    workers = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join()


_packed: list[bytes] = []


def _start(packed: bytes) -> None:
    """In a worker, before all else. Ctrl-C reaches every process of the terminal; the parent alone acts on it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    if "torch" in sys.modules:  # imported by the main module already, and so with the threads of before
        sys.modules["torch"].set_num_threads(1)
    _packed.append(packed)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """However it ended: nobody wants the results any more, and they could take hours."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@cache
def _function() -> Function:
    """Unpacked with the first job, so that what goes wrong is raised like any other error."""
    function: Function = pickle.loads(_packed[0])
    return function


def _work(job: Job) -> tuple[Job, list[Any]]:
    return job, work(_function(), job)
