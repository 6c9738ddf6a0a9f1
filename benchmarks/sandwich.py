"""Attacked beside certified: for every example the radius that is proved and the smallest that fools the network.

    python -m benchmarks.sandwich FOLDER --mnist mnist.npz [--limit 100]
    python -m benchmarks.sandwich FOLDER --sst2 FOLDER --vocabulary vocab.txt [--limit 40]

FOLDER holds the published checkpoints (mnist_6_100_nat.pth, kw_mnist.pth; the transformer of benchmarks/deept.py).
Writes a table and a scatter figure for each into reports/sandwich/: nothing may lie above the diagonal. Of DeepT one
word of each sentence is moved, in token-l2.
"""

import argparse
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pandas as pd
import torch

from benchmarks import deept
from lipcert.attacks import harness
from lipcert.attacks.budget import Effort
from lipcert.attacks.embedding import embedding
from lipcert.attacks.plan import Plan
from lipcert.attacks.run import Threat, attacked
from lipcert.attacks.session import Setup
from lipcert.bounds.certify import certify
from lipcert.checkpoint.load import load
from lipcert.norms.norm import NORMS, TOKEN_L2
from lipcert.rules.domain import Box, Vocabulary

OUT = Path("reports/sandwich")
NETWORKS = {"mnist_6_100": "mnist_6_100_nat.pth", "kw_mnist": "kw_mnist.pth"}
BUDGETS = {"l2": Fraction(3), "linf": Fraction(3, 10)}
DEEPT = "deept_sst_1layer.transformer.ckpt"


@dataclass(frozen=True)
class Sandwich:
    """certified, attacked: radii of the examples that are right; attacked infinite where no attack succeeded."""

    name: str
    norm: str
    table: pd.DataFrame

    def line(self) -> str:
        both = self.table[self.table.attacked_radius.notna() & (self.table.certified_radius > 0)]
        ratio = (both.certified_radius / both.attacked_radius).median()
        median = self.table.certified_radius.median(), self.table.attacked_radius.median()
        above = int((both.certified_radius >= both.attacked_radius).sum())
        cells = self.name, self.norm, len(self.table), *(f"{value:.4g}" for value in median), f"{ratio:.3g}", above
        return f"| {' | '.join(map(str, cells))} |"


def images(folder: Path, mnist: Path, limit: int) -> list[Sandwich]:
    found = []
    for name, file in NETWORKS.items():
        for norm, eps in BUDGETS.items():
            setup = Setup(
                str(folder / file), str(mnist), f"benchmarks/networks.py:{name}", (), False, "", False, "", limit
            )
            plan = Plan(NORMS[norm], (eps,), ("minimal", "apgd-ce"), Effort(100), 0.0, 1.0)
            threat = Threat(setup, plan, "sandwich", Box(0, 1))
            run = attacked(threat, seconds=5, seed=0, batch=100, workers=0, ray=None, say=lambda *_: None)
            table = pd.DataFrame(run.rows)
            found.append(Sandwich(name, norm, table[table.right]))
            print(found[-1].line(), flush=True)
    return found


def sentences(folder: Path, sst2: Path, vocabulary: Path, limit: int) -> Sandwich:
    """The middle word of each of the first sentences of the test set that are classified rightly."""
    module = load(folder / DEEPT, arch=f"{deept.__file__}:net").module
    assert module is not None  # a state dict becomes a module
    indices = {word: index for index, word in enumerate(vocabulary.read_text(encoding="utf-8").splitlines())}
    rows = []
    for label, words in deept.read(sst2 / "stsa.binary.test")[:limit]:
        ids, y = deept.encode(words, indices), torch.tensor([label])
        if int(module(ids).argmax()) != label:
            continue
        proved = certify(module, ids, y, norm=TOKEN_L2, domain=Vocabulary(1), source="word_embeddings", seconds=0.5)
        target, x = embedding(module, ids, source="word_embeddings")
        moves = torch.arange(ids.shape[1]) == ids.shape[1] // 2
        plan = Plan(TOKEN_L2, (Fraction(20),), ("minimal", "apgd-ce"), Effort(100), positions=moves)
        radius = float(harness.run(target, x, y, plan).radius)
        limits = {"certified_radius": float(proved.radius.min()), "attacked_radius": radius}
        rows.append({"words": len(words), **{k: None if v == float("inf") else v for k, v in limits.items()}})
    found = Sandwich("DeepT, one word", "token-l2", pd.DataFrame(rows).astype({"attacked_radius": float}))
    print(found.line(), flush=True)
    return found


def draw(found: list[Sandwich], name: str) -> None:
    """Certified against attacked radius, both logarithmic."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(found), figsize=(3.6 * len(found), 3.6), squeeze=False, layout="constrained")
    for axis, each in zip(axes[0], found, strict=True):
        both = each.table[each.table.attacked_radius.notna() & (each.table.certified_radius > 0)]
        axis.scatter(both.attacked_radius, both.certified_radius, s=9, color="#1f4e79", label="examples")
        low, high = both.certified_radius.min() / 2, both.attacked_radius.max() * 2
        axis.plot([low, high], [low, high], color="#b03a2e", linestyle="--", linewidth=1, label="certified = attacked")
        axis.set(xscale="log", yscale="log", title=f"{each.name}, {each.norm}", xlabel="smallest attacked radius")
        axis.grid(visible=True, linewidth=0.3)
    axes[0][0].set_ylabel("certified radius")
    axes[0][0].legend(fontsize=8, loc="upper left")
    figure.savefig(OUT / f"{name}.png", dpi=150)
    figure.savefig(OUT / f"{name}.svg")
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mnist", type=Path)
    parser.add_argument("--sst2", type=Path)
    parser.add_argument("--vocabulary", type=Path)
    parser.add_argument("--limit", type=int, default=100)
    flags = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    print("| network | norm | right examples | certified, median | attacked, median | ratio, median | above |")
    print("|---|---|---|---|---|---|---|")
    if flags.mnist:
        found, name = images(flags.folder, flags.mnist, flags.limit), "images"
    else:
        found, name = [sentences(flags.folder, flags.sst2, flags.vocabulary, flags.limit)], "sentences"
    for each in found:
        each.table.to_csv(OUT / f"{each.name.replace(', ', '-').replace(' ', '-')}-{each.norm}.csv", index=False)
    draw(found, name)


if __name__ == "__main__":
    main()
