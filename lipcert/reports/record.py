"""All that is stored of one network: what `lipcert bound`, `attack`, `certify` and `train` left in a folder."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from lipcert.errors import InputError
from lipcert.store.examples import require_columns
from lipcert.store.run import BOUND, CERTIFICATE, TRAIN, RunKind, TrainTable, read_run, read_training
from lipcert.store.schema import read_json
from lipcert.store.table import Value

Document = Mapping[str, Any]
Rows = Sequence[Mapping[str, Value]]

_STORED = (BOUND, "attack.json", "certify.json", f"{TRAIN}.json")


class Examples(NamedTuple):
    """A run of attacks or of certification: its JSON, and a row an example."""

    document: Document
    rows: Rows


class Training(NamedTuple):
    """A training run: its JSON, and the rows of its tables."""

    document: Document
    tables: Mapping[TrainTable, Rows]


@dataclass(frozen=True)
class Record:
    """name: how readers tell it from others. weights: name → hash; whatever is stored agrees where names are shared.

    bound: the JSON of kind `result`. None, and no kind among `examples`, where nothing of it is stored.
    network: SHA-256 of the recipe that makes a network of the weights; "" where no result says it.
    """

    name: str
    weights: Mapping[str, str]
    folder: Path | None = None
    bound: Document | None = None
    examples: Mapping[RunKind, Examples] = field(default_factory=dict)
    training: Training | None = None
    network: str = ""


def read_record(folder: Path, name: str = "") -> Record:
    """What lies in a folder, under the folder's name where none is given.

    Raises InputError where nothing is stored, a file is not what was written, or two are about different weights.
    """
    if folder.is_file():
        raise InputError(
            f"{folder} is a file; a folder of results is needed",
            hint=f"Of a checkpoint, make one: lipcert bound {shlex.quote(str(folder))} --out FOLDER",
        )
    paths = {file: folder / file for file in _STORED if (folder / file).is_file()}
    if not paths:
        raise InputError(
            f"{folder} holds no results: none of {', '.join(_STORED)}",
            hint=f"Make some: lipcert bound CHECKPOINT --out {folder}",
        )
    bound = read_json(paths[BOUND], "result") if BOUND in paths else None
    kinds: tuple[RunKind, ...] = ("attack", "certify")
    examples = {kind: Examples(*read_run(paths[f"{kind}.json"], kind)) for kind in kinds if f"{kind}.json" in paths}
    for kind, run in examples.items():
        require_columns(paths[f"{kind}.json"], run.document["table"]["columns"])
    training = Training(*read_training(paths[f"{TRAIN}.json"])) if f"{TRAIN}.json" in paths else None
    hashes = {BOUND: bound["weights_sha256"]} if bound is not None else {}
    hashes |= {f"{kind}.json": run.document["model"]["weights_sha256"] for kind, run in examples.items()}
    hashes |= {f"{TRAIN}.json": training.document["model"]["weights_sha256"]} if training is not None else {}
    made = [bound] if bound is not None else []
    made += [run.document["model"] for run in examples.values()]
    made += [training.document["model"]] if training is not None else []
    network = _one_network(folder, {each["network_sha256"] for each in made if "network_sha256" in each})
    return Record(name or folder.resolve().name, _joined(folder, hashes), folder, bound, examples, training, network)


def certificate_of(record: Record, again: str) -> Document:
    """What proves the stored bound, from the file beside it; it is not proved again here.

    again: the command that makes both. Raises InputError where there is none, or one of another bound.
    """
    assert record.folder is not None
    assert record.bound is not None
    certificate = read_json(record.folder / CERTIFICATE, "certificate")
    for key in ("claim", "upper", "weights_sha256"):
        if record.bound[key] != certificate[key]:
            raise InputError(f"{record.folder / BOUND} and {CERTIFICATE} beside it differ in {key}.", hint=again)
    return certificate


def same_weights(left: Mapping[str, str], right: Mapping[str, str]) -> bool:
    """Whether the hashes are of one network: they share names, and agree on all of those."""
    shared = left.keys() & right.keys()
    return bool(shared) and all(left[name] == right[name] for name in shared)


def _one_network(folder: Path, made: set[str]) -> str:
    if len(made) > 1:
        raise InputError(
            f"{folder} mixes results of different networks of the same weights: the checkpoint's recipe was changed",
            hint="Make again what is older, with --force, or keep each network's results in a folder of its own.",
        )
    return next(iter(made), "")


def _joined(folder: Path, hashes: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """All hashes as one; the first file that disagrees with those before it is named."""
    whole: dict[str, str] = {}
    for place, (file, weights) in enumerate(hashes.items()):
        if place and not same_weights(whole, weights):
            others = ", ".join(list(hashes)[:place])
            raise InputError(
                f"{folder} mixes results of different weights: {file} is not about what {others} is about",
                hint="Make again what is older, with --force, or keep each network's results in a folder of its own.",
            )
        whole |= weights
    return whole
