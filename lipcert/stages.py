"""What a long call is doing, on the logger of its room: each stage, and how long it took."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stage(log: logging.Logger, doing: str) -> Iterator[None]:
    """Logs the beginning for debugging, and the end with its duration; a stage that is broken off has no end."""
    log.debug("%s ...", doing)
    started = time.monotonic()
    yield
    log.info("%s: %.2f s", doing, time.monotonic() - started)
