"""`lipcert.gate`: the rules of a workspace, each with its number and its verdict."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lipcert.certificate.prove import Progress, silent
from lipcert.errors import InputError, LipcertError, ViolationError
from lipcert.gates.baseline import BASELINE_FILE, Entry, Key, read_baseline, write_baseline
from lipcert.gates.evidence import Evidence, Witness
from lipcert.gates.judge import misses
from lipcert.gates.place import lines
from lipcert.gates.result import GateResult, Row, Verdict
from lipcert.named import named_from
from lipcert.workspace.gate import Gate
from lipcert.workspace.load import SETTINGS_FILE, load

Found = Evidence | LipcertError
Baseline = dict[Key, Entry] | LipcertError


def gate(
    root: Path | str = ".",
    *,
    fresh: bool = False,
    seconds: float = 10.0,
    update_baseline: bool = False,
    progress: Progress = silent,
) -> GateResult:
    """Hold the models of the workspace in the folder `root` to its rules.

    fresh: compute everything anew, and read no stored result. seconds: for each search behind a bound that is computed.
    update_baseline: replace gate-baseline.json by what is read now, unless a rule is broken or violated.
    What the workspace names is named from `root`; the current folder stays what it is.

    A rule that is not met is told by the result. Raises InputError where the workspace is not valid or has no rule,
    OutputError where the baseline cannot be written.
    """
    started, root = time.monotonic(), Path(root)
    workspace = load(root)
    rules = workspace.settings.gate
    if not rules:
        raise InputError(f"{root / SETTINGS_FILE} has no rule.", hint="Write a [[gate]]: docs/gate.md says how.")
    with named_from(root):
        witness = Witness(workspace, rules, fresh=fresh, seconds=seconds, say=progress)
        found = [_evidence(witness, rule) for rule in rules]
    path, places = root / BASELINE_FILE, lines(root / SETTINGS_FILE, len(rules))
    baseline = _now(rules, found) if update_baseline else _stored(path)
    rows = [_row(rule, each, baseline, line) for rule, each, line in zip(rules, found, places, strict=True)]
    update = update_baseline and all(row.verdict in (Verdict.PASSED, Verdict.FAILED) for row in rows)
    if update:
        write_baseline(path, [(row.rule, row.baseline) for row in rows if row.baseline is not None])
    return GateResult(rows, root / SETTINGS_FILE, time.monotonic() - started, path if update else None)


def _evidence(witness: Witness, rule: Gate) -> Found:
    try:
        return witness.evidence(rule)
    except LipcertError as refusal:
        return refusal


def _stored(path: Path) -> Baseline:
    try:
        return read_baseline(path)
    except LipcertError as refusal:
        return refusal


def _now(rules: Sequence[Gate], found: Sequence[Found]) -> Baseline:
    """What is read now, as a baseline."""
    return {
        rule.key: Entry.of(each.reading, each.weights)
        for rule, each in zip(rules, found, strict=True) if isinstance(each, Evidence)
    }  # fmt: skip


def _row(rule: Gate, found: Found, baseline: Baseline, line: int) -> Row:
    if isinstance(found, LipcertError):
        verdict = Verdict.VIOLATED if isinstance(found, ViolationError) else Verdict.BROKEN
        return Row(rule, verdict, message=found.message, hint=found.hint, line=line)
    entry = None if isinstance(baseline, LipcertError) else baseline.get(rule.key)
    row = Row(rule, Verdict.PASSED, found.reading, entry, notes=found.notes, line=line)
    try:
        if rule.tolerance is not None and isinstance(baseline, LipcertError):
            raise baseline
        missed = misses(rule, found.reading, entry)
    except LipcertError as refusal:
        return replace(row, verdict=Verdict.BROKEN, message=refusal.message, hint=refusal.hint)
    return replace(row, verdict=Verdict.FAILED, message="\n".join(missed)) if missed else row
