"""docs/recipes.md says of every key what the schema says."""

import re
import tomllib
from pathlib import Path

import pytest

from lipcert.architectures.arguments import ARGUMENTS
from lipcert.workspace.recipe import Recipe
from lipcert.workspace.recipe_fields import Fields
from lipcert.workspace.recipe_keys import keys
from tests.unit.recipe_rows import tables

PAGE = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("title", tables())
def test_a_table_of_the_page_is_that_of_the_schema(title: str) -> None:
    section = PAGE.partition(f"## {title}\n\n")[2].partition("\n\n")[0]
    assert section == tables()[title]


def test_every_field_is_a_key_with_help() -> None:
    names = [key.name for key in keys()]
    assert set(names) == {*Fields.model_fields, *(name for each in ARGUMENTS.values() for name in each.model_fields)}
    assert all(key.help and not key.help.startswith("None") for key in keys())


def test_the_example_of_the_page_is_a_recipe() -> None:
    [example] = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert Recipe.of(tomllib.loads(example)["train"]["small"]).arguments["context"] == 128
