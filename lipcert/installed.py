"""`lipcert.doctor`: what is installed here, what is missing, and whether this machine computes as proofs rely on."""

import os
import platform
import re
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from lipcert.selfcheck import Check, selfchecks

ENABLES = {
    "cluster": "attacks and sweeps on a Ray cluster: --ray",
    "docs": "building the documentation",
    "hf": "folders of transformers as networks, and tokenizer.json: --tokenizer, tokens = ...",
    "images": "folders of images as data",
    "onnx": "ONNX files as networks",
    "sweep": "lipcert sweep with Optuna's samplers",
    "tensorboard": "lipcert train --tensorboard",
    "torchattacks": "the attacks of torchattacks: --attack torchattacks:NAME",
}
"""What each extra of pyproject.toml is for, but for `dev`, which is for working on lipcert itself."""

_INSTALL = {"torchattacks": "pip install --no-deps torchattacks==3.5.1"}  # its own metadata ask for an old requests
_NAME = re.compile(r"[\w.-]+")
_EXTRA = re.compile(r"extra == ['\"]([\w-]+)['\"]")


@dataclass(frozen=True)
class Extra:
    """packages: what it installs, with the version that is here, None where it is not. enables: what it is for."""

    name: str
    packages: dict[str, str | None]
    enables: str
    install: str

    @property
    def complete(self) -> bool:
        return None not in self.packages.values()


@dataclass(frozen=True)
class Device:
    """name, such as "cpu" or "cuda:0". what: the model, cores, threads and the like. memory: bytes, None if unknown."""

    name: str
    what: str
    memory: int | None


@dataclass(frozen=True)
class Installation:
    """versions: of Python, lipcert and all that it depends on, None for what is missing. builds: of torch and BLAS.

    workspace: what is in the folder, in a sentence. checks: of what proofs and measurements rely on.
    """

    versions: dict[str, str | None]
    system: str
    builds: dict[str, str]
    devices: tuple[Device, ...]
    extras: tuple[Extra, ...]
    workspace: str
    checks: tuple[Check, ...]

    @property
    def sound(self) -> bool:
        """Whether all that proofs rely on is as it must be."""
        return all(check.holds for check in self.checks if check.proofs)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"sound": self.sound}


def doctor(folder: Path | str = ".") -> Installation:
    """Look at this installation, and at the workspace in `folder`. Starts nothing, asks no network, writes nothing."""
    needs, extras = _requirements()
    python = f"{platform.python_version()} ({sys.executable})"
    versions = {"python": python, "lipcert": _version("lipcert")} | {name: _version(name) for name in needs}
    checks = selfchecks([name for name, found in versions.items() if found is None])
    runs = versions.get("torch") is not None
    return Installation(
        versions, platform.platform(), _builds() if runs else {}, _devices() if runs else (), extras,
        _workspace(Path(folder)), checks,
    )  # fmt: skip


def _requirements() -> tuple[list[str], tuple[Extra, ...]]:
    """What lipcert needs, and its extras, as its own metadata state them."""
    needs: list[str] = []
    packages: dict[str, dict[str, str | None]] = {}
    for line in metadata.requires("lipcert") or []:
        name, extra = _name(line), _EXTRA.search(line)
        if extra is None:
            needs.append(name)
        elif extra[1] in ENABLES:
            packages.setdefault(extra[1], {})[name] = _version(name)
    return needs, tuple(
        Extra(name, packages[name], ENABLES[name], _INSTALL.get(name, f"pip install 'lipcert[{name}]'"))
        for name in sorted(packages)
    )


def _name(requirement: str) -> str:
    found = _NAME.match(requirement)
    assert found is not None  # as the standard has it
    return found[0]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _builds() -> dict[str, str]:
    import scipy.linalg  # noqa: F401 - so that its BLAS is there to be asked
    import torch
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

    made = re.search(r"BLAS_INFO=(\w+)", torch.__config__.show())
    gpu = f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA"
    found = {"torch": f"{torch.__version__}, {gpu}, BLAS {made[1] if made else 'unknown'}"}
    for pool in threadpool_info():
        if pool["user_api"] == "blas":
            owner = Path(pool["filepath"]).parent.name.removesuffix(".libs")
            found[f"BLAS of {owner}"] = f"{pool['internal_api']} {pool['version']}, threads: {pool['num_threads']}"
    return found


def _devices() -> tuple[Device, ...]:
    import torch

    from lipcert.checkpoint.memory import physical

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = [Device("cpu", f"cores: {cores}, threads: {torch.get_num_threads()}; proofs run here", physical())]
    for number in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(number)
        found.append(Device(f"cuda:{number}", f"{card.name}; training and attacks", card.total_memory))
    if torch.backends.mps.is_available():
        found.append(Device("mps", "training; it has no float64, so proofs run on the CPU", None))
    return tuple(found)


def _workspace(folder: Path) -> str:
    from lipcert.errors import InputError
    from lipcert.workspace.load import SETTINGS_FILE, load

    if not (folder / SETTINGS_FILE).is_file():
        return f"none: there is no {SETTINGS_FILE} here, and `lipcert init` writes one"
    try:
        settings = load(folder).settings
    except InputError as error:
        return f"not valid: {error.message}"
    return f"valid; models: {len(settings.models)}, all of them there; recipes: {len(settings.train)}"
