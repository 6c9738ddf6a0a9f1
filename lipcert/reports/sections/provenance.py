"""Where everything comes from: files, commands, weights, data, recipes, versions, and what is not stored."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lipcert.reports.content import Cell, Column, Item, Section, Table, Text
from lipcert.reports.numbers import short
from lipcert.reports.record import Document, Record
from lipcert.reports.stored import weights_digest

_MANY = 12


def provenance(records: Sequence[Record], looked: Mapping[str, str]) -> Section:
    """looked: name of each record → whether the checkpoint still holds these weights, in a sentence."""
    several = len(records) > 1
    items: list[Item] = [item for record in records for item in _of(record, looked.get(record.name, ""), several)]
    return Section("provenance", "Provenance", items)


def _of(record: Record, looked: str, several: bool) -> Iterator[Item]:
    start = f"{record.name}: " if several else ""
    where = f" in {record.folder}" if record.folder is not None else ""
    yield Text(f"{start}{_files(record)}{where}. {looked}".strip())
    columns = [Column(name) for name in ("result", "data", "SHA-256 of the data", "seed", "seconds", "versions")]
    yield Table(f"{start}What was run.", columns, [_row(*each) for each in _documents(record)])
    for _, found in _documents(record):
        if found.get("command"):
            yield Text(found["command"], code=True)
    if record.training is not None:
        yield _recipe(start, record.training.document["recipe"])
    yield _weights(start, record)


def _files(record: Record) -> str:
    files = [f"{kind}.json" for kind, _ in _documents(record)]
    return f"From {', '.join(files)}" if record.folder is not None else "Bounded afresh from the checkpoint"


def _documents(record: Record) -> Iterator[tuple[str, Document]]:
    if record.bound is not None:
        yield "bound", record.bound
    for kind, run in record.examples.items():
        yield kind, run.document
    if record.training is not None:
        yield "train", record.training.document


def _row(kind: str, found: Document) -> list[Cell]:
    data = found.get("data", {})
    suite = f", suite {found['suite']}" if "suite" in found else ""
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    count = f", the first {data['examples']}" if "examples" in data else ""
    seed = found.get("seed")
    return [
        Cell(f"{kind}{suite}"),
        Cell(f"{data['name']}{count}" if data else ""),
        Cell(short(data["sha256"]) if data else ""),
        Cell("" if seed is None else str(seed), seed),
        Cell(f"{found['seconds']:.1f}", found["seconds"]),
        Cell(versions),
    ]


def _recipe(start: str, recipe: Mapping[str, Any]) -> Table:
    rows = [[Cell(key), Cell(str(value))] for key, value in recipe.items() if value is not None]
    caption = f"{start}The recipe, with all that was left to defaults."
    return Table(caption, [Column("key"), Column("value")], rows, many=True)


def _weights(start: str, record: Record) -> Table:
    rows = [[Cell(name), Cell(sha256)] for name, sha256 in record.weights.items()]
    fold = f"{weights_digest(record)}, the SHA-256 of the lines `NAME HASH`"
    caption = f"{start}Weights and buffers, {len(rows)} in all; as one {fold}."
    return Table(caption, [Column("weight"), Column("SHA-256")], rows, many=True)


def absent(records: Sequence[Record]) -> Section | None:
    """What is not stored, and so not drawn, with the command that adds it."""
    several = len(records) > 1
    found = [(record.name, *each) for record in records for each in _missing(record)]
    rows = [[Cell(name)] * several + [Cell(what), Cell(f"`{how}`")] for name, what, how in found]
    if not rows:
        return None
    columns = [Column("model")] * several + [Column("what"), Column("what would add it")]
    caption = "Nothing in this report stands for what is missing here."
    return Section("absent", "Not stored", [Table(caption, columns, rows)])


def _missing(record: Record) -> Iterator[tuple[str, str]]:
    out = record.folder or "FOLDER"
    if record.bound is None:
        yield "the bound layer by layer", f"lipcert bound CHECKPOINT --out {out}"
    if "attack" not in record.examples:
        yield "accuracy under attack, and certified", f"lipcert attack CHECKPOINT --data DATA --out {out}"
    elif "certify" not in record.examples and all(
        row["certified"] is None for row in record.examples["attack"].document["accuracy"]
    ):
        yield "certified accuracy", f"lipcert certify CHECKPOINT --data DATA --domain box:LO,HI --out {out}"
    if record.training is None:
        yield "training, activations, spectra, rounding", "lipcert train NAME"
