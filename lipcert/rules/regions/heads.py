"""Queries, keys and values of each head, as maps of the tokens at the entry of an attention region."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from flint import arb
from jaxtyping import Float, Int

from lipcert.norms import ball
from lipcert.norms.dense import frobenius_upper
from lipcert.rules.affine import weight_matrix
from lipcert.rules.interval import constant64
from lipcert.rules.regions.terms import Terms, chain, follow
from lipcert.rules.types import Node

Columns = Int[np.ndarray, "terms heads tokens features"]
Factors = Float[np.ndarray, "terms heads tokens features"]

_MOST_SLOTS = 4


@dataclass(frozen=True)
class Rows:
    """Rows (head, token, feature), each a combination of the columns of one row of a base.

    Entry j of the row of head h and token t is Σ_k factor[k, h, t, j] · base row[columns[h, local[k, h, j]]]: the
    columns do not depend on the token, the factors may (positions that rotate). row: of the base, for each head and
    token; -1 where all its factors are 0.
    """

    columns: Int[np.ndarray, "heads used"]
    local: Int[np.ndarray, "terms heads features"]
    factor: Float[np.ndarray, "terms heads tokens features"]
    ulps: int
    row: Int[np.ndarray, "heads tokens"]

    @property
    def together(self) -> bool:
        """Whether all heads have the same row of the base at each token's place."""
        return bool((self.row == self.row[:1]).all())

    @property
    def fixed(self) -> bool:
        """Whether the factors are the same for all tokens."""
        return bool((self.factor == self.factor[:, :, :1]).all())


@dataclass(frozen=True)
class Affine:
    """base = weight · x + bias for every token x of the entry.

    error: of the weight, in Frobenius norm. size: at least |bias|, entry by entry; the bias errs by at most γ_terms
    of it.
    """

    weight: Float[np.ndarray, "base entry"]
    bias: Float[np.ndarray, " base"]
    error: arb
    size: Float[np.ndarray, " base"]
    terms: int


def rows_of(nodes: Mapping[str, Node], name: str, entry: str) -> tuple[str, Rows] | None:
    """How `name`, of shape (*heads, tokens, features), is moved from a base, and the base; None where it mixes rows."""
    base, moves = chain(nodes, name, entry)
    terms = follow(nodes[base], moves)
    if terms is None or len(nodes[base].shape) < 2 or bool((terms.offset != 0).any()):
        return None
    found = _rows(terms, nodes[base].shape[-1], nodes[name].shape)
    return None if found is None else (base, found)


def _rows(terms: Terms, width: int, shape: Sequence[int]) -> Rows | None:
    heads, tokens, features = int(np.prod(shape[:-2])), shape[-2], shape[-1]
    wide = (len(terms.index), heads, tokens, features)
    index, factor = terms.index.reshape(wide), terms.factor.reshape(wide)
    used = factor != 0
    row, column = index // width, index % width
    slots = _slots(column, factor) if _one_each(row, used, (0, 3)) else None
    if slots is None:
        return None
    place, aligned = slots
    columns = [np.unique(place[:, h][place[:, h] >= 0]) for h in range(heads)]
    if len({len(part) for part in columns}) != 1 or len(columns[0]) == 0:
        return None
    local = [np.searchsorted(columns[h], place[:, h]).clip(0, len(columns[h]) - 1) for h in range(heads)]
    rows = np.where(used, row, -1).max(axis=(0, 3))
    return Rows(np.stack(columns), np.stack(local, axis=1), aligned, terms.ulps, rows)


def _slots(column: Columns, factor: Factors) -> tuple[Int[np.ndarray, "slots heads features"], Factors] | None:
    """The terms in an order in which the column of each does not depend on the token; -1 where there is none.

    A term may be missing at some tokens, as where a position turns by 0. None where one column has two terms.
    """
    left = factor.copy()
    places: list[np.ndarray] = []
    factors: list[np.ndarray] = []
    while bool((left != 0).any()):
        if len(places) == _MOST_SLOTS:
            return None
        place = np.where(left != 0, column, -1).max(axis=(0, 2))
        here = (left != 0) & (column == place[None, :, None, :])
        if bool((here.sum(axis=0) > 1).any()):
            return None
        places.append(place)
        factors.append(np.where(here, left, 0.0).sum(axis=0))
        left[here] = 0.0
    return (np.stack(places), np.stack(factors)) if places else None


def _one_each(numbers: np.ndarray, used: np.ndarray, axes: tuple[int, ...]) -> bool:
    """Whether the numbers in use are the same along these axes."""
    top, low = int(numbers.max(initial=0)), 0
    highest = np.where(used, numbers, low).max(axis=axes)
    lowest = np.where(used, numbers, top).min(axis=axes)
    return bool(((highest == lowest) | ~used.any(axis=axes)).all())


def affine(nodes: Mapping[str, Node], base: str, entry: str) -> Affine | None:
    """The map from the entry's tokens to a base: a linear layer after moves that treat all tokens alike, or none."""
    node = nodes[base]
    if base == entry:
        width = node.shape[-1]
        return Affine(np.eye(width), np.zeros(width), arb(0), np.zeros(width), 0)
    if node.op != "linear":
        return None
    start, moves = chain(nodes, node.inputs[0], entry)
    terms = follow(nodes[entry], moves) if start == entry else None
    if terms is None or len(terms.index) != 1:
        return None
    return _folded(node, terms, nodes[entry])


def _folded(node: Node, terms: Terms, entry: Node) -> Affine | None:
    """A linear layer with the scaling and order of the features before it folded in."""
    weight, features = weight_matrix(node), entry.shape[-1]
    flat = (-1, weight.shape[1])
    index, factor, offset = (part.reshape(flat) for part in (terms.index[0], terms.factor[0], terms.offset))
    row, column = index // features, index % features
    alike = (column == column[:1]).all() and (factor == factor[:1]).all() and (offset == offset[:1]).all()
    in_place = bool(alike) and bool((row == row[:, :1]).all())
    if not in_place or len(np.unique(row[:, 0])) != len(row) or len(np.unique(column[0])) != len(column[0]):
        return None
    folded = np.zeros((len(weight), features))
    folded[:, column[0]] = weight * factor[0]
    own = constant64(node, "offset").numpy().reshape(-1) if "offset" in node.consts else np.zeros(())
    bias, size = own + weight @ offset[0], np.abs(own) + np.abs(weight) @ np.abs(offset[0])
    error = ball.gamma(terms.ulps + 1) * frobenius_upper(folded) + ball.UNDERFLOW
    return Affine(folded, bias, error, size, weight.shape[1] + 4)
