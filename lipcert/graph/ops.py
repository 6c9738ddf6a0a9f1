"""`lipcert.ops`: the operations that can be bounded, and those of one network."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor
from torch.export import ExportedProgram

from lipcert.checkpoint.load import Inputs, load
from lipcert.graph.capture import captured, operations
from lipcert.graph.lowering.table import LOWER
from lipcert.rules.pointwise import POINTWISE
from lipcert.rules.table import RULES


@dataclass(frozen=True)
class Used:
    """An exported operation of a network, how often it is there, and whether it can be bounded."""

    name: str
    times: int
    bounded: bool


@dataclass(frozen=True)
class Operations:
    """rules: core operation → what is proved of it. entrywise: functions of one variable. exported: the operations of
    torch that become core operations. used: those of the network that was asked about, none without one."""

    rules: Mapping[str, str]
    entrywise: tuple[str, ...]
    exported: tuple[str, ...]
    used: tuple[Used, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """What the network uses and lipcert has no rule for, sorted."""
        return tuple(sorted(each.name for each in self.used if not each.bounded))


def ops(
    path: Path | str | None = None,
    *,
    arch: str | None = None,
    inputs: Inputs | None = None,
    source: str = "",
    trust_pickle: bool = False,
) -> Operations:
    """What lipcert can bound and, with a checkpoint, which operations it uses from the source on.

    source: as `lipcert.bound` takes it; arch, inputs, trust_pickle: as `lipcert.load` does, whose errors it raises.
    """
    rules = {name: rule.source for name, rule in RULES.items()}
    exported = tuple(name for name in LOWER if name != "getitem")
    if path is None:
        return Operations(rules, tuple(POINTWISE), exported)
    model = load(path, arch=arch, inputs=inputs, trust_pickle=trust_pickle)
    program = captured(model)
    return Operations(rules, tuple(POINTWISE), exported, used(program, model.example_inputs, source))


def used(program: ExportedProgram, inputs: tuple[Tensor, ...], source: str = "") -> tuple[Used, ...]:
    """What a program uses from the source on, in its order."""
    found = operations(program, inputs, source=source)
    lowered = dict(found)  # by its name alone, so all of one name are
    return tuple(Used(name, times, lowered[name]) for name, times in Counter(name for name, _ in found).items())
