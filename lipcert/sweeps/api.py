"""`lipcert.sweep`: trials on this machine or on a cluster, each kept when it ends, and the frontier at the end."""

from collections.abc import Sequence
from contextlib import nullcontext
from fractions import Fraction
from functools import partial
from pathlib import Path

from lipcert.errors import OutputError, UsageError
from lipcert.shard.cluster import connected
from lipcert.shard.map import Progress, map_items, silent
from lipcert.store.lock import locked
from lipcert.store.parts import Resumable
from lipcert.sweeps.keep import finished, require_free_sweep, write_sweep
from lipcert.sweeps.plan import Plan, plan
from lipcert.sweeps.result import Swept, document
from lipcert.sweeps.study import Study
from lipcert.sweeps.trial import Trial, trial
from lipcert.workspace.load import load
from lipcert.workspace.sweep import Change

PARTS = "parts"


def sweep(
    name: str,
    *,
    workers: int | None = None,
    ray: str | None = None,
    target_bound: str | int | float | Fraction | None = None,
    trials: int | None = None,
    seed: int | None = None,
    out: Path | str | None = None,
    force: bool = False,
    command: str = "",
    progress: Progress = silent,
) -> Swept:
    """Try what [sweep.NAME] of the workspace here says, and find the frontier of validation loss and proved bound.

    workers: trials at a time, each in a process of its own with one thread; 1 unless given. ray: a cluster instead, by
    its address, or "local"; then workers is how many of its CPUs are used, all unless given. target_bound: choose the
    lowest loss among proved bounds of at most this, in the norm in which `lipcert train` proves them. trials, seed: of
    a study, in place of the sweep's. out: the folder, reports/sweep-NAME unless given. A sweep that was stopped goes on
    from what is kept there; one that has ended is read and returned. force: replace what is there; trials of the same
    sweep are not tried again. command: as the results are to have it. progress: called with how many trials have ended,
    and of how many.

    Raises UsageError for what makes no sense and for optuna or ray not installed, InputError for a workspace, data or
    stored results that are not valid, OutputError where the folder holds another sweep or cannot be written.
    """
    if workers is not None and workers < 1:
        raise UsageError(f"{workers} workers", hint="Give at least 1.")
    count = workers if workers is not None else 1 if ray is None else 0
    asked = plan(load(Path()), name, target=target_bound, trials=trials, seed=seed)
    place = Path(out if out is not None else f"reports/sweep-{name}")
    there = None if force else finished(place, asked)
    if there is not None:
        return there
    study = None if asked.points is not None else Study(asked.search, asked.seed, asked.target)
    require_free_sweep(place, overwrite=force)
    cluster = nullcontext() if ray is None else connected(ray, count)
    with locked(place), Resumable(place / PARTS, asked.header(), replace=force) as kept, cluster:
        runs = _Runs(asked, kept, count, ray, progress)
        rows = runs.of_grid() if study is None else runs.of_study(study)
        return write_sweep(place, document(asked, rows, command), overwrite=force)


class _Runs:
    """All trials of a plan, those of an earlier call from where it kept them."""

    def __init__(self, asked: Plan, kept: Resumable, workers: int, ray: str | None, progress: Progress) -> None:
        self._plan, self._kept, self._workers, self._ray = asked, kept, workers, ray
        self._progress = progress

    def of_grid(self) -> list[Trial]:
        return self._rows(self._plan.points or ())

    def of_study(self, study: Study) -> list[Trial]:
        """Asked and told from the beginning, so that it goes on where it was."""
        asked, rows = list[Change](), list[Trial]()
        while len(asked) < self._plan.trials:
            asked += study.ask(min(self._plan.together, self._plan.trials - len(asked)))
            fresh = self._rows(asked)[len(rows) :]
            study.tell(fresh)
            rows += fresh
        return rows

    def _rows(self, changes: Sequence[Change]) -> list[Trial]:
        """Raises OutputError where what is kept is not of these."""

        def say(done: int, _: int) -> None:
            self._progress(done, self._plan.trials)

        found = map_items(
            partial(trial, self._plan.base), changes, workers=self._workers, ray=self._ray, progress=say,
            kept=self._kept,
        )  # fmt: skip
        rows = [row for _, row in found]
        for number, (row, change) in enumerate(zip(rows, changes, strict=True), 1):
            if row["change"] != change:
                raise OutputError(
                    f"{self._kept.folder}: what is kept as trial {number} is {row['change']}, not {change}",
                    hint="It has been changed since: delete it, and the trials that follow are tried again.",
                )
        return rows
