"""What should be impossible, kept so that anyone can see it again: the inputs, what was claimed, a script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import version
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipcert.errors import OutputError
from lipcert.store.atomic import write_bytes, write_json, write_text

if TYPE_CHECKING:
    from torch import Tensor

VERSION = 1
INPUTS, CLAIM, SCRIPT = "inputs.safetensors", "violation.json", "reproduce.py"


@dataclass(frozen=True)
class Network:
    """What it takes to have the network again, as the commands take it, and what was perturbed in it.

    path, arch, inputs: of the checkpoint, --arch ("" for none), --input. weights_sha256: by name.
    place: the module whose output is perturbed; None for the input. output: the one attacked, "" where there is one.
    folder: that path and arch are written from.
    """

    path: Path
    weights_sha256: Mapping[str, str]
    arch: str = ""
    inputs: Sequence[str] = ()
    place: str | None = None
    output: str = ""
    folder: Path = Path()


def write_violation(
    folder: Path,
    x: "Tensor",
    y: "Tensor",
    found: "Tensor",
    *,
    eps: Fraction,
    norm: str,
    network: Network,
    seed: int,
    message: str,
    context: Sequence["Tensor"] = (),
) -> Path:
    """Write the inputs exactly, the claim as JSON, and `reproduce.py`, which measures both numbers again.

    x, found: (1, *shape), an input that is certified within `eps` in `norm`, and the one that fools the network there.
    y: (1,) or (1, T), the label. context: the network's other inputs, each with a batch axis of 1.
    The folder is made; where something has its name, one with -2, -3, ... behind it. Returns the folder.
    Raises OutputError where it cannot be made.
    """
    from safetensors.torch import save

    tensors = {"x": x, "y": y, "found": found} | {f"context.{number}": each for number, each in enumerate(context)}
    place = _new(folder)
    write_bytes(
        place / INPUTS, save({name: each.detach().cpu().contiguous().clone() for name, each in tensors.items()})
    )
    write_json(place / CLAIM, _claim(eps, norm, network, seed, message))
    write_text(place / SCRIPT, files("lipcert.store").joinpath("reproduce.py.txt").read_text(encoding="utf-8"))
    return place


def write_ratio(
    folder: Path,
    x: "Tensor",
    found: "Tensor",
    *,
    bound: float,
    norm: str,
    network: Network,
    source: str,
    message: str,
) -> Path:
    """The same for two points that are torn further apart than a bound allows. source: as --source takes it."""
    from safetensors.torch import save

    place = _new(folder)
    tensors = {"x": x.detach().contiguous().clone(), "found": found.detach().contiguous().clone()}
    claim = {**_network(network), "message": message, "norm": norm, "bound": bound, "source": source}
    write_bytes(place / INPUTS, save(tensors))
    write_json(place / CLAIM, claim)
    script = files("lipcert.store").joinpath("reproduce_ratio.py.txt").read_text(encoding="utf-8")
    write_text(place / SCRIPT, script)
    return place


def _claim(eps: Fraction, norm: str, network: Network, seed: int, message: str) -> dict[str, Any]:
    return {
        **_network(network),
        "message": message,
        "eps": str(eps),
        "norm": norm,
        "seed": seed,
        "place": network.place,
    }


def _network(network: Network) -> dict[str, Any]:
    return {
        "version": VERSION,
        "folder": str(network.folder.absolute()),
        "path": str(network.path),
        "arch": network.arch,
        "inputs": list(network.inputs),
        "output": network.output,
        "weights_sha256": dict(network.weights_sha256),
        "versions": {package: version(package) for package in ("lipcert", "torch", "numpy")},
    }


def _new(folder: Path) -> Path:
    """A folder of its own: made here, so that of two processes each has another."""
    for number in count(1):
        place = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        try:
            place.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise OutputError(
                f"{place} cannot be made: {error.strerror}", hint="Name a folder that you may write to."
            ) from error
        return place
    raise AssertionError("unreachable")
