"""Pictures of stored runs: each a function from tables, as they are read back, to a matplotlib figure."""

from lipcert.reports.figures.front import frontier
from lipcert.reports.figures.robustness import accuracy
from lipcert.reports.figures.runs import activations, casts, curves, spectra
from lipcert.reports.figures.style import save

__all__ = ["accuracy", "activations", "casts", "curves", "frontier", "save", "spectra"]
