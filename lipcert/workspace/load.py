"""Reading a workspace. Nothing of the user's is imported and no checkpoint is opened."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from lipcert.errors import InputError
from lipcert.workspace.gate import Gate, gate_problems
from lipcert.workspace.schema import NO_KEYS, ModelEntry, Settings, Suite
from lipcert.workspace.sweep import Sweep, sweep_problems
from lipcert.workspace.table import Found, Table, explain, nearest

SETTINGS_FILE = "lipcert.toml"
ATTACKS_FOLDER = "attacks"

T = TypeVar("T", bound=Table)

_TABLES: dict[str, type[Table]] = {"models": ModelEntry, "sweep": Sweep, "gate": Gate}
"""What stands inside the tables of lipcert.toml, where pydantic looks through its keys."""


class Problem(NamedTuple):
    """Something wrong in a file of the workspace; `key` is the path of the key, empty for the whole file."""

    file: Path
    key: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.file), self.key, self.message) if part)


@dataclass(frozen=True)
class Workspace:
    """A folder with a valid lipcert.toml and valid attacks/*.toml (`suites`, by file name without ending)."""

    root: Path
    settings: Settings
    suites: Mapping[str, Suite]

    def path_of(self, model: ModelEntry) -> Path:
        """Where the checkpoint of one of `settings.models` lies."""
        return self.root / model.path


def load(root: Path) -> Workspace:
    """Read and validate the workspace in the folder `root`. Raises InputError listing every problem."""
    problems: list[Problem] = []
    settings = _table(root / SETTINGS_FILE, Settings, problems)
    files = sorted((root / ATTACKS_FOLDER).glob("*.toml"))
    suites = {file.stem: suite for file in files if (suite := _table(file, Suite, problems))}
    if settings:
        known = [file.stem for file in files]
        problems += [Problem(root / SETTINGS_FILE, *found) for found in _dangling(root, settings, known)]
        problems += [Problem(root / SETTINGS_FILE, *found) for found in gate_problems(settings, known, suites)]
    if problems or not settings:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise InputError(
            f"the workspace is not valid:\n{listed}",
            hint="Correct this; `lipcert check` says when all is well.",
        )
    return Workspace(root, settings, suites)


def _table(file: Path, schema: type[T], problems: list[Problem]) -> T | None:
    """The content of one TOML file, or None with what is wrong added to `problems`."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
        return schema.model_validate(content)
    except FileNotFoundError:
        problems.append(Problem(file, "", "no such file; `lipcert init` writes one"))
    except ValidationError as error:
        problems += [Problem(file, *found) for detail in error.errors() for found in _explain(detail, schema)]
    except UnicodeDecodeError:
        problems.append(Problem(file, "", "no TOML: it is not UTF-8 text"))
    except (ValueError, RecursionError) as error:  # bad TOML, an integer of thousands of digits, deep nesting
        problems.append(Problem(file, "", f"no TOML: {error}"))
    except OSError as error:
        problems.append(Problem(file, "", f"cannot be read: {error.strerror}"))
    return None


def _explain(detail: ErrorDetails, schema: type[Table]) -> list[Found]:
    if detail["type"] != "extra_forbidden":
        return explain(detail, hidden=NO_KEYS)
    inside = _TABLES.get(str(detail["loc"][0]), schema)
    table = inside if len(detail["loc"]) > 1 else schema
    hint = nearest(str(detail["loc"][-1]), table.model_fields)
    return [Found(".".join(map(str, detail["loc"])), f"is no known key; {hint}")]


def _dangling(root: Path, settings: Settings, suites: list[str]) -> Iterator[tuple[str, str]]:
    """What lipcert.toml names and is not there."""
    if settings.default_model is not None and settings.default_model not in settings.models:
        hint = nearest(settings.default_model, settings.models)
        yield "default_model", f"there is no [models.{settings.default_model}]; {hint}"
    for position, suite in enumerate(settings.suites):
        if suite not in suites:
            yield (
                f"suites.{position}",
                f"there is no {ATTACKS_FOLDER}/{suite}.toml; {nearest(suite, suites)}",
            )
    for name, model in settings.models.items():
        if not (root / model.path).exists():
            yield f"models.{name}.path", f"there is no file {root / model.path}"
        script = (model.arch or "").rpartition(":")[0]
        if script.endswith(".py") and not (root / script).is_file():
            yield f"models.{name}.arch", f"there is no file {root / script}"
    for name, sweep in settings.sweep.items():
        for found in sweep_problems(sweep, settings.train):
            yield f"sweep.{name}.{found.key}", found.message
