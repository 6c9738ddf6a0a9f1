"""How much memory there is: declared sizes are compared with it before anything is read."""

import os

from lipcert.errors import ResourceError


def physical() -> int | None:
    """Bytes of main memory of this machine, or None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def require(needed: int, what: str) -> None:
    """Raises ResourceError when `what` needs more bytes than there are."""
    total = physical()
    if total is not None and needed > total:
        raise ResourceError(
            f"{what} needs {needed / 2**30:,.1f} GiB and this machine has {total / 2**30:,.1f} GiB",
            hint="Use a machine with more memory, or check that the file is what you think it is.",
        )
