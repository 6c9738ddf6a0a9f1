"""A file → Model: the network, example inputs, and where they come from. Nothing pickled is executed."""

from lipcert.checkpoint.hashing import tensor_sha256
from lipcert.checkpoint.load import load
from lipcert.checkpoint.model import Model, Provenance

__all__ = ["Model", "Provenance", "load", "tensor_sha256"]
