"""TOML tables with a schema, and what is wrong in one in words for a person, with the nearest name of one not known."""

import re
from collections.abc import Container, Iterable
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

_SHOWN = 60


class Table(BaseModel):
    """A TOML table: immutable, of exactly the types stated, without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Found(NamedTuple):
    """Something wrong in a table: the path of the key inside it, empty for the whole, and what to tell a person."""

    key: str
    message: str


class Problems(ValueError):
    """All that is wrong in a table that looks through its keys itself."""

    def __init__(self, found: list[Found]) -> None:
        super().__init__("; ".join(": ".join(filter(None, each)) for each in found))
        self.found = found


def plain(value: Any) -> Any:
    """Decimals, which is how TOML is read, as floats."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    return float(value) if isinstance(value, Decimal) else value


def nearest(word: str, known: Iterable[str]) -> str:
    """Which known word was meant, or all of them where none is near."""
    words = list(known)
    close = get_close_matches(word, words, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(words) or 'none'}"


def complaints(error: ValidationError) -> list[Found]:
    """All that pydantic found."""
    return [found for detail in error.errors() for found in explain(detail)]


def explain(detail: ErrorDetails, hidden: Container[str] = ()) -> list[Found]:
    """What is wrong, and what was seen. hidden: what pydantic puts into paths and no file has."""
    key = ".".join(str(part) for part in detail["loc"] if part not in hidden)
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, Problems):
        return [Found(".".join(filter(None, (key, found.key))), found.message) for found in cause.found]
    if detail["type"] == "missing":
        return [Found(key, "is missing")]
    text = str(cause) if detail["type"] == "value_error" else detail["msg"] + _meant(detail)
    seen = "" if isinstance(detail["input"], dict) else f" (seen: {_short(detail['input'])})"
    return [Found(key, text + seen)]


def _meant(detail: ErrorDetails) -> str:
    """Of the words that are allowed, the one that is near."""
    if detail["type"] != "literal_error" or not isinstance(detail["input"], str):
        return ""
    allowed: list[str] = re.findall("'([^']*)'", detail["ctx"]["expected"])
    close = get_close_matches(detail["input"], allowed, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _short(value: Any) -> str:
    text = str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
