"""Where in a loaded object the weights are: nested in dicts and lists, beside optimisers and records."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

_DEPTH_LIMIT = 6
_CONTAINER_LIMIT = 10_000
_NO_WEIGHTS = ("optim", "scheduler", "scaler", "hyper_parameters", "callbacks", "loops")

WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "module",
    "weights",
    "params",
)
"""Keys under which checkpoints keep the weights that are used, best known first."""


@dataclass(frozen=True)
class StateDict:
    """Named tensors found in a file, and the keys that lead to them, such as ("state_dict", "[0]").

    is_union: whether they are those of several groups, joined.
    """

    where: tuple[str, ...]
    tensors: dict[str, Tensor]
    is_union: bool = False

    @property
    def rank(self) -> tuple[int, int]:
        """Smaller is likelier meant, when several hold what is looked for."""
        known = [WRAPPERS.index(key) for key in self.where if key in WRAPPERS]
        foreign = sum(key not in WRAPPERS and not key.startswith("[") for key in self.where)
        return (foreign, min(known, default=len(WRAPPERS) if self.where else -1))


def state_dicts(loaded: object) -> list[StateDict]:
    """Every group of named tensors in `loaded`, likeliest first, then unions of disjoint neighbours."""
    singles = list(_walk(loaded, (), set()))
    return sorted(singles, key=lambda found: (found.rank, -len(found.tensors))) + list(_unions(singles))


def meant(found: Sequence[StateDict]) -> StateDict | None:
    """Of `state_dicts` the one that is most likely a whole network; None where there are none.

    Where several are equally likely, as the parts of a network are, their union.
    """
    singles, unions = [s for s in found if not s.is_union], [s for s in found if s.is_union]
    rivals = [state for state in singles if state.rank == singles[0].rank]
    return unions[0] if unions and len(rivals) > 1 else next(iter(singles), None)


def _walk(node: object, where: tuple[str, ...], seen: set[int]) -> Iterator[StateDict]:
    if len(where) > _DEPTH_LIMIT or len(seen) > _CONTAINER_LIMIT or id(node) in seen:
        return
    if isinstance(node, Mapping):
        seen.add(id(node))
        yield from _walk_mapping(node, where, seen)
    elif isinstance(node, Sequence) and not isinstance(node, str | bytes):
        seen.add(id(node))
        for index, item in enumerate(node):
            yield from _walk(item, (*where, f"[{index}]"), seen)


def _walk_mapping(node: Mapping[object, object], where: tuple[str, ...], seen: set[int]) -> Iterator[StateDict]:
    tensors = {k: v.detach() for k, v in node.items() if isinstance(k, str) and isinstance(v, Tensor)}
    if tensors:
        yield StateDict(where, tensors)
    for key, value in node.items():
        if isinstance(key, str) and not key.lower().startswith(_NO_WEIGHTS):
            yield from _walk(value, (*where, key), seen)


def _unions(singles: list[StateDict]) -> Iterator[StateDict]:
    """Weights split over neighbours, as {"embeddings": {…}, "encoder": {…}} or [{…}, {…}]."""
    for parent in dict.fromkeys(found.where[:-1] for found in singles if found.where):
        parts = [found for found in singles if found.where[:-1] == parent and found.where]
        names = [name for part in parts for name in part.tensors]
        if len(parts) > 1 and len(set(names)) == len(names):
            title = "+".join(part.where[-1] for part in parts)
            yield StateDict((*parent, title), {k: v for part in parts for k, v in part.tensors.items()}, True)
