"""What is known of one scalar function φ that acts on every element of a tensor alone."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from lipcert.errors import UnsupportedError
from lipcert.rules.pointwise.curve import Array, Curve, Mask, enclose

Curves = tuple[Curve, ...]
Scalar = float | int
Place = float | Array


def everywhere(lo: Array, hi: Array) -> Mask:
    """φ is defined on all of R."""
    return np.ones(np.broadcast_shapes(lo.shape, hi.shape), dtype=bool)


@dataclass(frozen=True)
class Pointwise:
    """φ, its pieces and the pieces of its derivative, each as a function of φ's parameters.

    φ is absolutely continuous on every interval of its domain, so a secant slope
    (φ(a)-φ(b))/(a-b) is a mean of φ' over [b, a] and lies in the hull of φ' there: two points of an
    interval need nothing beyond a bound of the derivative almost everywhere on it.

    forward: φ on a tensor, differentiable, over the reals (no threshold beyond which it is cut off).
    function, derivative: the pieces that cover the domain of φ; those of φ' may jump in between.
    defined: where [lo, hi] lies inside the domain.
    source: the facts about φ' and φ from which the pieces follow.
    shrinks: whether |φ(x)| <= |x| although some slope exceeds 1: φ(x) = x p(x) with 0 <= p <= 1.
    """

    forward: Callable[..., Float[Tensor, "..."]]
    function: Callable[..., Curves]
    derivative: Callable[..., Curves]
    source: str
    defined: Callable[[Array, Array], Mask] = everywhere
    shrinks: bool = False

    def slopes(self, lo: Array | Scalar, hi: Array | Scalar, **parameters: object) -> tuple[Array, Array]:
        """Bounds (low, high) of every secant slope of φ with both points in [lo, hi], elementwise.

        lo, hi: arrays of one shape, ends may be infinite; parameters may be arrays that broadcast with
        them. A side without a finite bound is infinite; so are both where lo <= hi fails (NaN) or φ is
        not defined on the interval. Raises UnsupportedError for parameters outside the proof.
        """
        return self._enclose(self.derivative, lo, hi, parameters)

    def range(self, lo: Array | Scalar, hi: Array | Scalar, **parameters: object) -> tuple[Array, Array]:
        """Bounds (low, high) of φ on [lo, hi], elementwise; infinite where `slopes` would be."""
        return self._enclose(self.function, lo, hi, parameters)

    def _enclose(
        self,
        curves: Callable[..., Curves],
        lo: Array | Scalar,
        hi: Array | Scalar,
        parameters: dict[str, object],
    ) -> tuple[Array, Array]:
        numbers = {name: _number(name, value) for name, value in parameters.items()}
        sizes = [number.shape for number in numbers.values() if number is not None]
        shape = np.broadcast_shapes(np.shape(lo), np.shape(hi), *sizes)
        # One axis at least: numpy turns results without axes into scalars.
        ends = (np.broadcast_to(np.asarray(end, dtype=np.float64), shape) for end in (lo, hi))
        low, high = np.atleast_1d(*ends)
        below, above = enclose(curves(**numbers), low, high)
        known = self.defined(low, high)
        return np.where(known, below, -np.inf).reshape(shape), np.where(known, above, np.inf).reshape(shape)


def _number(name: str, value: object) -> Array | None:
    """A parameter as float64; None stands for "absent" (one side of a clamp)."""
    if value is None:
        return None
    number = np.asarray(value, dtype=np.float64)
    if np.isnan(number).any():
        raise UnsupportedError(
            f"parameter {name} of an activation is NaN", hint="repair the checkpoint: no bound holds for NaN"
        )
    return number


def require(holds: object, message: str, hint: str) -> None:
    """Refuse parameters for which nothing is proved: every element of `holds` must be true."""
    if not np.all(np.asarray(holds)):
        raise UnsupportedError(message, hint=hint)
