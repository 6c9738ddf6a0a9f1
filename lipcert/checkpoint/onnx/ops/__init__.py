"""The operations of ONNX as functions of torch; one file a family."""
