"""What README.md and docs/ show: blocks of code, and the commands in them.

An indented block holds commands, and so do fences in `sh`; in `console` a command follows "$ " and its output stands
below. Everything else is in a fence that names its language.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(p for p in (ROOT / "docs").rglob("*.md") if "generated" not in p.parts)]

SHELL = frozenset({"sh", "bash", "console"})
DATA = frozenset({"text", "toml", "json", "yaml", "csv", "xml", "markdown"})
DIRECTIVES = frozenset({"{toctree}", "{include}", "{literalinclude}", "{note}", "{image}", "{figure}"})
CELL = "{code-cell}"
"""Of the notebook: run whenever the site is built."""

_COMMENT = re.compile(r"\s+# .*$|^# .*$")
_EXIT = re.compile(r"# .*\bexit code (\d+)")


@dataclass(frozen=True)
class Block:
    """language: the first word of a fence, "sh" for an indented block."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Command:
    """exit: the code that its comment announces, else 0. output: what is shown below it, "" where nothing is."""

    place: str
    text: str
    exit: int
    output: str


def blocks(page: Path) -> list[Block]:
    tokens = MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8"))
    return [
        Block(
            page,
            (token.map or [0])[0] + 1,
            "sh" if token.type == "code_block" else _language(token.info),
            token.content,
        )
        for token in tokens
        if token.type in ("fence", "code_block")
    ]


def _language(info: str) -> str:
    return (info.split() or [""])[0]


def spans(page: Path) -> list[str]:
    """What stands between backticks in running text."""
    inline = (
        token.children or []
        for token in MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))
    )
    return [child.content for children in inline for child in children if child.type == "code_inline"]


def commands(block: Block) -> list[Command]:
    """Those of a block in SHELL, in its order."""
    if block.language != "console":
        return [_command(block, line, "") for line in _joined(block.text)]
    shown = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    parts = (part.partition("\n") for part in shown)
    return [_command(block, line, output) for line, _, output in parts]


def _command(block: Block, line: str, output: str) -> Command:
    announced = _EXIT.search(line)
    return Command(block.place, _COMMENT.sub("", line).strip(), int(announced[1]) if announced else 0, output)


def _joined(text: str) -> Iterator[str]:
    """Lines without those that are comments or empty; one that ends in a backslash goes on in the next."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line.strip()


def named_file(block: Block) -> str:
    """The file that a block is, as its first line names it: `# networks.py`; "" where it is none."""
    first = re.match(r"(?:#|//) ([\w./-]+\.\w+)\s*$", block.text.partition("\n")[0])
    return first[1] if first else ""
