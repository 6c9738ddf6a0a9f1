"""Runs of named attacks on the small classifier."""

from lipcert.attacks.harness import run
from lipcert.attacks.result import AttackResult
from lipcert.attacks.target import Target
from tests.unit.attack.networks import classifier, images, plan

CHEATS = "tests.unit.attack.cheats:"


def attacked(*names: str, count: int = 40, batch: int = 128, seed: int = 0) -> AttackResult:
    network = classifier()
    x, y = images(network, count)
    return run(Target(network), x, y, plan(*names, eps=("1/200", "1/50")), seed=seed, batch=batch)
