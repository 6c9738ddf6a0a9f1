"""JSON files that come with a checkpoint."""

import json
from pathlib import Path
from typing import Any

from lipcert.errors import InputError

_LIMIT = 1 << 28
_AGAIN = "Copy or download it again."


def table(path: Path) -> dict[str, Any]:
    """The table that a file holds. Raises InputError for anything else."""
    try:
        if path.stat().st_size > _LIMIT:
            raise InputError(f"{path} has {path.stat().st_size:,} bytes, too many for JSON beside a checkpoint")
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {error}", hint=_AGAIN) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds a {type(content).__name__}, and a table is needed", hint=_AGAIN)
    return content
