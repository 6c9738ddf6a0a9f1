"""Networks with caps and without: trained, bounded, attacked, and compared.

    python -m benchmarks.runs demo demo-unconstrained -- --suite gpt --limit 50
    python -m benchmarks.runs shakespeare shakespeare-tight shakespeare-baseline -- --suite gpt --limit 20
    python -m benchmarks.runs mnist mnist-adamw -- --suite l2 --limit 1000

Names are recipes of lipcert.toml. Each is trained unless reports/train-NAME holds its run, then bounded and attacked;
what stands behind `--` goes to `lipcert attack`. The last name is the baseline. Writes reports/FIRST: a report that
compares them, and in a folder each what is stored of them.
"""

import argparse
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

REPORTS = Path("reports")
CHECKPOINT = "model.safetensors"

_KEPT = 4 << 20
"""Bytes of a checkpoint that is kept beside the report; a larger one its recipe makes again."""
_SUFFIXES = (".json", ".csv", ".safetensors")


def member(name: str, out: Path, attack: list[str]) -> Path:
    """Train what is not there yet, bound and attack it; the folder beside the report with what is stored of it."""
    folder = REPORTS / f"train-{name}"
    if not (folder / "train.json").exists():
        lipcert("train", name)
    found = json.loads((folder / "train.json").read_text(encoding="utf-8"))
    kept = out / name
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for file in folder.iterdir():
        if file.suffix in _SUFFIXES and file.stem not in ("attack", "bound", "certificate"):
            shutil.copyfile(file, kept / file.name)
    if found["bounds"]:
        lipcert("bound", str(kept / CHECKPOINT), *_claim(found), "--out", str(kept))
    lipcert("attack", str(kept / CHECKPOINT), "--data", found["data"]["name"], "--out", str(kept), *attack)
    _thin(kept)
    return kept


def _claim(found: dict[str, Any]) -> list[str]:
    claim = found["bounds"][0]["claim"]
    return ["--norm", claim["norm"], "--domain", claim["domain"]]


def _thin(folder: Path) -> None:
    """Without what is large, or only serves to go on with an attack that was stopped."""
    shutil.rmtree(folder / "parts", ignore_errors=True)
    if (folder / CHECKPOINT).stat().st_size > _KEPT:
        (folder / CHECKPOINT).unlink()


def lipcert(*arguments: str) -> None:
    print("$", shlex.join(["lipcert", *arguments]), flush=True)
    subprocess.run([sys.executable, "-m", "lipcert.cli.main", *arguments], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="+")
    own, _, attack = " ".join(sys.argv[1:]).partition(" -- ")
    names = parser.parse_args(own.split()).recipes
    out = REPORTS / names[0]
    folders = [str(member(name, out, attack.split())) for name in names]
    lipcert("compare", *folders, "--baseline", names[-1], "--out", str(out), "--force")


if __name__ == "__main__":
    main()
