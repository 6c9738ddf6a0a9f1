"""Scalar functions: proved secant slopes and ranges on intervals."""

from lipcert.rules.pointwise.record import Pointwise
from lipcert.rules.pointwise.table import POINTWISE

__all__ = ["POINTWISE", "Pointwise"]
