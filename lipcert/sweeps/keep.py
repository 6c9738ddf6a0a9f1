"""The folder of a sweep: sweep.json, its table, the figure and a page; and what is there already."""

from collections.abc import Iterator
from pathlib import Path

from lipcert.errors import OutputError
from lipcert.store.atomic import FORCE_HINT, require_free, write_json, write_text
from lipcert.store.schema import read_json, shape_problems
from lipcert.store.table import read_table, write_table
from lipcert.sweeps.plan import Plan
from lipcert.sweeps.result import Document, Swept, columns, table_rows

SWEEP = "sweep"
FIGURE, PAGE = "frontier", "README.md"
_FILES = (f"{SWEEP}.json", f"{SWEEP}.csv", f"{SWEEP}.parquet", f"{FIGURE}.svg", f"{FIGURE}.png", PAGE)


def require_free_sweep(folder: Path, *, overwrite: bool) -> None:
    """Refuse before the work what `write_sweep` would refuse after it. Raises OutputError."""
    for name in _FILES:
        require_free(folder / name, overwrite=overwrite)


def write_sweep(folder: Path, found: Document, *, overwrite: bool = False) -> Swept:
    """Write table, figure and page and, last, sweep.json. Raises OutputError where one cannot be written."""
    from lipcert.reports.figures import save
    from lipcert.sweeps.figure import figure
    from lipcert.sweeps.page import page

    require_free_sweep(folder, overwrite=overwrite)
    table = write_table(folder, SWEEP, columns(found["swept"]), table_rows(found), overwrite=overwrite)
    swept = Swept(folder, {**found, "table": table})
    problems = list(shape_problems(dict(swept.document), "sweep"))
    if problems:
        raise ValueError(f"no sweep: {problems}")
    save(figure(swept), folder / FIGURE, overwrite=overwrite)
    write_text(folder / PAGE, page(swept), overwrite=overwrite)
    write_json(folder / f"{SWEEP}.json", swept.document, overwrite=overwrite)
    return swept


def read_sweep(folder: Path) -> Swept:
    """A finished sweep. Raises InputError where sweep.json or its table is not what was written."""
    found = read_json(folder / f"{SWEEP}.json", "sweep")
    read_table(folder, found["table"])
    return Swept(folder, found)


def finished(folder: Path, plan: Plan) -> Swept | None:
    """What is in the folder already, None where no sweep ended there. Raises OutputError where that was another one."""
    if not (folder / f"{SWEEP}.json").exists():
        return None
    swept = read_sweep(folder)
    differing = list(_differing(swept.document, plan))
    if differing:
        raise OutputError(f"{folder} holds another sweep: {', '.join(differing)}", hint=FORCE_HINT)
    return swept


def _differing(found: Document, plan: Plan) -> Iterator[str]:
    if found["recipe_name"] != plan.base.name or found["recipe"] != plan.base.table:
        yield f"of [train.{found['recipe_name']}], as it was then"
    there, now = found["plan"], plan.to_json()
    for key in sorted({*there, *now}):
        if there.get(key) != now.get(key):
            yield f"{key} is {str(there.get(key))[:60]} there, {str(now.get(key))[:60]} now"
