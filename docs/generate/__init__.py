"""The pages that are made from lipcert's own tables each time the site is built, into docs/generated/."""

from pathlib import Path

from generate import coverage, exits, functions, looseness, norms, python, regions, rules, schemas, training

HERE = Path(__file__).parents[1] / "generated"
MAKERS = (rules, functions, regions, norms, training, schemas, exits, python, looseness, coverage)


def write(folder: Path = HERE) -> None:
    """All pages, as files; one that nothing makes any more is taken away. What is unchanged is left alone."""
    made: dict[Path, str] = {}
    for maker in MAKERS:
        made |= {folder / name: text for name, text in maker.pages().items()}
    for path in folder.rglob("*.*") if folder.is_dir() else ():
        if path not in made:
            path.unlink()
    for path, text in made.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
