"""The page of a sweep, in Markdown."""

from collections.abc import Iterator

from lipcert.sweeps.result import Swept
from lipcert.sweeps.words import MARK, answer, as_recipe, by_bound, cells, head, without_numbers

_ABOUT = """[train.{recipe}] with the values of each row: {trials} trials of {how}. The bound is proved of the trained
weights; *measured* is the largest ratio found between two inputs. *Guaranteed*: optimiser and constraint promise every
cap at every step. *Paper* is the accounting of arXiv 2507.13338, an estimate that is no upper bound. {mark}: no other
trial is better in both loss and bound."""


def page(found: Swept) -> str:
    """README.md of the folder."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Swept) -> Iterator[str]:
    document = found.document
    yield f"# Validation loss against proved bound: {document['name']}"
    if document["command"]:
        yield from ("", f"    {document['command']}")
    yield from ("", _about(found), "", "![Validation loss against proved bound](frontier.png)", "")
    yield from _table(head(document["swept"]), [cells(found, each) for each in by_bound(found.trials)])
    missing = without_numbers(found.trials)
    if missing:
        yield from ("", "Without a proved bound:", "", *(f"- {line}" for line in missing))
    yield from _wanted(found)
    versions = ", ".join(f"{name} {number}" for name, number in document["versions"].items())
    yield from ("", f"{versions}. `sweep.json` has the command of every trial.")


def _about(found: Swept) -> str:
    plan = found.document["plan"]
    how = "a grid" if plan["kind"] == "grid" else f"a study with seed {plan['seed']}, {plan['together']} at a time"
    return _ABOUT.format(recipe=found.document["recipe_name"], trials=plan["trials"], how=how, mark=MARK)


def _table(names: list[str], rows: list[list[str]]) -> Iterator[str]:
    for cells_ in (names, ["---"] * len(names), *rows):
        yield f"| {' | '.join(cells_)} |"


def _wanted(found: Swept) -> Iterator[str]:
    target = found.target
    if target is None:
        return
    said = answer(found)
    yield from ("", f"## A proved bound of {target.bound}", "", f"{said[0].upper()}{said[1:]}.")
    if target.trial is not None:
        yield from ("", *(f"    {line}" for line in as_recipe(found, target.trial).splitlines()))
        yield from ("", f"    {target.trial['command']}")
