"""Stored results of made-up networks, as small as the schemas allow."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lipcert.store.atomic import write_json
from lipcert.store.examples import COLUMNS
from lipcert.store.run import Table, write_run, write_training
from lipcert.store.table import Column

HASH = "0123456789abcdef" * 4
WEIGHTS = {"a.weight": HASH, "b.weight": HASH[::-1]}
CLAIM = {
    "norm": "l2", "domain": "box:0,1", "source": "x", "output": "", "arithmetic": "real", "shape": [1, 4], "module": "",
    "through": "",
}  # fmt: skip
RADII = ((0.2, 0.4), (0.3, 0.35), (0.1, None), (0.6, None))
"""Certified and attacked radius of examples that are right; a fifth is wrong."""


def layer(path: str, norm: float, log10: float, share: float) -> dict[str, Any]:
    return {
        "name": f"node_{path}", "path": path, "operation": "linear", "shape": [1, 4], "estimate": norm, "norm": norm,
        "log10_norm": log10, "slack": 1e-8, "gain": norm, "log10_gain": log10, "share": share,
    }  # fmt: skip


def bound(**changes: Any) -> dict[str, Any]:
    """The result of `lipcert bound`."""
    return {
        "schema_version": 1, "kind": "result", "status": "proved", "claim": CLAIM, "upper": "3.00000049e+0",
        "log10_upper": 0.4771214, "lower": 2.5, "product": "4.0e+0",
        "layers": [layer("a", 2.0, 0.30103, 0.5), layer("b", 2.0, 0.30103, 0.5)],
        "regions": [{"entry": "x", "exit": "b", "method": "multipliers", "gain": "3.0", "product": "4.0", "paths": {}}],
        "blocks": [], "paper_accounting": None, "weights_sha256": WEIGHTS, "versions": {"lipcert": "0"}, "seconds": 1.5,
        "command": "lipcert bound net.safetensors --out run", "path": "net.safetensors",
    } | changes  # fmt: skip


def certificate(of: Mapping[str, Any]) -> dict[str, Any]:
    """Stands beside a bound, and proves nothing."""
    same = {key: of[key] for key in ("schema_version", "claim", "upper", "weights_sha256", "versions")}
    node = {
        "name": "x", "op": "input", "inputs": [], "shape": [1, 4], "attrs": {}, "consts": {}, "path": "", "target": "",
    }  # fmt: skip
    empty = {"fixed_sha256": {}, "facts": {}, "regions": [], "witnesses": {}}
    return same | empty | {"kind": "certificate", "nodes": [node]}


def accuracy(eps: str, attacked: float | None, certified: float | None) -> dict[str, Any]:
    by_attack = {} if attacked is None else {"pgd": min(0.8, attacked + 0.2), "square": attacked}
    return {"eps": eps, "clean": 0.8, "attacked": attacked, "certified": certified, "by_attack": by_attack}


def attack(
    folder: Path,
    *,
    radii: Sequence[tuple[Any, Any]] = RADII,
    margin64: Any = "absent",
    **changes: Any,
) -> None:
    """A run of attacks on five examples, of which the last is wrong. margin64: of all that are fooled; "absent" for
    the table of an earlier lipcert.
    """
    found = {
        "model": {"path": "net.safetensors", "weights_sha256": WEIGHTS},
        "data": {"name": "digits", "sha256": HASH, "examples": 5}, "suite": "short", "norm": "l2", "source": "x",
        "seed": 0, "versions": {"lipcert": "0"}, "seconds": 2.0,
        "accuracy": [accuracy("1/4", 0.8, 0.4), accuracy("1/2", 0.4, 0.2)],
        "counters": {"forward": 10, "backward": 5, "rejected": {}}, "flags": [],
        "command": "lipcert attack net.safetensors --data digits --out run",
    } | changes  # fmt: skip
    rows = [example(number, *pair) for number, pair in enumerate(radii)]
    rows.append(example(len(rows), 0.0 if rows[0]["certified_radius"] is not None else None, None) | {"right": False})
    if margin64 == "absent":
        write_run(folder, "attack", found, COLUMNS[:-1], rows)
        return
    rows = [row | {"margin64": margin64 if row["attacked_radius"] is not None else None} for row in rows]
    write_run(folder, "attack", found, COLUMNS, rows)


def example(number: int, certified: float | None, attacked: float | None) -> dict[str, Any]:
    return {
        "example": number, "label": 1, "prediction": 1, "right": True, "margin": 1.0, "certified_radius": certified,
        "attacked_radius": attacked, "ratio": certified / attacked if certified and attacked else None,
    }  # fmt: skip


def train(folder: Path, *, loss: float = 0.5, **changes: Any) -> None:
    """A run of two steps; the checkpoint that it names is not there."""
    found = {
        "name": "tiny", "command": "lipcert train tiny",
        "recipe": {"model": "mlp", "optimizer": "muon", "constraint": "soft_cap", "w_max": 2.0, "out": str(folder)},
        "model": {"path": "model.safetensors", "weights_sha256": WEIGHTS}, "parameters": 32,
        "data": {"name": "digits", "sha256": HASH, "tokens": {}}, "seed": 0, "device": "cpu", "processes": 1,
        "versions": {"lipcert": "0"}, "seconds": 3.0, "steps": 2, "tokens": 64,
        "guarantee": {"holds": True, "why": "a theorem", "norms": {"a.weight": {"norm": 1.9999, "w_max": 2.0}}},
        "bounds": [
            {"claim": CLAIM, "upper": "3.5e+0", "log10_upper": 0.54407, "lower": 2.0, "paper_accounting": None}
        ],
        "results": {"loss": 0.4, "validation_loss": loss, "validation_accuracy": 0.75},
    } | changes  # fmt: skip
    write_training(folder, found, tables())


def tables() -> dict[Any, Table]:
    floats = ("seconds", "loss", "lr", "gradient_norm", "tokens_per_second")
    measured = ("accuracy", "validation_loss", "validation_accuracy", "log10_bound")
    metrics = [Column("step", "int"), Column("tokens", "int"), *(Column(name, "float") for name in floats)]
    metrics += [Column(name, "float", nullable=True) for name in measured]
    steps = [
        {"step": step, "tokens": 32 * step, **dict.fromkeys(floats, 1.0 / step), **dict.fromkeys(measured, None)}
        for step in (1, 2)
    ]
    steps[-1] |= {"validation_loss": 0.5, "validation_accuracy": 0.75}
    activations = [{"step": 2, "path": path, "largest": 2.0, "fp8_share": 0.75} for path in ("a", "")]
    spectra = [
        {"step": 2, "path": "a.weight", "index": place, "value": 1.0, "scaled": 1.5 - place} for place in range(2)
    ]
    casts = [{"precision": name, "loss": 0.5, "accuracy": 0.75} for name in ("float32", "bfloat16")]
    return {
        "metrics": Table(metrics, steps), "activations": table(activations), "spectra": table(spectra),
        "casts": table(casts),
    }  # fmt: skip


def table(rows: Sequence[Mapping[str, Any]]) -> Table:
    types: dict[type, Any] = {int: "int", float: "float", str: "text"}
    return Table([Column(name, types[type(value)]) for name, value in rows[0].items()], rows)


def run(folder: Path, *, trained: bool = True, loss: float = 0.5, **changes: Any) -> Path:
    """A folder with a bound (`changes` in it), attacks, and a training run."""
    folder.mkdir(parents=True)
    write_json(folder / "bound.json", bound(**changes))
    if changes.get("upper", "3") is not None:
        write_json(folder / "certificate.json", certificate(bound(**changes)))
    weights = changes.get("weights_sha256", WEIGHTS)
    model = {"path": "net.safetensors", "weights_sha256": weights}
    attack(folder, model=model)
    if trained:
        train(folder, loss=loss, model=model | {"path": "model.safetensors"})
    return folder
