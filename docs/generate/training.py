"""A page of the constraints of training: formula, source, and what `guarantee` says of two ordinary runs."""

from generate.prose import cell, markdown, plain
from lipcert.training.constraints.guarantee import GUARANTEES, guarantee
from lipcert.training.constraints.table import CONSTRAINTS, Constraint, unchanged
from lipcert.training.newton_schulz import update_norm
from lipcert.training.updates import adamw_largest

SIDE, CAP = 64, 1.0
RUNS = {
    "muon": (0.1, update_norm("paper", "float32")),
    "adamw": (0.001, float(adamw_largest((0.9, 0.95))) * SIDE),
}
"""Optimiser → its learning rate, and the largest norm of an update of a 64×64 matrix."""


def pages() -> dict[str, str]:
    rows = [
        f"| [{name}](#{_anchor(name)}) | {cell(each.formula)} | {cell(each.source)} |"
        for name, each in CONSTRAINTS.items()
    ]
    text = [
        "# Constraints of training",
        "What becomes of a singular value σ of a weight after a step, and which pairs of optimiser and constraint hold "
        "every σ under the cap. The proofs in full are in [Constraints](../../constraints.md).",
        "| constraint | σ becomes | source |\n|---|---|---|\n" + "\n".join(rows),
        *(_section(name, each) for name, each in CONSTRAINTS.items()),
    ]
    return {"theory/training.md": "\n\n".join(text) + "\n"}


def _anchor(name: str) -> str:
    return name.replace(" ", "-")


def _section(name: str, constraint: Constraint) -> str:
    """Raises ValueError where a constraint has no formula, no source or nothing said of what it guarantees."""
    if not (constraint.formula and constraint.source and name in GUARANTEES):
        raise ValueError(f"the constraint {name!r} has no theorem: formula, source, or its line in GUARANTEES")
    apply = constraint.apply
    proof = [] if apply is unchanged else [markdown(apply.__doc__ or "")]
    more = [markdown(GUARANTEES[name].__doc__)] if GUARANTEES[name].__doc__ else []
    return "\n\n".join(
        [
            f"## {name}",
            f"σ becomes {plain(constraint.formula)} ({plain(constraint.source)}).",
            *proof,
            *more,
            _said(name),
        ]
    )


def _said(name: str) -> str:
    rows = []
    for optimizer, (lr, update) in RUNS.items():
        decay = update / CAP * 1.01 if name == "weight_decay" else 0.0
        found = guarantee(name, optimizer, w_max=CAP, lr=lr, decay=decay, update=update)  # type: ignore[arg-type]
        rows.append(f"| {optimizer}, lr {lr:g} | {'held' if found.holds else 'not held'} | {cell(found.why)} |")
    return f"Of a {SIDE}×{SIDE} matrix with w\\_max = {CAP:g}:\n\n| | cap | why |\n|---|---|---|\n" + "\n".join(rows)
