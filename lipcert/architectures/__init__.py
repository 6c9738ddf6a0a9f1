"""Built-in networks: what the recipe in a lipcert checkpoint can rebuild without running anyone's code."""

from lipcert.architectures.table import ARCHITECTURES, build, explain

__all__ = ["ARCHITECTURES", "build", "explain"]
