"""Constraints: pure functions of stacks of matrices that hold their singular values under a cap, or try to."""

from lipcert.training.constraints.known import AIM, Known
from lipcert.training.constraints.rows import cap_rows
from lipcert.training.constraints.svd_cap import bring_under
from lipcert.training.constraints.table import CONSTRAINTS

__all__ = ["AIM", "CONSTRAINTS", "Known", "bring_under", "cap_rows"]
