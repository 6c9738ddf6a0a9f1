"""Where rules stand in lipcert.toml."""

import re
from pathlib import Path

_HEADER = re.compile(r"""\s*\[\[\s*(gate|"gate"|'gate')\s*\]\]""")


def lines(settings: Path, rules: int) -> list[int]:
    """The line of each [[gate]], from 1; line 1 for all of them where they are written in another way."""
    text = settings.read_text(encoding="utf-8").splitlines()
    found = [number for number, line in enumerate(text, 1) if _HEADER.match(line)]
    return found if len(found) == rules else [1] * rules
