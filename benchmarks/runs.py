"""Networks with caps and without: trained, bounded, attacked, and set side by side.

    python -m benchmarks.runs demo demo-unconstrained --limit 50
    python -m benchmarks.runs shakespeare shakespeare-tight shakespeare-baseline --limit 50
    python -m benchmarks.runs mnist mnist-adamw --suite l2 --norm l2 --eps 0.25 0.5 1 1.5 2 3 --limit 1000

Names are recipes of lipcert.toml. Each is trained unless reports/train-NAME holds its run, then attacked; both are
`lipcert` commands. Writes reports/FIRST: a table, what the paper plots, and the results of each.
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

from lipcert.store.atomic import write_text
from lipcert.store.run import read_run, read_training
from lipcert.store.schema import read_json
from lipcert.training.figures import accuracy, activations, casts, curves, save, spectra
from lipcert.training.folder import CHECKPOINT

REPORTS = Path("reports")

_KEPT = 2 << 20
"""Bytes of a checkpoint that is kept beside the report; a larger one its recipe makes again."""


@dataclass(frozen=True)
class Member:
    """One of them. found, tables: of its training; attack: the JSON of its attack."""

    name: str
    found: dict[str, Any]
    tables: dict[Any, Any]
    attack: dict[str, Any]

    def line(self) -> str:
        """A row of the table."""
        results, bounds = self.found["results"], self.found["bounds"]
        proved, paper, measured = _numbers(bounds[0]) if bounds else ("none", "", "")
        last = [row for row in self.tables["activations"] if row["step"] == self.found["steps"]]
        largest, fits = max(row["largest"] for row in last), min(row["fp8_share"] for row in last)
        kept = "yes" if self.found["guarantee"]["holds"] else "no"
        cells = (
            self.name, f"{self.found['parameters']:,}", kept, f"{results['validation_loss']:.3f}",
            f"{results['validation_accuracy']:.1%}", proved, paper, measured, f"{largest:.1f}", f"{fits:.1%}",
            f"{self.found['seconds'] / 60:.1f} min",
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


def _numbers(bound: dict[str, Any]) -> tuple[str, str, str]:
    paper = bound["paper_accounting"]
    upper = f"{float(bound['upper']):.4g}" if bound["log10_upper"] < 6 else f"10^{bound['log10_upper']:.1f}"
    return upper, "" if paper is None else f"{float(paper):.4g}", f"{bound['lower']:.4g}"


def member(name: str, options: argparse.Namespace) -> Member:
    """Train and attack what is not there yet, and read both back."""
    folder = REPORTS / f"train-{name}"
    if not (folder / "train.json").exists():
        lipcert("train", name)
    lipcert("attack", *attack(folder, options))
    found, tables = read_training(folder / "train.json")
    read_run(folder / "attack.json", "attack")
    return Member(name, found, dict(tables), read_json(folder / "attack.json", "attack"))


def attack(folder: Path, options: argparse.Namespace) -> list[str]:
    data = read_training(folder / "train.json")[0]["data"]["name"]
    budgets = [part for eps in options.eps for part in ("--eps", eps)]
    return [
        str(folder / CHECKPOINT), "--data", data, "--suite", options.suite, "--norm", options.norm, *budgets, "--limit",
        str(options.limit), "--out", str(folder), "--force",
    ]  # fmt: skip


def lipcert(*arguments: str) -> None:
    print("$ lipcert", *arguments, flush=True)
    subprocess.run([sys.executable, "-m", "lipcert.cli.main", *arguments], check=True)


def write(runs: list[Member], options: argparse.Namespace, command: str) -> Path:
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
    write_text(out / "README.md", _page(runs, options, command), overwrite=True)
    return out


def _page(runs: list[Member], options: argparse.Namespace, command: str) -> str:
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
        "| run | weights | cap guaranteed | validation loss | accuracy | proved bound | by the paper | measured | "
        "largest entry | fp8 | training |",
        "|---|---|---|---|---|---|---|---|---|---|---|", *(each.line() for each in runs), "",
        "![Training](curves.png)", "", "![Activations](activations.png)", "",
        "Accuracy with weights and activations rounded:", "",
        f"| run | {' | '.join(precisions)} |", f"|---|{'---|' * len(precisions)}",
        *(each.rounded() for each in runs), "", "![Rounded](casts.png)", "",
        f"Accuracy attacked / certified, in {options.norm}, suite {options.suite}, first {options.limit} examples held "
        "out:", "",
        f"| run | clean | {' | '.join(budgets)} |", f"|---|---|{'---|' * len(budgets)}",
        *(each.robust() for each in runs), "", "![Accuracy against eps](accuracy.png)", "",
        *(f"![Singular values of {each.name}](spectra-{each.name}.png)\n" for each in runs),
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="+")
    parser.add_argument("--norm", default="token-rms")
    parser.add_argument("--eps", nargs="+", default=["0.01", "0.03", "0.1", "0.3"])
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--suite", default="standard-embeddings")
    options = parser.parse_args()
    runs = [member(name, options) for name in options.recipes]
    page = write(runs, options, f"python -m benchmarks.runs {' '.join(sys.argv[1:])}") / "README.md"
    Console().print(Markdown(page.read_text(encoding="utf-8")))
    print(page)


if __name__ == "__main__":
    main()
