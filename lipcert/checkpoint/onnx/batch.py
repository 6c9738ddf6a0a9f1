"""Whether a file that leaves the number of examples open computes each of them by itself, as the module does."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from lipcert.checkpoint.agree import Inputs, Reference
from lipcert.checkpoint.onnx.inputs import Declared
from lipcert.errors import UnsupportedError


def require_apart(
    reference: Reference, declared: Sequence[Declared], pair: tuple[Inputs, Inputs], names: Sequence[str], path: Path
) -> None:
    """Compares two examples at once with each alone. Raises UnsupportedError where one depends on the other.

    pair: batches of one. names: of the outputs. A file that takes one example alone, whatever it declares, passes.
    """
    if not declared[0].open:
        return
    rows = list(zip(declared, *pair, strict=True))
    alone = [pair[0], tuple(b if each.open else a for each, a, b in rows)]
    try:
        together = reference(tuple(torch.cat([a, b]) if each.open else a for each, a, b in rows))
    except Exception:  # noqa: BLE001 - onnxruntime does not say what it raises
        return
    for name, both, one, two in zip(names, together, *(reference(inputs) for inputs in alone), strict=True):
        if not _is_apart(both, one, two, _slack(pair[0], (both, one))):
            raise UnsupportedError(
                f"{path}: the output {name} of two examples is not what it is of each alone, so they are not apart: "
                f"the first axis of {declared[0]} is left open, and may not be one of examples",
                hint="Export the network with the size of that axis fixed; the whole input is then one example.",
            )


def _is_apart(both: Tensor, one: Tensor, two: Tensor, slack: float) -> bool:
    """Side by side along any axis, or along a new one; or the same for all."""
    if one.shape != two.shape:
        return False
    ways = [torch.cat([one, two], axis) for axis in range(one.dim())] + [torch.stack([one, two])]
    return any(_is_same(both, way, slack) for way in ways) or all(_is_same(both, each, slack) for each in (one, two))


def _is_same(a: Tensor, b: Tensor, slack: float) -> bool:
    if a.shape != b.shape:
        return False
    a, b = a.double(), b.double()
    finite = b[torch.isfinite(b)].abs()
    size = float(finite.max()) if finite.numel() else 0.0
    return torch.allclose(a, b, rtol=0.0, atol=slack * (1 + size), equal_nan=True)


def _slack(*tensors: Sequence[Tensor]) -> float:
    """A kernel may add up a batch in another order: half of the digits of the coarsest type may differ."""
    floats = [x.dtype for each in tensors for x in each if x.is_floating_point()] or [torch.float32]
    return float(max(torch.finfo(dtype).eps for dtype in floats) ** 0.5)
