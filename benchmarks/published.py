"""Bound and verify image classifiers that others published.

    python -m benchmarks.published FOLDER [--mnist mnist.npz] [--seconds 10] [--only NAME ...]

FOLDER holds the files of alpha-beta-CROWN, auto_LiRPA and convex_adversarial under the names below. With the
MNIST test set (arrays x_test, y_test) the accuracy of each MNIST network is measured too.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

import lipcert
from lipcert.certificate.check import check
from lipcert.graph.capture import capture, trace

FILES = {
    "mnist_6_100": "mnist_6_100_nat.pth",
    "mnist_9_200": "mnist_9_200_nat.pth",
    "mnist_conv_small": "mnist_conv_small_nat.pth",
    "kw_mnist": "kw_mnist.pth",
    "mnist_min_max": "mnist_min_max.pth",
    "spectral_mlp": "spectral_NOR_MLP_B.pth",
    "cifar_conv_small_sigmoid": "cifar_conv_small_sigmoid.pth",
    "cifar_wide": "cifar_wide.pth",
    "resnet2b": "resnet2b.pth",
    "resnet4b": "resnet4b.pth",
}
NETWORKS = Path(__file__).with_name("networks.py")


def accuracy(module: torch.nn.Module, mnist: Path) -> float:
    with np.load(mnist) as data:
        images, labels = torch.from_numpy(data["x_test"]), torch.from_numpy(data["y_test"])
    with torch.no_grad():
        guesses = torch.cat([module(part[:, None] / 255).argmax(1) for part in images.float().split(1000)])
    return float((guesses == labels).double().mean())


def row(name: str, path: Path, norm: str, seconds: float, mnist: Path | None) -> str:
    """Bound, then verify from the file, both timed."""
    started = time.monotonic()
    model = lipcert.load(path, arch=f"{NETWORKS}:{name}")
    assert model.module is not None  # a state dict becomes a module
    found = lipcert.bound(model.module, model.example_inputs, norm=norm, domain=lipcert.Box(0, 1), seconds=seconds)
    middle = time.monotonic()
    again = lipcert.load(path, arch=f"{NETWORKS}:{name}")
    assert again.module is not None
    check(found.certificate, trace(capture(again.module, again.example_inputs), again.example_inputs), "")
    ended = time.monotonic()
    digits = model.example_inputs[0].shape == (1, 1, 28, 28)
    hit = f"{accuracy(model.module, mnist):.4f}" if mnist and digits else "-"
    ratios = [value / found.lower for value in (found.product, found.upper)]
    return (
        f"| {name} | {norm} | {hit} | {found.lower:.4g} | {found.upper:.5g} | {found.product:.5g} | {ratios[1]:.3g} | "
        f"{ratios[0]:.3g} | {middle - started:.1f} | {ended - middle:.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mnist", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--only", nargs="*", default=list(FILES), choices=FILES)
    flags = parser.parse_args()

    names = "network norm accuracy measured proved product proved/measured product/measured bound(s) verify(s)"
    print(f"| {names.replace(' ', ' | ')} |")

    print("|---|---|---|---|---|---|---|---|---|---|")
    for name in flags.only:
        for norm in ("l2", "linf"):
            print(row(name, flags.folder / FILES[name], norm, flags.seconds, flags.mnist), flush=True)


if __name__ == "__main__":
    main()
