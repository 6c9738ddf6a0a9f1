"""ONNX files, as modules of torch that compute the same."""

from lipcert.checkpoint.onnx.read import operations, read

__all__ = ["operations", "read"]
