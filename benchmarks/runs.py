"""Networks with caps and without: trained, bounded, attacked, and set side by side.

    python -m benchmarks.runs demo demo-unconstrained -- --suite gpt --limit 50
    python -m benchmarks.runs shakespeare shakespeare-tight shakespeare-baseline -- --suite gpt --limit 20
    python -m benchmarks.runs mnist mnist-adamw -- --suite l2 --limit 1000

Names are recipes of lipcert.toml. Each is trained unless reports/train-NAME holds its run, then attacked; both are
`lipcert` commands, and what stands behind `--` goes to the latter. Writes reports/FIRST: tables, what the paper plots,
and the results of each.
"""

import argparse
import shutil
import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown

from lipcert.reports.figures import accuracy, activations, casts, curves, save, spectra
from lipcert.store.atomic import write_text
from lipcert.store.run import read_run, read_training
from lipcert.training.folder import CHECKPOINT

REPORTS = Path("reports")

_KEPT = 4 << 20
"""Bytes of a checkpoint that is kept beside the report; a larger one its recipe makes again."""


@dataclass(frozen=True)
class Member:
    """One of them. found, tables: of its training; attack: the JSON of its attack."""

    name: str
    found: dict[str, Any]
    tables: dict[Any, Any]
    attack: dict[str, Any]

    def quality(self) -> str:
        """A row of the first table."""
        results, bounds = self.found["results"], self.found["bounds"]
        proved = _power(bounds[0]["upper"], bounds[0]["log10_upper"]) if bounds else "none"
        measured = f"{bounds[0]['lower']:.4g}" if bounds else ""
        kept = "guaranteed" if self.found["guarantee"]["holds"] else "no guarantee"
        quality = f"{results['validation_loss']:.3f} | {results['validation_accuracy']:.1%}"
        return f"| {self.name} | {kept} | {quality} | {proved} | {measured} |"

    def inside(self) -> str:
        """A row of the second one."""
        last = [row for row in self.tables["activations"] if row["step"] == self.found["steps"]]
        largest, fits = max(row["largest"] for row in last), min(row["fp8_share"] for row in last)
        paper = self.found["bounds"][0]["paper_accounting"] if self.found["bounds"] else None
        cells = (
            self.name, f"{self.found['parameters']:,}", "" if paper is None else f"{float(paper):.4g}",
            f"{largest:.1f}", f"{fits:.1%}", f"{self.found['tokens']:,}", f"{self.found['seconds'] / 60:.1f} min",
        )  # fmt: skip
        return f"| {' | '.join(cells)} |"

    def rounded(self) -> str:
        cells = (f"{row['accuracy']:.1%}" for row in self.tables["casts"])
        return f"| {self.name} | {' | '.join(cells)} |"

    def robust(self) -> str:
        clean = self.attack["accuracy"][0]["clean"]
        cells = (f"{_share(row['attacked'])} / {_share(row['certified'])}" for row in self.attack["accuracy"])
        return f"| {self.name} | {clean:.1%} | {' | '.join(cells)} |"


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.1%}"


def _power(upper: str, log10: float) -> str:
    return f"{float(upper):.4g}" if log10 < 6 else f"10^{log10:.1f}"


def member(name: str, attack: list[str]) -> Member:
    """Train what is not there yet, attack it, and read both back."""
    folder = REPORTS / f"train-{name}"
    if not (folder / "train.json").exists():
        lipcert("train", name)
    found, tables = read_training(folder / "train.json")
    where = ["--data", found["data"]["name"], "--out", str(folder), "--force"]
    lipcert("attack", str(folder / CHECKPOINT), *where, *attack)
    return Member(name, found, dict(tables), read_run(folder / "attack.json", "attack")[0])


def lipcert(*arguments: str) -> None:
    print("$ lipcert", *arguments, flush=True)
    subprocess.run([sys.executable, "-m", "lipcert.cli.main", *arguments], check=True)


def write(runs: list[Member], command: str) -> Path:
    """The folder of the report."""
    out = REPORTS / runs[0].name
    figures = {
        "curves": curves({each.name: each.tables["metrics"] for each in runs}),
        "activations": activations({each.name: each.tables["activations"] for each in runs}),
        "casts": casts({each.name: each.tables["casts"] for each in runs}),
        "accuracy": accuracy({each.name: each.attack for each in runs}),
    }
    for each in runs:
        caps = {name: value["w_max"] for name, value in each.found["guarantee"]["norms"].items()}
        figures[f"spectra-{each.name}"] = spectra(each.tables["spectra"], caps=caps)
    for name, figure in figures.items():
        save(figure, out / name, overwrite=True)
    for each in runs:
        for file in (REPORTS / f"train-{each.name}" / name for name in (CHECKPOINT, "train.json")):
            if file.stat().st_size <= _KEPT:
                shutil.copyfile(file, out / f"{each.name}.{file.name}")
    write_text(out / "README.md", _page(runs, command), overwrite=True)
    return out


def _page(runs: list[Member], command: str) -> str:
    budgets = [f"eps {float(Fraction(row['eps'])):g}" for row in runs[0].attack["accuracy"]]
    precisions = [row["precision"] for row in runs[0].tables["casts"]]
    where = runs[0].found["bounds"][0]["claim"] if runs[0].found["bounds"] else {"norm": "", "domain": ""}
    versions = ", ".join(f"{name} {version}" for name, version in runs[0].found["versions"].items())
    return "\n".join([
        f"# {', '.join(each.name for each in runs)}", "",
        f"    {command}", "",
        f"Data: {runs[0].found['data']['name']}, SHA-256 `{runs[0].found['data']['sha256'][:16]}…`. Device: "
        f"{runs[0].found['device']}. Seed {runs[0].found['seed']}. {versions}. The recipes are in lipcert.toml and, "
        "with all that was left to defaults, in the `train.json` beside each checkpoint.", "",
        f"The bound is proved, in {where['norm']} on {where['domain']}; the paper's own accounting is an estimate and "
        "no upper bound; *measured* is the largest ratio that was found. Largest entry: of all activations on a batch; "
        "fp8: the share of entries that e4m3 holds without scaling, in the layer where it holds the fewest.", "",
        "| run | caps | validation loss | accuracy | proved bound | measured |",
        "|---|---|---|---|---|---|", *(each.quality() for each in runs), "",
        "| run | weights | by the paper | largest entry | fp8 | examples | training |",
        "|---|---|---|---|---|---|---|", *(each.inside() for each in runs), "",
        "![Training](curves.png)", "", "![Activations](activations.png)", "",
        "Accuracy with weights and activations rounded:", "",
        f"| run | {' | '.join(precisions)} |", f"|---|{'---|' * len(precisions)}",
        *(each.rounded() for each in runs), "", "![Rounded](casts.png)", "",
        f"Accuracy attacked / certified, in {runs[0].attack['norm']} at {runs[0].attack['source']}, suite "
        f"{runs[0].attack['suite']}, {runs[0].attack['data']['examples']} examples that were held out:", "",
        f"| run | clean | {' | '.join(budgets)} |", f"|---|---|{'---|' * len(budgets)}",
        *(each.robust() for each in runs), "", "![Accuracy against eps](accuracy.png)", "",
        *(f"![Singular values of {each.name}](spectra-{each.name}.png)\n" for each in runs),
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="+")
    mine, _, attack = " ".join(sys.argv[1:]).partition(" -- ")
    runs = [member(name, attack.split()) for name in parser.parse_args(mine.split()).recipes]
    page = write(runs, f"python -m benchmarks.runs {' '.join(sys.argv[1:])}") / "README.md"
    Console().print(Markdown(page.read_text(encoding="utf-8")))
    print(page)


if __name__ == "__main__":
    main()
