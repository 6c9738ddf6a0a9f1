"""Core operations that are bounded better together than one by one, found in a lowered graph and joined."""

from collections.abc import Mapping

from lipcert.graph.fuse.activations import join_activations
from lipcert.graph.fuse.attention import join_attention, share_heads
from lipcert.graph.fuse.masks import absorb_masks, require_open_rows
from lipcert.graph.fuse.mix import join_linear_maps
from lipcert.graph.fuse.norms import join_centres, join_normalisations
from lipcert.graph.graph import prune
from lipcert.rules.types import Node


def fuse(nodes: Mapping[str, Node], output: str) -> dict[str, Node]:
    """The nodes that `output` depends on: masks in the softmax that takes them, norms, activations and attention as
    one node each, rotations of pairs of entries as one linear map.

    Every node that stays computes what it computed before. What does not match a pattern exactly stays as it is.
    Raises UnsupportedError for an infinite mask that no softmax takes, and for a softmax of no entries.
    """
    nodes = absorb_masks(prune(nodes, output), output)
    joins = (join_centres, join_normalisations, join_activations, join_attention, share_heads, join_linear_maps)
    for step in joins:
        nodes = prune(step(nodes), output)
    require_open_rows(nodes)
    return nodes
