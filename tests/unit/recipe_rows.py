"""The tables of docs/recipes.md as the schema has them."""

import json
from itertools import groupby

from lipcert.workspace.recipe_keys import ARGUMENTS_TITLE, Key, keys

HEAD = "| key | type | default | meaning |\n|---|---|---|---|"
HEAD_OF_ARGUMENTS = "| key | of | type | default | meaning |\n|---|---|---|---|---|"


def tables() -> dict[str, str]:
    """The table of each group of keys, by its title."""
    found = {}
    for title, rows in groupby(keys(), key=lambda key: key.title):
        head = HEAD_OF_ARGUMENTS if title == ARGUMENTS_TITLE else HEAD
        found[title] = "\n".join([head, *map(row, rows)])
    return found


def row(key: Key) -> str:
    models = [", ".join(key.models)] if key.title == ARGUMENTS_TITLE else []
    kind = " ".join(f"`{choice}`" for choice in key.choices) or key.kind
    meaning, _, default = key.help.removesuffix(".").removesuffix("]").partition(" [default: ")
    cells = [f"`{key.name}`", *models, kind, default or written(key), meaning.removesuffix(".")]
    return f"| {' | '.join(cells)} |".replace("RMS to RMS", "RMS→RMS")


def written(key: Key) -> str:
    """As it stands in TOML."""
    if key.required:
        return "**required**"
    return "1/3" if key.default == 1 / 3 else f"`{json.dumps(key.default)}`"
