"""What the heads of an attention region read and write: values of the tokens, and the layer that joins the heads."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from flint import arb
from jaxtyping import Float

from lipcert.norms import ball
from lipcert.norms.bilinear import core
from lipcert.norms.dense import frobenius_upper
from lipcert.rules.affine import weight_matrix
from lipcert.rules.interval import constant64
from lipcert.rules.regions.heads import Affine, Rows, affine, rows_of
from lipcert.rules.regions.region import Region
from lipcert.rules.regions.terms import Terms, chain, follow
from lipcert.rules.types import Node, Prover

Matrix = Float[np.ndarray, "_ _"]


@dataclass(frozen=True)
class Values:
    """A query head h adds O_h (W_V^h Σ_s P_s x_s + b_V^h) to the exit.

    outputs: O_h, each within errors[h] in Frobenius norm. cores: L_h with W_V^h W_V^hᵀ ⪯ L_h L_hᵀ. norms: of L_h.
    offset: a bound on |Σ_h O_h b_V^h + b_O|. together: whether every row of the exit takes the same row of all heads.
    """

    outputs: list[Matrix]
    errors: list[arb]
    cores: list[Matrix]
    norms: list[arb]
    offset: arb
    together: bool


@dataclass(frozen=True)
class _Outputs:
    """matrices: O_h. ulps: of each entry. bias: b_O. together: as in `Values`."""

    matrices: list[Matrix]
    ulps: int
    bias: Float[np.ndarray, " out"]
    together: bool


def values(nodes: Mapping[str, Node], region: Region, node: Node, prover: Prover, key: str) -> Values | None:
    """None where values or outputs are no linear maps a head."""
    found = rows_of(nodes, node.inputs[2], region.entry)
    given = affine(nodes, found[0], region.entry) if found is not None else None
    outputs = _outputs(nodes, region, node)
    if found is None or given is None or outputs is None:
        return None
    rows, heads = found[1], len(outputs.matrices)
    if not rows.fixed or len(rows.factor) != 1 or heads != int(node.attrs["group"]) * len(rows.columns):
        return None
    cores = [_core(given, rows, head) for head in range(len(rows.columns))]
    if any(part is None for part in cores):
        return None
    norms = [prover.spectral(f"{key}, values of head {h}", part) for h, part in enumerate(cores) if part is not None]
    read = [head // int(node.attrs["group"]) for head in range(heads)]
    errors = [ball.gamma(outputs.ulps + 1) * frobenius_upper(part) + ball.UNDERFLOW for part in outputs.matrices]
    return Values(
        outputs.matrices, errors, [part for h in read if (part := cores[h]) is not None], [norms[h] for h in read],
        _offset(given, rows, outputs, read), outputs.together,
    )  # fmt: skip


def _picked(rows: Rows, head: int, vectors: np.ndarray) -> np.ndarray:
    """What a head with fixed factors reads of vectors that lie along the base's features: one row a feature."""
    factor = rows.factor[0, head, 0].reshape(-1, *[1] * (vectors.ndim - 1))
    picked: np.ndarray = factor * vectors[rows.columns[head][rows.local[0, head]]]
    return picked


def _core(given: Affine, rows: Rows, head: int) -> Matrix | None:
    weight = _picked(rows, head, given.weight)
    largest = arb(float(np.abs(rows.factor[0, head, 0]).max(initial=0.0)))
    carried = given.error * largest * arb(len(weight)).sqrt()  # a row of the base may be read more than once
    return core(weight, carried + ball.gamma(rows.ulps + 1) * frobenius_upper(weight) + ball.UNDERFLOW)


def _offset(given: Affine, rows: Rows, outputs: _Outputs, read: list[int]) -> arb:
    """|Σ_h O_h b_V^h + b_O| as computed, and γ of the same sum of absolute values."""
    total, size = outputs.bias.copy(), np.abs(outputs.bias)
    for out, head in zip(outputs.matrices, read, strict=True):
        total = total + out @ _picked(rows, head, given.bias)
        size = size + np.abs(out) @ np.abs(_picked(rows, head, given.size))
    terms = given.terms + rows.ulps + outputs.ulps + len(read) * (outputs.matrices[0].shape[1] + 2) + 8
    rounding = 4 * ball.gamma(terms) * frobenius_upper(size[None])
    lost = sum((frobenius_upper(out) for out in outputs.matrices), arb(1)) * ball.UNDERFLOW
    return frobenius_upper(total[None]) + rounding + lost


def _outputs(nodes: Mapping[str, Node], region: Region, node: Node) -> _Outputs | None:
    """The exit as a linear layer of the attention's rows, each output row of one row a head; None where it is not."""
    last = nodes[region.exit]
    joined = last.inputs[0] if last.op == "linear" else last.name
    base, moves = chain(nodes, joined, node.name)
    terms = follow(node, moves) if base == node.name else None
    if terms is None or len(terms.index) != 1 or bool((terms.offset != 0).any()):
        return None
    places = _places(terms, nodes[joined].shape[-1], node)
    if places is None:
        return None
    columns, factor, together = places
    weight = weight_matrix(last) if last.op == "linear" else np.eye(nodes[joined].shape[-1])
    matrices = [weight[:, part] * factor[part] for part in columns]
    plain = last.op == "linear" and "offset" in last.consts
    bias = constant64(last, "offset").numpy().reshape(-1) if plain else np.zeros(len(weight))
    return _Outputs(matrices, terms.ulps, np.broadcast_to(bias, len(weight)).copy(), together)


def _places(terms: Terms, width: int, node: Node) -> tuple[list[np.ndarray], np.ndarray, bool] | None:
    """For each head the features of the joined row that hold its row, in order, every feature's factor, and whether
    the rows of all heads that are joined are of one place."""
    heads, (tokens, features) = int(np.prod(node.shape[:-2])), node.shape[-2:]
    index, factor = (part.reshape(-1, width) for part in (terms.index[0], terms.factor[0]))
    head, token, feature = np.unravel_index(index, (heads, tokens, features))
    alike = all(bool((part == part[:1]).all()) for part in (head, feature, factor))
    number = head[0] * features + feature[0]
    if not alike or width != heads * features or len(np.unique(number)) != width:
        return None
    columns = list(np.argsort(number).reshape(heads, features))
    if any(bool((token[:, part] != token[:, part[:1]]).any()) for part in columns):
        return None
    return columns, factor[0], bool((token == token[:, :1]).all())
