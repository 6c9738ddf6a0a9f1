"""Pictures of stored runs: each a function from tables, as they are read back, to a matplotlib figure."""

from lipcert.training.figures.front import frontier
from lipcert.training.figures.robustness import accuracy
from lipcert.training.figures.runs import activations, casts, curves, spectra
from lipcert.training.figures.style import save

__all__ = ["accuracy", "activations", "casts", "curves", "frontier", "save", "spectra"]
