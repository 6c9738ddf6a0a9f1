"""What is in a file or folder, whether or not it can be bounded. Nothing of it is executed."""

from lipcert.checkpoint.contents.read import look
from lipcert.checkpoint.contents.record import Contents, Entry, Group, Problem

__all__ = ["Contents", "Entry", "Group", "Problem", "look"]
