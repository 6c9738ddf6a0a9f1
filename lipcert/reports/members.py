"""What is compared or reported: run folders and checkpoints as records, and whether checkpoints changed since."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from lipcert.bounds.engine import bound
from lipcert.certificate.document import hashes
from lipcert.checkpoint.load import load
from lipcert.errors import InputError, LipcertError, UsageError
from lipcert.reports.counted import require_counted
from lipcert.reports.record import Record, certificate_of, read_record, same_weights
from lipcert.reports.stored import PROVED

Member = Path | str | Record


def gather(members: Sequence[Member], *, seconds: float) -> list[Record]:
    """A record each: run folders as they are stored, checkpoints bounded afresh by their default claim.

    seconds: for each search behind a fresh bound. Raises InputError for what is neither, UsageError for fewer than two
    or one twice; and what reading and bounding raise.
    """
    if len(members) < 2:
        raise UsageError("one network is no comparison.", hint="Name two run folders or checkpoints, or more.")
    return _told_apart([_record(member, seconds) for member in members], members)


def _record(member: Member, seconds: float) -> Record:
    if isinstance(member, Record):
        return member
    path = Path(member)
    if path.is_dir():
        return read_record(path)
    if not path.exists():
        raise InputError(f"{path}: no such run folder or checkpoint", hint="Check the path.")
    model = load(path)
    result = bound(model, seconds=seconds)
    found = result.to_json() | {"path": str(path)}
    return Record(path.stem, result.certificate["weights_sha256"], bound=found, network=model.network_sha256 or "")


def _told_apart(records: Sequence[Record], members: Sequence[Member]) -> list[Record]:
    """Records of one name are called by the folder above too."""
    names = [record.name for record in records]
    longer = [
        _longer(name, member) if names.count(name) > 1 else name for name, member in zip(names, members, strict=True)
    ]
    twice = next((name for name in longer if longer.count(name) > 1), None)
    if twice is not None:
        raise UsageError(
            f"two of the networks are called {twice}.",
            hint="Name each once, by folders or files that are called differently.",
        )
    return [replace(record, name=name) for record, name in zip(records, longer, strict=True)]


def _longer(name: str, member: Member) -> str:
    return name if isinstance(member, Record) else f"{Path(member).resolve().parent.name}/{name}"


def look(record: Record) -> str:
    """Whether the checkpoints that the results name still hold these weights, in a sentence.

    Raises InputError where one does not, where a stored bound is not that of the certificate beside it, or a run of
    examples is not what its table counts.
    """
    if record.folder is not None and record.bound is not None and record.bound["status"] == PROVED:
        certificate_of(record, f"Make both again: lipcert bound CHECKPOINT --out {record.folder} --force")
    for kind, run in record.examples.items():
        again = f"lipcert {kind} CHECKPOINT --data DATA --out {record.folder} --force"
        require_counted(run, kind, f"Make both again: {again}")
    return " ".join(_look(record, path) for path in dict.fromkeys(_checkpoints(record)))


def _checkpoints(record: Record) -> Iterator[Path]:
    """As training names it beside itself; as other commands were told, from where one is now, or beside the results."""
    folder = record.folder or Path()
    told = [record.bound["path"]] if record.bound is not None and "path" in record.bound else []
    told += [run.document["model"]["path"] for run in record.examples.values()]
    for path in map(Path, told):
        yield (path if path.exists() else folder / path).resolve()
    if record.training is not None:
        yield (folder / record.training.document["model"]["path"]).resolve()


def _look(record: Record, path: Path) -> str:
    unseen = "so whether its weights changed since was not looked at"
    if not path.exists():
        return f"{_near(path)} is not there any more, {unseen}."
    try:
        model = load(path)
    except LipcertError:
        return f"{_near(path)} cannot be read by itself, {unseen}."
    network = model.network
    state = network.state_dict() if isinstance(network, nn.Module) else network.state_dict
    if record.network and record.network != model.network_sha256:
        raise InputError(
            f"{_near(path)} makes another network of these weights than that of {record.folder}",
            hint="Make the results again with --force, or restore the checkpoint.",
        )
    if not same_weights(record.weights, hashes(state)):
        raise InputError(
            f"the weights of {_near(path)} changed since its results were stored in {record.folder}",
            hint="Make the results again with --force, or restore the checkpoint.",
        )
    recipe = ", and makes the same network of them" if record.network else ""
    return f"{_near(path)} still holds exactly these weights{recipe}."


def _near(path: Path) -> Path:
    """As seen from here, where it is below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
