"""How fast and how strong lipcert's attacks are, beside torchattacks in the same run.

    python -m benchmarks.attacks speed
    python -m benchmarks.attacks strength FOLDER --mnist mnist.npz [--images 500] [--only NAME ...]

speed: PGD in linf on a CIFAR-shaped convolutional network, against torchattacks' PGD with the same steps; and PGD on
the embeddings of a GPT, against the forward and backward passes that its steps need. strength: robust accuracy of
published MNIST networks (see benchmarks.published for FOLDER) under lipcert's standard attacks, against torchattacks'
AutoAttack on the same images.
"""

import argparse
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
import torchattacks
from torch import Tensor, nn

import lipcert
from benchmarks.published import FILES, NETWORKS
from lipcert import architectures
from lipcert.attacks.budget import Budget, Effort
from lipcert.attacks.draws import Draws
from lipcert.attacks.embedding import embedding
from lipcert.attacks.gradient import pgd
from lipcert.attacks.harness import run
from lipcert.attacks.loss import cross_entropy
from lipcert.attacks.plan import Plan
from lipcert.attacks.target import Target
from lipcert.norms.norm import L2, LINF, TOKEN_RMS

STEPS, BATCH = 40, 128
THREATS = ((LINF, Fraction(1, 10)), (L2, Fraction(1)))
OURS = ("apgd-ce", "apgd-t", "minimal", "square")
THEIRS = ("torchattacks:AutoAttack",)


def cnn() -> tuple[nn.Module, Tensor, Tensor]:
    """A network that tells noisy patterns apart, and a batch that it is right on."""
    torch.manual_seed(0)
    patterns = torch.rand(10, 3, 32, 32)
    labels = torch.arange(1024) % 10
    images = (0.5 + 0.25 * (patterns[labels] - 0.5) + 0.15 * torch.randn(1024, 3, 32, 32)).clamp(0, 1)
    layers: list[nn.Module] = []
    for fan_in, fan_out, stride in ((3, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2)):
        layers += [nn.Conv2d(fan_in, fan_out, 3, stride, padding=1), nn.BatchNorm2d(fan_out), nn.ReLU()]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(512, 10))
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    for part in torch.randperm(1024).repeat(3).split(64):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(images[part]), labels[part]).backward()
        optimiser.step()
    network.eval()
    with torch.no_grad():
        right = (network(images[:256]).argmax(1) == labels[:256]).nonzero()[:BATCH, 0]
    return network, images[right], labels[right]


def best_of(times: int, *calls: Callable[[], object]) -> list[float]:
    """The shortest time of each call in seconds, the calls taking turns."""
    taken = [[0.0] * times for _ in calls]
    for turn in range(times):
        for place, call in enumerate(calls):
            started = time.monotonic()
            call()
            taken[place][turn] = time.monotonic() - started
    return [min(each) for each in taken]


def images(eps: Fraction, times: int) -> None:
    network, x, y = cnn()
    target, budget, found = Target(network), Budget(LINF, eps, 0.0, 1.0), {}
    theirs = torchattacks.PGD(network, eps=float(eps), alpha=2.5 * float(eps) / STEPS, steps=STEPS)

    def attack() -> None:
        with target.frozen():
            found["lipcert"] = pgd(target, x, y, budget, Effort(STEPS), Draws.of(0, "pgd", torch.arange(len(x))))

    def their_attack() -> None:
        found["torchattacks"] = theirs(x, y)

    seconds = dict(zip(("lipcert", "torchattacks"), best_of(times, attack, their_attack), strict=True))
    print(f"PGD in linf {eps}, {STEPS} steps, {len(x)} images of 3×32×32: ratio ", end="")
    print(f"{seconds['torchattacks'] / seconds['lipcert']:.2f}")
    for name, points in found.items():
        with torch.no_grad():
            robust = float((network(points).argmax(1) == y).double().mean())
        print(f"  {name}: {seconds[name]:.2f} s, robust accuracy {robust:.4f}")


def embeddings(times: int, steps: int = 10, batch: int = 4) -> None:
    torch.manual_seed(0)
    gpt = architectures.build(
        "gpt", {"vocabulary": 256, "context": 256, "width": 256, "layers": 3, "heads": 4, "zero_init": False}
    )
    target, x = embedding(gpt, torch.randint(256, (batch, 256)))
    with target.frozen(), torch.no_grad():
        y = target(x).argmax(-1)
    budget = Budget(TOKEN_RMS, Fraction(1, 10**6))  # so small that nothing is fooled and leaves

    def attack() -> None:
        pgd(target, x, y, budget, Effort(steps), Draws.of(0, "pgd", torch.arange(batch)))

    def passes() -> None:
        for _ in range(steps):
            target.gradient(x, y, cross_entropy)

    with target.frozen():
        ours, floor = best_of(times, attack, passes)
    print(f"PGD on embeddings of a GPT, {batch}×256 tokens of width 256, {steps} steps: ratio {ours / floor:.3f}")
    print(f"  lipcert: {ours:.2f} s; as many forward and backward passes: {floor:.2f} s")


def strength(name: str, folder: Path, mnist: Path, count: int) -> None:
    network = lipcert.load(folder / FILES[name], arch=f"{NETWORKS}:{name}").module
    assert network is not None  # a state dict becomes a module
    with np.load(mnist) as data:
        x = torch.from_numpy(data["x_test"][:count]).float()[:, None] / 255
        y = torch.from_numpy(data["y_test"][:count]).long()
    for norm, eps in THREATS:
        found = {}
        for attacks, effort in ((OURS, Effort(100, 1, 5000)), (THEIRS, Effort())):
            started = time.monotonic()
            result = run(Target(network), x, y, Plan(norm, (eps,), attacks, effort, 0.0, 1.0), batch=500)
            found[attacks] = result.robust_accuracy[0], time.monotonic() - started
        numbers = [f"{accuracy:.3f} | {seconds:.0f}" for accuracy, seconds in found.values()]
        print(f"| {name} | {norm.name} {eps} | {result.accuracy:.3f} | {' | '.join(numbers)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("speed")
    command.add_argument("--times", type=int, default=3)
    command = commands.add_parser("strength")
    command.add_argument("folder", type=Path)
    command.add_argument("--mnist", type=Path, required=True)
    command.add_argument("--images", type=int, default=500)
    command.add_argument("--only", nargs="*", default=["mnist_6_100", "mnist_conv_small", "kw_mnist"], choices=FILES)
    flags = parser.parse_args()
    if flags.command == "speed":
        images(Fraction(3, 200), flags.times)
        embeddings(flags.times)
        return
    print("| network | budget | accuracy | lipcert | seconds | AutoAttack of torchattacks | seconds |")
    print("|---|---|---|---|---|---|---|")
    for name in flags.only:
        strength(name, flags.folder, flags.mnist, flags.images)


if __name__ == "__main__":
    main()
