"""The names in a file against the names of a network: prefixes that wrappers add, and what does not fit."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from torch import Tensor, nn

_WRAPPER = re.compile(r"(?:^|(?<=\.))(module|_orig_mod)\.")
_PAIR_LIMIT = 20_000
"""difflib compares pairs of names; for more pairs than these it would take longer than reading the file."""

Shape = tuple[int, ...]


def readings(names: Sequence[str]) -> list[tuple[str, list[str]]]:
    """What was taken off, and the names without it, for each way to read `names`: as they are first.

    DataParallel puts "module." before a name, torch.compile "_orig_mod.", a trainer the attribute that holds
    the network.
    """
    wrapper = next((found[1] for name in names if (found := _WRAPPER.search(name))), "")
    unwrapped = [_WRAPPER.sub("", name) for name in names]
    holders = {name.partition(".")[0] for name in unwrapped}
    ways = [("", list(names)), (f"{wrapper}.*", unwrapped)]
    if len(holders) == 1:
        ways.append((f"{holders.pop()}.*", [name.partition(".")[2] for name in unwrapped]))
    return [(taken, read) for taken, read in ways if all(read) and len(set(read)) == len(read)]


def ties(module: nn.Module) -> list[list[str]]:
    """Groups of two or more names of `module` that are one and the same parameter or buffer."""
    groups: dict[int, list[str]] = {}
    for named in (module.named_parameters, module.named_buffers):
        for name, tensor in named(remove_duplicate=False):
            groups.setdefault(id(tensor), []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def is_count(name: str) -> bool:
    """BatchNorm's count of batches, which eval mode does not use and older files do not have."""
    return name.endswith("num_batches_tracked")


@dataclass(frozen=True)
class Mismatch:
    """Names with shapes that do not fit; `misshaped` maps to (shape in the network, shape in the file)."""

    missing: dict[str, Shape]
    unexpected: dict[str, Shape]
    misshaped: dict[str, tuple[Shape, Shape]]
    fitting: int

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.misshaped)

    def lines(self) -> list[str]:
        """One line a name; each missing name with the nearest unexpected one, nearest pair first."""
        near = _nearest(self.missing, self.unexpected)
        lines = [f"  missing in the file: {name} {shape}{near[name][1]}" for name, shape in self._by_nearness(near)]
        lines += [f"  unknown to the network: {name} {shape}" for name, shape in self.unexpected.items()]
        return lines + [
            f"  other shape: {name} is {network} in the network and {file} in the file"
            for name, (network, file) in self.misshaped.items()
        ]

    def _by_nearness(self, near: dict[str, tuple[float, str]]) -> list[tuple[str, Shape]]:
        return sorted(self.missing.items(), key=lambda item: -near[item[0]][0])


def compare(expected: Mapping[str, Tensor], tied: list[list[str]], given: Mapping[str, Tensor]) -> Mismatch:
    """How `given` differs from what the network has (`expected`, with its groups of `tied` names).

    One name of a tied group stands for all. BatchNorm's count of batches is not used in eval mode and may be
    absent.
    """
    covered = {name for group in tied if any(other in given for other in group) for name in group}
    missing = [name for name in expected if name not in given and name not in covered]
    both = [name for name in expected if name in given]
    wrong = {n: (_shape(expected[n]), _shape(given[n])) for n in both if _shape(expected[n]) != _shape(given[n])}
    return Mismatch(
        missing={n: _shape(expected[n]) for n in missing if not is_count(n)},
        unexpected={n: _shape(tensor) for n, tensor in given.items() if n not in expected},
        misshaped=wrong,
        fitting=len(both) - len(wrong),
    )


def _shape(tensor: Tensor) -> Shape:
    return tuple(tensor.shape)


def _nearest(missing: Mapping[str, Shape], unexpected: Mapping[str, Shape]) -> dict[str, tuple[float, str]]:
    """For each missing name, how near the nearest unexpected one is, in [0, 1], and the words for it."""
    if not unexpected or len(missing) * len(unexpected) > _PAIR_LIMIT:
        return dict.fromkeys(missing, (0.0, ""))
    found = {}
    for name in missing:
        score, near = max((SequenceMatcher(None, name, other).ratio(), other) for other in unexpected)
        found[name] = (score, f"; nearest in the file: {near} {unexpected[near]}")
    return found
