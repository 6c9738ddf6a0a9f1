"""Results of a long run, kept as they come in, so that a run that was stopped goes on where it was."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from lipcert.errors import OutputError
from lipcert.store.atomic import write_json
from lipcert.store.lock import locked

VERSION = 1
HEADER = "header.json"

_DONE_AGAIN = "Delete it, and its examples are done again."
_SHOWN = 100


class Resumable:
    """A folder with `header.json`, what was run, and `part-00000.json`, ..., results by the number of their item.

    Used as a context, in which no other process writes to the folder. What is not in a part yet is missing from
    `results`. Results are JSON: they come back from `results` as they come back from the file.
    """

    def __init__(self, folder: Path, header: Mapping[str, Any], *, replace: bool = False) -> None:
        """header: all that the results depend on: settings, and the hashes of model and data. replace: the results of
        another run are taken away.
        """
        self.folder = folder
        self.results: dict[int, Any] = {}
        self._header = _as_json({"version": VERSION, "run": header})
        self._replace = replace
        self._next = 0
        self._lock = ExitStack()

    def __enter__(self) -> "Resumable":
        """Raises OutputError where the folder holds what was run otherwise, or another process is writing there."""
        with ExitStack() as stack:
            stack.enter_context(locked(self.folder))
            self._begin()
            for path in sorted(self.folder.glob("part-*.json")):
                self.results |= _part(path)
                self._next = int(path.stem.removeprefix("part-")) + 1
            self._lock = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    def add(self, results: Mapping[int, Any]) -> None:
        """Keep these, whole or not at all. Raises OutputError where they cannot be written or are no JSON."""
        path = self.folder / f"part-{self._next:05d}.json"
        pairs = [[index, result] for index, result in results.items()]
        try:
            write_json(path, pairs)
        except (TypeError, ValueError) as error:
            raise OutputError(
                f"results cannot be kept in {self.folder}: {error}",
                hint="Return tables, lists, text and finite numbers.",
            ) from error
        self.results |= dict(_as_json(pairs))
        self._next += 1

    def _begin(self) -> None:
        path = self.folder / HEADER
        if not path.exists():
            if any(self.folder.glob("part-*.json")):
                raise OutputError(f"{self.folder} holds parts without a {HEADER}", hint="Name another folder.")
            write_json(path, self._header)
        there = _read(path, "Name another folder.")
        if there != self._header and self._replace:
            self._clear()
            write_json(path, self._header)
        elif there != self._header:
            raise OutputError(
                f"{self.folder} holds the results of another run:\n" + "\n".join(_differences(there, self._header)),
                hint="Name another folder, run what was run there, or replace it with --force.",
            )

    def _clear(self) -> None:
        """The header goes last: parts without one would be nobody's."""
        for path in (*self.folder.glob("part-*.json"), self.folder / HEADER):
            path.unlink()


def _part(path: Path) -> dict[int, Any]:
    pairs = _read(path, _DONE_AGAIN)
    if not isinstance(pairs, list) or not all(isinstance(p, list) and len(p) == 2 and type(p[0]) is int for p in pairs):
        raise OutputError(f"{path} does not hold numbers of items with their results", hint=_DONE_AGAIN)
    return dict(pairs)


def _read(path: Path, hint: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise OutputError(f"{path} cannot be read: {error}", hint=hint) from error


def _differences(there: Any, now: Mapping[str, Any]) -> list[str]:
    """A line for every entry that differs; tables inside by the path of their entries."""
    old, new = _flat(there), _flat(now)
    keys = dict.fromkeys([*old, *new])
    return [f"  {key}: {_shown(old, key)} there, {_shown(new, key)} now" for key in keys if _differs(old, new, key)]


def _differs(old: Mapping[str, Any], new: Mapping[str, Any], key: str) -> bool:
    return key not in old or key not in new or old[key] != new[key]


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        return {path: value}
    return {
        key: leaf
        for name, inner in value.items()
        for key, leaf in _flat(inner, f"{path}.{name}" if path else name).items()
    }


def _shown(flat: Mapping[str, Any], key: str) -> str:
    return json.dumps(flat[key])[:_SHOWN] if key in flat else "nothing"


def _as_json(value: Any) -> Any:
    return json.loads(json.dumps(value, allow_nan=False))
