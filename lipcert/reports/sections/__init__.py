"""The sections of a report, each a function of what is stored: of one network, or of several side by side."""

from collections.abc import Callable, Mapping, Sequence

from lipcert.reports.content import Report, Section
from lipcert.reports.record import Record
from lipcert.reports.sections.accuracy import accuracy, drop
from lipcert.reports.sections.claim import claim
from lipcert.reports.sections.comparison import changed, summary
from lipcert.reports.sections.gap import gap
from lipcert.reports.sections.inside import activations, casts, spectra
from lipcert.reports.sections.layers import layers
from lipcert.reports.sections.provenance import absent, provenance
from lipcert.reports.sections.radius import radius
from lipcert.reports.sections.training import recipes, training
from lipcert.reports.sections.verdict import verdict

SECTIONS: tuple[Callable[[Sequence[Record]], Section | None], ...] = (
    verdict, layers, gap, accuracy, drop, radius, activations, casts, spectra, training, recipes, absent,
)  # fmt: skip
"""In the order of reading. None: nothing of it is stored."""


def describe(records: Sequence[Record], *, title: str, looked: Mapping[str, str], baseline: str = "") -> Report:
    """What a report of one network says, or of several side by side.

    looked: name → what came of looking at its checkpoint. baseline: the name of the one that others are held against.
    """
    first = [summary(records), changed(records, baseline)] if len(records) > 1 else []
    found = [section for make in SECTIONS if (section := make(records)) is not None]
    return Report(title, claim(records), [*first, *found, provenance(records, looked)])
