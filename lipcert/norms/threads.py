"""How many threads BLAS may use for one call.

OpenBLAS starts all of them for matrices far too small for it; on a busy machine each such call then waits
for a thread that is not running, up to a hundred times the work itself.
"""

from contextlib import AbstractContextManager, nullcontext
from functools import cache

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

_WORTH_THREADS = 2**25
_NEVER_THREADED = 2**15


def threads_for(operations: int) -> AbstractContextManager[object]:
    """A context in which calls of so many operations each run on one thread, unless they are large."""
    if not _NEVER_THREADED < operations <= _WORTH_THREADS:
        return nullcontext()
    limited: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return limited


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
