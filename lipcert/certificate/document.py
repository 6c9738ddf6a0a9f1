"""The certificate as a JSON document: the claim, the weights' hashes, the graph, facts and witnesses."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from flint import arb
from torch import Tensor

from lipcert.certificate.prove import Step, route
from lipcert.checkpoint.hashing import tensor_sha256
from lipcert.graph.graph import Graph
from lipcert.norms import ball
from lipcert.norms.norm import NORMS
from lipcert.rules.regions.multipliers import Multipliers
from lipcert.rules.types import Fact, Node
from lipcert.store.schema import SCHEMA_VERSION

ROOM = 1 + arb("1e-10")
"""What a claim allows above the proof, so that another machine's order of sums proves it again."""


@dataclass(frozen=True)
class Claim:
    """For all x, x' in `domain`: |f(x) - f(x')| <= L |x - x'|, both in `norm`, in `arithmetic`.

    source: what is perturbed. output: what is bounded. shape: of the source, with its batch of one.
    module: that returns the source, or "embedding", "" for an input. through: the norm in which the proof is made,
    where it is not `norm` itself. assumes: what was decided of the network where its file leaves it open, in sentences.
    """

    norm: str
    domain: str
    source: str
    output: str
    shape: tuple[int, ...]
    module: str = ""
    through: str = ""
    arithmetic: str = "real"
    assumes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        found = {
            "norm": self.norm, "domain": self.domain, "source": self.source, "output": self.output,
            "arithmetic": self.arithmetic, "shape": list(self.shape), "module": self.module, "through": self.through,
        }  # fmt: skip
        return found | ({"assumes": list(self.assumes)} if self.assumes else {})


def hashes(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """SHA-256 of every tensor by name, in the order of the names."""
    return {name: tensor_sha256(tensors[name]) for name in sorted(tensors)}


def describe_node(node: Node) -> dict[str, Any]:
    """What a node is, its weights by their hashes."""
    return {
        "name": node.name, "op": node.op, "inputs": list(node.inputs), "shape": list(node.shape),
        "attrs": dict(node.attrs), "consts": hashes(node.consts), "path": node.path, "target": node.target,
    }  # fmt: skip


def asked(graph: Graph) -> str:
    """What to trace the network with to find the same source: the module that returns it, "" for an input."""
    return graph.path or ("embedding" if graph.table is not None else "")


def through(graph: Graph, norm: str) -> str:
    """The norm that a bound in this one is proved through; "" where it is the same."""
    walked = route(graph, NORMS[norm]).norm.name if norm in NORMS else norm
    return "" if walked == norm else walked


def describe_fact(fact: Fact) -> dict[str, Any]:
    """The claimed gain, size (null where none is known), and the interval of all entries (null where unbounded)."""
    lo, hi = float(fact.reach.lo.min()), float(fact.reach.hi.max())
    return {
        "gain": ball.to_text(fact.gain * ROOM),
        "size": ball.to_text(fact.size * ROOM) if fact.size.is_finite() else None,
        "lo": lo - _room(lo) if math.isfinite(lo) else None,
        "hi": hi + _room(hi) if math.isfinite(hi) else None,
    }


def _room(value: float) -> float:
    return 1e-10 * abs(value) + 1e-300


def describe_multipliers(witness: Multipliers) -> dict[str, Any]:
    return {
        "values": [value.tolist() for value in witness.values],
        "square": witness.square,
        "cushion": witness.cushion,
    }


def compose(
    claim: Claim,
    upper: arb,
    graph: Graph,
    facts: Mapping[str, Fact],
    steps: Sequence[Step],
    witnesses: Mapping[str, Any],
) -> dict[str, Any]:
    """The whole certificate. Every number in it is finite and exact."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "certificate",
        "claim": claim.to_json(),
        "upper": ball.to_text(upper),
        "weights_sha256": hashes(graph.weights),
        "fixed_sha256": hashes(graph.fixed),
        "nodes": [describe_node(node) for node in graph.nodes.values()],
        "facts": {name: describe_fact(fact) for name, fact in facts.items()},
        "regions": [{"entry": step.region.entry, "exit": step.region.exit, "method": step.method} for step in steps],
        "witnesses": dict(witnesses),
        "versions": {package: version(package) for package in ("lipcert", "torch", "numpy", "python-flint")},
    }


def beyond(proved: arb, claimed: Mapping[str, Any]) -> str | None:
    """Why a claimed gain is not what was proved; None where it is.

    The claim must hold (proved <= claimed), and be this proof's: at most a hundred-thousandth above it.
    Written so that NaN and anything that cannot be compared fails.
    """
    gain, least = ball.from_text(claimed["gain"]), ball.upper(proved)
    if not least <= gain:
        return f"gain {claimed['gain']} is claimed, {ball.to_text(proved)} is what can be proved"
    if not gain <= least * (1 + arb("1e-5")) + ball.UNDERFLOW:
        return f"gain {claimed['gain']} is claimed, which is no proof's: {ball.to_text(proved)} follows from it"
    return None


def outside(fact: Fact, claimed: Mapping[str, Any]) -> str | None:
    """Why values are not proved to lie in the claimed interval and size; None where they are. Both may be wider."""
    reach = fact.reach
    if claimed["size"] is not None and not ball.upper(fact.size) <= ball.from_text(claimed["size"]):
        return f"size {claimed['size']} is claimed, {fact.size} is what can be proved"
    lo = -math.inf if claimed["lo"] is None else float(claimed["lo"])
    hi = math.inf if claimed["hi"] is None else float(claimed["hi"])
    if not (lo <= float(reach.lo.min()) and float(reach.hi.max()) <= hi):
        return f"values in [{lo}, {hi}] are claimed, [{reach.lo.min()}, {reach.hi.max()}] is what can be proved"
    return None
