"""Does this machine compute as the proofs assume? Small computations whose exact results are known."""

from collections.abc import Callable
from dataclasses import dataclass

_MANY = 1 << 20
"""Entries enough that torch shares them among all its threads, each of which has modes of its own."""


@dataclass(frozen=True)
class Check:
    """proofs: whether proofs rely on it, or only what is measured and trained. todo: what helps where it fails."""

    name: str
    holds: bool
    proofs: bool
    todo: str


def selfchecks(missing: list[str]) -> tuple[Check, ...]:
    """missing: packages that lipcert needs and that are not installed; without them, nothing is computed."""
    packages = Check("all packages are installed", not missing, True, f"pip install {' '.join(missing)}")
    if missing:
        return (packages,)
    found = (Check(name, _passes(holds), proofs, todo) for name, holds, proofs, todo in _CHECKS)
    return (packages, *found)


def _passes(holds: Callable[[], bool]) -> bool:
    try:
        return holds() is True
    except (ImportError, OSError, ArithmeticError, RuntimeError):
        return False


def rounds_to_nearest() -> bool:
    """1 + 2⁻⁵³ is half way to the next number and goes to 1, the even one; 1 + 3·2⁻⁵⁴ goes up; below -1 likewise."""
    import torch

    one = torch.ones(_MANY, dtype=torch.float64)
    half, more, step = 2.0**-53, 3 * 2.0**-54, 2.0**-52
    up = bool((one + half == 1).all()) and bool((one + more == 1 + step).all())
    down = bool((-one - half == -1).all()) and bool((-one - more == -1 - step).all())
    return up and down


def keeps_subnormals() -> bool:
    """The smallest numbers are neither flushed to zero nor taken for it."""
    import torch

    for dtype, least in ((torch.float64, 2.0**-1074), (torch.float32, 2.0**-149)):
        smallest = torch.full((_MANY,), least, dtype=dtype)
        if not bool((smallest * 1 > 0).all()) or not bool((smallest + smallest == 2 * least).all()):
            return False
    return True


def multiplies_exactly() -> bool:
    """Products of matrices of whole numbers have no rounding in float64, of torch and of numpy alike, whatever the
    order of their sums; in less precision they would."""
    import torch

    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randint(-(2**22), 2**22, (192, 192), generator=generator) for _ in range(2))
    exact = left @ right  # int64: sums below 2⁵²
    product = left.double() @ right.double()
    other = torch.from_numpy(left.double().numpy() @ right.double().numpy())
    return bool((product.long() == exact).all()) and bool((other.long() == exact).all())


def encloses() -> bool:
    """Balls of python-flint hold the exact value and do not claim to be exact where they are not."""
    from flint import arb

    third, root = arb(1) / 3, arb(2).sqrt()
    return not third.is_exact() and (third * 3).contains(arb(1)) and (root * root).contains(arb(2))


def full_float32() -> bool:
    """No TF32 or bfloat16 in float32 products."""
    import torch

    return torch.get_float32_matmul_precision() == "highest"


_CHECKS: tuple[tuple[str, Callable[[], bool], bool, str], ...] = (
    (
        "float64 rounds to nearest", rounds_to_nearest, True,
        "A library has changed the rounding mode of this process: start lipcert without it.",
    ),
    (
        "subnormal numbers are kept", keeps_subnormals, True,
        "A library built with -ffast-math, or torch.set_flush_denormal, flushes them: start lipcert without it.",
    ),
    (
        "float64 matrix products are float64", multiplies_exactly, True,
        "The BLAS library computes in less precision: unset what asks it to, or install torch and numpy again.",
    ),
    (
        "interval arithmetic encloses", encloses, True,
        "python-flint is broken: pip install --force-reinstall python-flint",
    ),
    (
        "float32 products are float32, no TF32", full_float32, False,
        "Call torch.set_float32_matmul_precision('highest'); proofs are not touched, attacks and training are.",
    ),
)  # fmt: skip
