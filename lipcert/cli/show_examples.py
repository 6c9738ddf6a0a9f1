"""What `lipcert attack` and `lipcert certify` print."""

from statistics import median
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from lipcert.cli.screen import console
from lipcert.cli.show import show_json

if TYPE_CHECKING:
    from lipcert.attacks.run import Found


def show_run(found: "Found", *, as_json: bool) -> None:
    """A row an eps, what the certificate and the attacks leave between them, and what should make one doubt."""
    if as_json:
        show_json(found.to_json())
        return
    document, details = found.document, console(detail=True)
    what = f"{document['norm']} on {document['source']}, {document['data']['examples']} examples"
    title = f"{document['model']['path']}, {what}"
    details.print(Text(title, style="bold"), soft_wrap=True)
    table = Table()
    for name in ("eps", "clean", "attacked", "certified", *document["accuracy"][0]["by_attack"]):
        table.add_column(name, justify="right")
    for row in document["accuracy"]:
        cells = [row["eps"], *(_share(row[key]) for key in ("clean", "attacked", "certified"))]
        table.add_row(*cells, *(_share(value) for value in row["by_attack"].values()))
    console().print(table)
    for sentence in document["model"].get("assumes", ()):
        details.print(Text(f"assumed           {sentence}"), soft_wrap=True)
    if computed := document.get("float64_margins"):
        told = f"the margins of {computed} examples, less an allowance for rounding: not enclosed, so not proved"
        details.print(Text(f"in float64        {told}"), soft_wrap=True)
    for line in _radii(found):
        details.print(line, soft_wrap=True)
    for line in _doubts(found):
        console().print(line, soft_wrap=True)
    if found.path is not None:
        written = f"{found.path}, and the table beside it as CSV and Parquet"
        details.print(Text(f"written           {written}"), soft_wrap=True)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _radii(found: "Found") -> list[Text]:
    lines = []
    for name, words in (("certified_radius", "certified radius"), ("attacked_radius", "attacked radius")):
        values = [row[name] for row in found.rows if row["right"] and row[name] is not None]
        if values:
            lines.append(Text(f"{words:<18}median {median(values):.6g} of {len(values)} examples that are right"))  # type: ignore[type-var]
    return lines


def _doubts(found: "Found") -> list[Text]:
    lines = []
    if found.uncertified:
        lines.append(Text("not certified     ", style="bold yellow") + Text(found.uncertified))
    for flag in found.document["flags"]:
        lines.append(Text(f"{flag['name']:<18}", style="bold yellow") + Text(flag["sentence"]))
    return lines
