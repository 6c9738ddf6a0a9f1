"""The claim of every network, in one sentence with all that it assumes."""

from collections.abc import Sequence

from lipcert.reports.content import Text, Tone
from lipcert.reports.numbers import short
from lipcert.reports.record import Record
from lipcert.reports.stored import STATED, Stated, claims, sentence, weights_digest, where


def claim(records: Sequence[Record]) -> list[Text]:
    """What stands first."""
    return [text for record in records for text in _of(record, named=len(records) > 1)]


def _of(record: Record, *, named: bool) -> list[Text]:
    start = f"{record.name}: " if named else ""
    weights = f"with exactly these weights (SHA-256 {short(weights_digest(record))})"
    found = claims(record)
    if not found:
        return [Text(f"{start}Nothing is proved of how far the output can move, {weights}.", "caution")]
    return [_sentence(start, each, weights) for each in found]


def _sentence(start: str, each: Stated, weights: str) -> Text:
    if each.status == STATED and each.upper is not None:
        told = f"{each.file} says that {sentence(each.claim, each.upper)}, {weights}"
        return Text(f"{start}NOT PROVED HERE: {told}. No certificate shows it: `{each.again}` proves it.", "caution")
    if each.proved is None:
        what = f"no finite bound in {each.claim['norm']} is proved, {where(each.claim)}"
        return Text(f"{start}{each.status.upper()}: {what}, {weights}.", "caution")
    tone: Tone = "good"
    return Text(f"{start}PROVED: {sentence(each.claim, each.proved)}, {weights}.", tone)
