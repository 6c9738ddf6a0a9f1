"""The demo's network: handwritten digits, 8×8 pixels scaled to [0, 1], one small multilayer perceptron.

python demo/digits.py train       trains it (some seconds on a CPU) and writes demo/digits.safetensors
python demo/digits.py accuracy    prints what share of the 360 test images the written network gets right
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lipcert import architectures, checkpoint
from lipcert.checkpoint import lipcert

HERE = Path(__file__).parent
CHECKPOINT = HERE / "digits.safetensors"
ARGUMENTS = {"widths": [64, 64, 64, 10], "activation": "relu"}
TEST = 360
EPOCHS, BATCH, RATE, DECAY, NOISE = 40, 64, 3e-3, 0.3, 0.2


def digits() -> tuple[Tensor, Tensor]:
    """Images (1797, 8, 8) in [0, 1] and labels (1797,), in an order that is random and always the same."""
    with np.load(HERE / "digits.npz") as file:
        images, labels = torch.tensor(file["images"]) / 16, torch.tensor(file["labels"]).long()
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    return images[order], labels[order]


def test() -> tuple[Tensor, Tensor]:
    """The images that no training saw, for `lipcert attack --data demo/digits.py:test`."""
    images, labels = (part[-TEST:] for part in digits())
    return images, labels


def train() -> None:
    """AdamW on the cross-entropy. Weight decay and noise on the pixels keep the bound small."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # sums in one order, so that the same machine gives the same bytes
    images, labels = (part[:-TEST] for part in digits())
    module = architectures.build("mlp", ARGUMENTS)
    optimiser = torch.optim.AdamW(module.parameters(), lr=RATE, weight_decay=DECAY)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(images)).split(BATCH):
            noisy = images[batch] + NOISE * torch.randn_like(images[batch])
            optimiser.zero_grad()
            nn.functional.cross_entropy(module(noisy), labels[batch]).backward()
            optimiser.step()
    lipcert.save(CHECKPOINT, module, "mlp", ARGUMENTS, (8, 8))
    print(f"wrote {CHECKPOINT}")


@torch.no_grad()
def accuracy() -> None:
    """Prints the share of test images that the network in CHECKPOINT classifies correctly."""
    module = checkpoint.load(CHECKPOINT).module
    assert module is not None  # a lipcert checkpoint always holds a module
    images, labels = test()
    right = int((module(images).argmax(1) == labels).sum())
    print(f"{CHECKPOINT.name}: {right} of {TEST} test images right, accuracy {right / TEST:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["train", "accuracy"])
    if parser.parse_args().command == "train":
        train()
    accuracy()


if __name__ == "__main__":
    main()
