"""The frontier of a sweep as a figure."""

from typing import TYPE_CHECKING

from lipcert.reports.figures import frontier
from lipcert.sweeps.result import Swept, points
from lipcert.sweeps.study import log10_of
from lipcert.sweeps.trial import Trial
from lipcert.sweeps.words import value
from lipcert.workspace.exact import parse_exact

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STRENGTHS = {"optimizer", "constraint", "lr", "w_max", "weight_decay"}
"""What the frontier's own marks say."""


def figure(found: Swept) -> "Figure":
    """Validation loss against the proved bound. Where the marks do not say what was tried, the trials on the frontier
    have their number beside them, and below it what they changed.
    """
    rows = points(found.document["recipe"], found.trials)
    target = found.target
    line = None if target is None else (log10_of(parse_exact(target.bound)), f"bound wanted: {target.bound}")
    if set(found.document["swept"]) <= _STRENGTHS:
        return frontier(rows, wanted=line)
    best = found.document["pareto"]
    named = [row | {"label": f"#{row['trial']}" if row["trial"] in best else ""} for row in rows]
    return frontier(named, wanted=line, notes=[_note(each) for each in found.pareto])


def _note(trial: Trial) -> str:
    changes = ", ".join(f"{key} {value(of)}" for key, of in trial["change"].items())
    return f"#{trial['trial']}: {changes}"
