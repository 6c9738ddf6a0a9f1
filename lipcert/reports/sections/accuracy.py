"""How many examples are right: clean, under attack, and proved to stay so; and what attacks take away."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from lipcert.reports.content import Cell, Column, Item, Picture, Section, Table, Text
from lipcert.reports.figures.robustness import accuracy as accuracy_figure
from lipcert.reports.numbers import percent, proved_percent
from lipcert.reports.record import Examples, Record
from lipcert.reports.stored import about_run, eps_text, runs

Runs = Mapping[str, Examples]


def accuracy(records: Sequence[Record]) -> Section | None:
    """A figure a norm and source, and a row an eps and run."""
    found = {name: run for name, _, _, run in runs(records)}
    if not found:
        return None
    items: list[Item] = [_how(found), *_caution(found)]
    groups = _by_norm(found)
    names = [f"accuracy-{number}" for number in range(1, len(groups) + 1)] if len(groups) > 1 else ["accuracy"]
    items += map(_picture, names, groups)
    return Section("accuracy", "Accuracy against eps", [*items, _table(found, several=len(found) > 1)])


def drop(records: Sequence[Record]) -> Section | None:
    """What is left after each attack, as percentage points and as a share of the clean accuracy that were lost."""
    attacked = {record.name: record.examples["attack"] for record in records if "attack" in record.examples}
    if not attacked:
        return None
    several = len(records) > 1
    attacks = list(dict.fromkeys(name for run in attacked.values() for name in _attacks(run)))
    columns = [Column("model")] * several + [Column("eps", number=True), Column("clean", number=True)]
    columns += [Column(f"after {name}", number=True) for name in attacks]
    columns += [Column("lost, points", number=True), Column("lost, of clean", number=True)]
    rows = [
        [Cell(name)] * several + _lost(row, attacks)
        for name, run in attacked.items() for row in run.document["accuracy"]
    ]  # fmt: skip
    caption = (
        "A column an attack, in the order they ran: what is still right after it and all before it. Lost to all of "
        "them together: in percentage points, and as a share of the clean accuracy."
    )
    rejected = [_rejected(name, run) for name, run in attacked.items() if run.document["counters"]["rejected"]]
    return Section("drop", "What attacks take away", [Table(caption, columns, rows), *rejected])


def _how(found: Runs) -> Text:
    of = dict.fromkeys(about_run(run) for run in found.values())
    each = (
        f"{next(iter(of))}." if len(of) == 1 else " ".join(f"{name}: {about_run(run)}." for name, run in found.items())
    )
    return Text(
        "Clean: right as it is. Attacked: right under every attack, which is at least the truth. Certified: right and "
        f"proved to stay so within eps, which is at most the truth. {each}"
    )


def _caution(found: Runs) -> list[Text]:
    """Where runs are not of the same examples."""
    data = {(run.document["data"]["sha256"], run.document["data"]["examples"]) for run in found.values()}
    if len(data) < 2:
        return []
    return [Text("These runs are about different examples: their numbers do not compare directly.", "caution")]


def _by_norm(found: Runs) -> list[dict[str, Examples]]:
    """What goes into one figure."""
    groups: dict[tuple[str, str], dict[str, Examples]] = {}
    for name, run in found.items():
        groups.setdefault((run.document["norm"], run.document["source"]), {})[name] = run
    return list(groups.values())


def _picture(name: str, group: Runs) -> Picture:
    norm, source = next((run.document["norm"], run.document["source"]) for run in group.values())
    caption = f"Accuracy against eps, in {norm} at {source}: under attack, and certified."
    alt = ". ".join(f"{label}: {_words(run)}" for label, run in group.items())
    figure = accuracy_figure({label: run.document for label, run in group.items()})
    return Picture(name, figure, caption, f"Accuracy falling with eps. {alt}.")


def _words(run: Examples) -> str:
    rows = run.document["accuracy"]
    parts = [f"clean {percent(rows[0]['clean'])}"]
    for row in rows:
        attacked = "" if row["attacked"] is None else f" attacked {percent(row['attacked'])}"
        certified = "" if row["certified"] is None else f" certified {proved_percent(row['certified'])}"
        parts.append(f"at eps {eps_text(row['eps'])}{attacked}{certified}")
    return ", ".join(parts)


def _table(found: Runs, *, several: bool) -> Table:
    columns = [Column("model")] * several + [Column("eps", number=True)]
    columns += [Column(name, number=True) for name in ("clean", "attacked", "certified")]
    rows = []
    for name, run in found.items():
        for row in run.document["accuracy"]:
            shares = [_share(row["clean"]), _share(row["attacked"]), _share(row["certified"], proved=True)]
            rows.append([Cell(name)] * several + [_eps(row["eps"]), *shares])
    return Table("Shares of all examples; certified ones are rounded down.", columns, rows)


def _share(share: float | None, *, proved: bool = False) -> Cell:
    if share is None:
        return Cell("")
    return Cell(proved_percent(share) if proved else percent(share), share)


def _eps(eps: str) -> Cell:
    return Cell(eps_text(eps), float(Fraction(eps)))


def _attacks(run: Examples) -> list[str]:
    return list(run.document["accuracy"][0]["by_attack"])


def _lost(row: Mapping[str, Any], attacks: Sequence[str]) -> list[Cell]:
    after = [_share(row["by_attack"].get(name)) for name in attacks]
    lost = row["clean"] - row["attacked"]
    relative = Cell("") if not row["clean"] > 0 else Cell(percent(lost / row["clean"]), lost / row["clean"])
    return [_eps(row["eps"]), _share(row["clean"]), *after, Cell(f"{100 * lost:.1f}", lost), relative]


def _rejected(name: str, run: Examples) -> Text:
    """What attacks returned outside the rules."""
    counts = [
        f"{count} of {attack} ({reason})"
        for attack, reasons in run.document["counters"]["rejected"].items() for reason, count in reasons.items()
    ]  # fmt: skip
    return Text(f"{name}: not counted, since they broke the rules of the attack: {', '.join(counts)}.", "caution")
