"""Every command that README.md and docs/ show is run, in the order of its page, in a folder with the files it names."""

import ast
import json
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from lipcert.cli.main import app
from tests.docs.pages import (
    CELL,
    DATA,
    DIRECTIVES,
    PAGES,
    ROOT,
    SHELL,
    Block,
    Command,
    blocks,
    commands,
    named_file,
    spans,
)
from tests.docs.sandbox import Python, prepare, shell

ELSEWHERE = {
    "pip install .": "make wheel installs the wheel into a fresh environment",
    "make demo": "needs minutes; the commands that it runs are run here",
    "make test": ".ci/run",
}
"""Commands that no test can run, and what runs them instead."""

ALONE = frozenset({"lipcert init"})
"""Commands that need an empty folder."""

BEFORE = {
    "gate.md": ["rm gate-baseline.json"],
    "reports.md": ["lipcert bound other.safetensors --domain box:0,1 --seconds 1 --out reports/other"],
}
"""What makes the folder that of a page's reader: the gate's has no baseline yet."""

NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
CLI = get_command(app)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    prepare(folder)
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Path:
    return shutil.copytree(prepared, tmp_path / "here")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_block_says_what_it_is(page: Path) -> None:
    known = SHELL | DATA | DIRECTIVES | {"python", CELL}
    assert [block.place for block in blocks(page) if block.language not in known] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_what_is_shown_as_data_can_be_read(page: Path) -> None:
    readers = {"toml": tomllib.loads, "json": json.loads, "yaml": yaml.safe_load, "python": ast.parse, CELL: ast.parse}
    for block in blocks(page):
        readers.get(block.language, str)(block.text)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_and_flags_that_are_named_exist(page: Path) -> None:
    lines = [command.text for block in blocks(page) if block.language in SHELL for command in commands(block)]
    for line in [*lines, *spans(page)]:
        if re.match(r"lipcert( |$)", line):
            assert _unknown(line) == [], line


def _unknown(line: str) -> list[str]:
    """Words of a `lipcert …` line that the command does not know: its name, and flags."""
    words = [word for word in line.split()[1:] if re.match(r"-*[a-z]", word)]
    here = CLI
    while words and not words[0].startswith("-") and hasattr(here, "commands"):
        if words[0] not in here.commands:
            return words[:1]
        here = here.commands[words.pop(0)]
    context = here.make_context("docs", [], resilient_parsing=True)
    parameters = context.command.get_params(context)
    known = {flag for parameter in parameters for flag in [*parameter.opts, *parameter.secondary_opts]}
    return [word for word in words if word.startswith("-") and word.partition("=")[0] not in known]


def test_what_runs_elsewhere_is_shown_somewhere() -> None:
    shown = {
        command.text
        for page in PAGES
        for block in blocks(page)
        if block.language in SHELL
        for command in commands(block)
    }
    assert set(ELSEWHERE) | ALONE <= shown


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_the_commands_of_a_page_run(page: Path, folder: Path) -> None:
    problems = list(_run(page, folder))
    assert not problems, "\n\n".join(problems)


def _run(page: Path, folder: Path) -> Iterator[str]:
    """Runs a page from top to bottom; what went wrong."""
    for line in BEFORE.get(page.name, ()):
        assert shell(line, folder).returncode == 0, line
    python: Python | None = None
    for block in blocks(page):
        if block.language in SHELL:
            for command in commands(block):
                yield from _command(command, folder)
        elif name := named_file(block):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            python = python or Python(folder)
            yield from _python(python, block)
    if python is not None:
        python.close()


def _python(python: Python, block: Block) -> Iterator[str]:
    problem = python.run(block.text)
    if problem:
        yield f"{block.place}\n{problem}"


def _command(command: Command, folder: Path) -> Iterator[str]:
    if command.text in ELSEWHERE:
        return
    here = folder / "empty" if command.text in ALONE else folder
    here.mkdir(exist_ok=True)
    done = shell(command.text, here)
    if done.returncode != command.exit:
        said = done.stdout[-2000:] + done.stderr[-2000:]
        yield f"{command.place}: {command.text}\nexit code {done.returncode}\n{said}"
    elif command.output and not _same(command.output, done.stdout):
        yield f"{command.place}: {command.text}\nshown:\n{command.output}\nprinted:\n{done.stdout}"


def _same(shown: str, printed: str) -> bool:
    """Word by word, wherever lines break; numbers to a part in a hundred, since searches are timed."""
    left, right = shown.split(), printed.split()
    return len(left) == len(right) and all(map(_alike, left, right))


def _alike(left: str, right: str) -> bool:
    number = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
    if re.sub(number, "#", left) != re.sub(number, "#", right):
        return False
    pairs = zip(re.findall(number, left), re.findall(number, right), strict=True)
    return all(abs(float(a) - float(b)) <= 0.01 * max(abs(float(a)), abs(float(b))) for a, b in pairs)
