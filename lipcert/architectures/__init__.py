"""Built-in networks: what the recipe in a lipcert checkpoint can rebuild without running anyone's code."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lipcert.architectures.table import ARCHITECTURES, build, explain

__all__ = ["ARCHITECTURES", "build", "explain"]


# The table imports torch: loaded when first asked for, so that `arguments` can be imported without.
def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'lipcert.architectures' has no attribute {name!r}")
    return getattr(import_module("lipcert.architectures.table"), name)
