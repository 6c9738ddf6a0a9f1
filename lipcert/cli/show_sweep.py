"""What `lipcert sweep` prints: its trials by ascending bound, and what came of a bound that was wanted."""

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from lipcert.cli.screen import console
from lipcert.cli.show import show_json

if TYPE_CHECKING:
    from lipcert.sweeps.result import Swept


def show_sweep(found: "Swept", *, as_json: bool) -> None:
    """A sweep that has ended."""
    if as_json:
        show_json(found.document)
        return
    from lipcert.sweeps.words import MARK, without_numbers

    screen, details = console(), console(detail=True)
    screen.print(_table(found))
    details.print(Text(f"{MARK} none is better in both loss and bound"))
    for line in without_numbers(found.trials):
        screen.print(Text(line), soft_wrap=True)
    _show_answer(found)
    details.print(Text(f"kept in {found.folder}: sweep.json, sweep.csv, frontier.svg, README.md"), soft_wrap=True)


def _show_answer(found: "Swept") -> None:
    from lipcert.sweeps.words import answer, as_recipe

    screen, target = console(), found.target
    if target is None:
        return
    screen.print(Text(answer(found), style="bold green" if target.reached else "bold red"), soft_wrap=True)
    if target.trial is not None:
        screen.print(Text(f"\n{as_recipe(found, target.trial)}\n\n{target.trial['command']}\n"), soft_wrap=True)


def _table(found: "Swept") -> Table:
    from lipcert.sweeps.words import by_bound, cells, head

    swept = found.document["swept"]
    title = f"{found.document['name']}: [train.{found.document['recipe_name']}]"
    table = Table(title=Text(title), title_justify="left", title_style="bold")
    texts = {"", "optimizer", "constraint", "guaranteed"}
    for name in head(swept):
        table.add_column(Text(name), justify="left" if name in texts else "right")
    for trial in by_bound(found.trials):
        best = trial["trial"] in found.document["pareto"]
        table.add_row(*map(Text, cells(found, trial)), style="bold" if best else "")
    return table
