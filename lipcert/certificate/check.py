"""The checker: reads a certificate, traces the network itself, and proves every step again.

Trusted: capture and lowering, the norms' proofs, the rules' proving halves, and `prove`. It searches for
nothing, caches nothing, and imports nothing that a certificate names.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from flint import arb

from lipcert.certificate.document import asked, beyond, describe_node, hashes, outside, through
from lipcert.certificate.prove import Progress, Step, prove, route, silent, total, values
from lipcert.errors import RejectedError, UnsupportedError
from lipcert.graph.graph import Graph
from lipcert.norms import ball
from lipcert.norms.conv import Conv, prove_conv
from lipcert.norms.dense import Matrix, prove_by_residual
from lipcert.norms.norm import NORMS
from lipcert.rules.domain import Domain, from_text
from lipcert.rules.regions.increments import Increments
from lipcert.rules.regions.multipliers import Multipliers, prove_multipliers
from lipcert.rules.regions.region import region_between
from lipcert.rules.regions.table import METHODS


class WitnessProver:
    """Proves norms from stored witnesses; refuses where one is missing or proves nothing."""

    def __init__(self, witnesses: Mapping[str, Any]) -> None:
        self._witnesses = witnesses

    def spectral(self, key: str, matrix: Matrix) -> arb:
        return self._require(key, prove_by_residual(matrix, float(self._witness(key)["shift"])))

    def conv(self, key: str, conv: Conv) -> arb:
        return self._require(key, prove_conv(conv, self._witness(key), "residual"))

    def multipliers(self, key: str, work: Increments) -> arb:
        stored = self._witness(key)
        values = tuple(torch.tensor(value, dtype=torch.float64) for value in stored["values"])
        witness = Multipliers(values, float(stored["square"]), float(stored["cushion"]))
        return self._require(key, prove_multipliers(work, witness))

    def scaling(self, key: str, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return torch.tensor(self._witness(key)["values"][0], dtype=torch.float64)

    def _witness(self, key: str) -> Mapping[str, Any]:
        if key not in self._witnesses:
            raise RejectedError(f"witnesses: there is none for {key}")
        witness: Mapping[str, Any] = self._witnesses[key]
        return witness

    def _require(self, key: str, bound: arb | None) -> arb:
        if bound is None or not bound.is_finite():
            raise RejectedError(f"witnesses: the one for {key} proves nothing")
        return bound


def check(document: Mapping[str, Any], graph: Graph, output: str, progress: Progress = silent) -> arb:
    """The bound that `document` claims of `graph`, proved again.

    document: a certificate, already of the shape its schema states. output: the name the graph was traced with.
    Raises RejectedError naming the line that fails.
    """
    claim = document["claim"]
    _require_same_graph(document, graph, output)
    norm, prover = NORMS[claim["norm"]], WitnessProver(document["witnesses"])
    steps = [_step(graph, region) for region in document["regions"]]
    if len(set(steps)) < len(steps):
        raise RejectedError("regions: the same one stands there twice")
    try:
        known = values(graph, norm, _domain(claim["domain"]), steps, prover, progress)
        _require_facts(document["facts"], known.facts, outside)
        proof = prove(graph, route(graph, norm).norm, known, steps, prover, progress)
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise RejectedError(f"witnesses: malformed ({error})") from error
    except UnsupportedError as error:
        raise RejectedError(f"claim.domain: {claim['domain']} gives no finite bound\n{error.message}") from error
    _require_facts(document["facts"], {name: fact.gain for name, fact in proof.facts.items()}, beyond)
    problem = beyond(total(graph, norm, proof.facts), {"gain": document["upper"]})
    if problem:
        raise RejectedError(f"upper: {problem}")
    return ball.from_text(document["upper"])


def _require_facts(
    claimed: Mapping[str, Any], proved: Mapping[str, Any], problem_of: Callable[[Any, Mapping[str, Any]], str | None]
) -> None:
    """For every node the claim must follow from what was proved here."""
    if set(claimed) != set(proved):
        raise RejectedError(f"facts: not those of the graph's nodes: {sorted(set(claimed) ^ set(proved))[:3]}")
    for name, value in proved.items():
        try:
            problem = problem_of(value, claimed[name])
        except (ValueError, OverflowError) as error:
            problem = str(error)
        if problem:
            raise RejectedError(f"facts.{name}: {problem}")


def _require_same_graph(document: Mapping[str, Any], graph: Graph, output: str) -> None:
    claim = document["claim"]
    expected = {
        "claim.norm": (claim["norm"], claim["norm"] if claim["norm"] in NORMS else f"one of {list(NORMS)}"),
        "claim.arithmetic": (claim["arithmetic"], "real"),
        "claim.source": (claim["source"], graph.source),
        "claim.module": (claim["module"], asked(graph)),
        "claim.through": (claim["through"], through(graph, claim["norm"])),
        "claim.output": (claim["output"], output),
        "claim.shape": (claim["shape"], list(graph.nodes[graph.source].shape)),
    }
    for line, (stated, found) in expected.items():
        if stated != found:
            raise RejectedError(f"{line}: the certificate says {stated!r}, the network says {found!r}")
    _require_same("weights_sha256", document["weights_sha256"], hashes(graph.weights))
    _require_same("fixed_sha256", document["fixed_sha256"], hashes(graph.fixed))
    stated_nodes = {node["name"]: node for node in document["nodes"]}
    _require_same("nodes", stated_nodes, {name: describe_node(node) for name, node in graph.nodes.items()})
    if [node["name"] for node in document["nodes"]] != list(graph.nodes):
        raise RejectedError("nodes: repeated, or in another order than the network's")


def _require_same(line: str, stated: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    for name in [*found, *stated]:
        if name not in stated:
            raise RejectedError(f"{line}.{name}: in the network, not in the certificate")
        if name not in found:
            raise RejectedError(f"{line}.{name}: in the certificate, not in the network")
        if stated[name] != found[name]:
            raise RejectedError(f"{line}.{name}: {_difference(stated[name], found[name])}")


def _difference(stated: Any, found: Any) -> str:
    if isinstance(stated, Mapping) and isinstance(found, Mapping):
        keys = [key for key in [*found, *stated] if stated.get(key) != found.get(key)]
        stated, found = ({key: part.get(key) for key in keys[:1]} for part in (stated, found))
    return f"the certificate says {stated}, the network says {found}"


def _step(graph: Graph, stated: Mapping[str, Any]) -> Step:
    """The region between the stated ends, with members found here; its method decides whether it can be bounded."""
    entry, exit_, method = stated["entry"], stated["exit"], stated["method"]
    where = f"regions: {entry} → {exit_}"
    if entry not in graph.nodes or exit_ not in graph.nodes or method not in METHODS:
        raise RejectedError(f"{where}: unknown node or method {method!r}")
    region = region_between(graph.nodes, entry, exit_)
    if region is None:
        raise RejectedError(f"{where}: these nodes cannot be bounded as a whole")
    return Step(region, method)


def _domain(text: str) -> Domain:
    domain = from_text(text)
    if domain is None:
        raise RejectedError(f"claim.domain: {text[:80]!r} is no domain")
    return domain
