"""Layers one after the other, as nn.Sequential: what stands between those with weights is a guess that fits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from math import prod

from lipcert.checkpoint.contents.layers import Layer

_SIZES = (28, 32, 64, 224, 8, 16, 96, *range(4, 257))
"""Of images, best known first."""
_IMAGES = {784: (1, 28, 28), 3072: (3, 32, 32)}


@dataclass(frozen=True)
class Piece:
    """A layer of the chain, by the path of its module. guessed: whether the file does not show it."""

    path: str
    code: str
    guessed: bool = False


@dataclass(frozen=True)
class Chain:
    """shape: of one input, without the batch."""

    pieces: tuple[Piece, ...]
    shape: tuple[int, ...]


@dataclass(frozen=True)
class _Guess:
    """same: whether convolutions keep the size. pool: whether maxima are taken between them. mean: whether the last
    of them is averaged over space."""

    size: int
    same: bool
    pool: bool
    mean: bool


def chain(layers: Sequence[Layer]) -> Chain | None:
    """The chain, None where the layers do not follow each other."""
    if not layers or not all(each.code and each.takes for each in layers) or not _follow(layers):
        return None
    axes = max(each.axes for each in layers)
    guesses = [_Guess(0, True, False, False)] if not axes else _guesses()
    for guess in guesses:
        pieces = list(_pieces(layers, guess))
        if not axes or _fits(layers, pieces, guess):
            return Chain(tuple(pieces), _shape(layers, pieces, guess, axes))
    return None


def _guesses() -> Iterator[_Guess]:
    for size, mean, same, pool in product(_SIZES, (False, True), (True, False), (True, False)):
        yield _Guess(size, same, pool, mean)


def _follow(layers: Sequence[Layer]) -> bool:
    """Whether each takes what the one before gives; a linear one may take all of space at once."""
    for before, after in pairwise(layers):
        flat = before.axes and not after.axes and not after.norm
        if after.axes and not before.axes and not before.norm:
            return False
        if before.gives != after.takes and not (flat and after.takes % before.gives == 0):
            return False
    places = [path for path, _ in _runs(layers)]
    return len(places) == len(set(places)) and not any(each.axes == 0 and each.norm for each in _spatial(layers))


def _runs(layers: Sequence[Layer]) -> Iterator[tuple[str, str]]:
    """The containers, one for each stretch of layers in it."""
    last = None
    for each in layers:
        place = each.path.rpartition(".")[0]
        if place != last:
            yield place, each.path
        last = place


def _spatial(layers: Sequence[Layer]) -> list[Layer]:
    """All before the first linear one of a network that begins with convolutions."""
    if not any(each.axes for each in layers):
        return []
    end = next((i for i, each in enumerate(layers) if not each.axes and not each.norm), len(layers))
    return list(layers[:end])


def _pieces(layers: Sequence[Layer], guess: _Guess) -> Iterator[Piece]:
    first = _number(layers[0].path)
    leading = ["nn.Identity()"] * ((first or 0) - 1) + ["nn.Flatten()"] * bool(first)
    if layers[0].axes:
        leading = ["nn.Identity()"] * (first or 0)
    yield from _placed(leading, layers[0].path, 0)
    yield _with_padding(layers[0], guess)
    for number, (before, after) in enumerate(pairwise(layers)):
        same = before.path.rpartition(".")[0] == after.path.rpartition(".")[0]
        a, b = _number(before.path), _number(after.path)
        slots = b - a - 1 if same and a is not None and b is not None else None
        between = _between(before, after, slots, guess)
        if slots is None:
            owner = _common(before.path, after.path)
            yield from (Piece(f"{owner}between_{number}_{i}", code, True) for i, code in enumerate(between))
        else:
            yield from _placed(between, after.path, (b or 0) - slots)
        yield _with_padding(after, guess)


def _between(before: Layer, after: Layer, slots: int | None, guess: _Guess) -> list[str]:
    """What stands between two layers; slots: how many that have no weights, None where the names do not say."""
    flat = ["nn.Flatten()"] * bool(before.axes and not after.axes)
    if after.norm and not slots:
        return []
    axes = before.axes
    pool = [f"nn.AdaptiveAvgPool{axes}d(1)"] if flat and guess.mean else [f"nn.MaxPool{axes}d(2)"] if guess.pool else []
    wanted = ["nn.ReLU()", *(pool if axes else []), *flat]
    if slots is None:
        return wanted
    if slots == 1:
        return flat or ["nn.ReLU()"]
    if slots == 2 and flat:
        return ["nn.ReLU()", *flat]
    start = wanted[: slots - len(flat)] if flat else wanted[:slots]
    start = [each for each in start if each not in flat]
    return [*start, *["nn.Identity()"] * (slots - len(start) - len(flat)), *flat][:slots]


def _placed(codes: list[str], path: str, first: int) -> Iterator[Piece]:
    """Under the numbers that the names of the file leave free."""
    owner, dot, _ = path.rpartition(".")
    yield from (Piece(f"{owner}{dot}{first + i}", code, True) for i, code in enumerate(codes))


def _with_padding(layer: Layer, guess: _Guess) -> Piece:
    same = tuple(size // 2 for size in layer.kernel) if guess.same else (0,) * len(layer.kernel)
    shown = str(same[0]) if len(set(same)) == 1 else str(same)
    return Piece(layer.path, layer.code.replace("PADDING", shown), bool(layer.kernel))


def _number(path: str) -> int | None:
    last = path.rpartition(".")[2]
    return int(last) if last.isdigit() else None


def _common(left: str, right: str) -> str:
    """The path of the container of both, with its dot."""
    found = []
    for a, b in zip(left.split(".")[:-1], right.split(".")[:-1], strict=False):
        if a != b:
            break
        found.append(a)
    return "".join(f"{part}." for part in found)


def _fits(layers: Sequence[Layer], pieces: Sequence[Piece], guess: _Guess) -> bool:
    """Whether what the convolutions leave of an image is what the first linear layer takes."""
    known = {each.path: each for each in layers}
    axes = max(each.axes for each in layers)
    sizes, channels = [guess.size] * axes, 0
    for piece in pieces:
        layer = known.get(piece.path)
        if layer and layer.kernel:
            pad = [k // 2 if guess.same else 0 for k in layer.kernel]
            sizes = [s + 2 * p - k + 1 for s, p, k in zip(sizes, pad, layer.kernel, strict=True)]
            channels = layer.gives
        sizes = (
            [s // 2 for s in sizes] if "MaxPool" in piece.code else [1] * axes if "Adaptive" in piece.code else sizes
        )
        if min(sizes) < 1:
            return False
        if layer and not layer.axes and not layer.norm:
            return channels * prod(sizes) == layer.takes
    return True


def _shape(layers: Sequence[Layer], pieces: Sequence[Piece], guess: _Guess, axes: int) -> tuple[int, ...]:
    if axes:
        return (layers[0].takes, *[guess.size] * axes)
    flattens = pieces[0].code == "nn.Flatten()"
    return _IMAGES.get(layers[0].takes, (layers[0].takes,)) if flattens else (layers[0].takes,)
