"""Whether the JSON of a run of examples says what is counted in the table beside it."""

from fractions import Fraction

from lipcert.errors import InputError
from lipcert.reports.quantities import accuracy, attacked_accuracy, certified_accuracy
from lipcert.reports.record import Examples, Record
from lipcert.store.run import RunKind

_COUNTED = {"clean": accuracy, "attacked": attacked_accuracy, "certified": certified_accuracy}
_NEAR = 1e-12


def require_counted(run: Examples, kind: RunKind, again: str) -> None:
    """again: what makes both anew. Raises InputError where they differ."""
    alone, told = Record("", {}, examples={kind: run}), run.document["data"]["examples"]
    if told != len(run.rows):
        raise InputError(f"{kind}.json is about {told} examples; {kind}.csv beside it has {len(run.rows)}.", hint=again)
    for row in run.document["accuracy"]:
        for key, read in _COUNTED.items():
            stated, reading = row[key], read(alone, Fraction(row["eps"]))
            if (stated is None) != (reading is None) or (reading and not abs(float(reading.value) - stated) < _NEAR):
                raise InputError(
                    f"{kind}.json says {key} = {stated} at eps {row['eps']}; {kind}.csv beside it says otherwise.",
                    hint=again,
                )
