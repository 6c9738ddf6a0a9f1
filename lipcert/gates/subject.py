"""A model of the workspace, as a gate asks for it: its network, the threat to it, the commands that make results."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from lipcert.attacks.choice import default_domain, default_suite, takes_ids
from lipcert.attacks.exported import weights_of
from lipcert.attacks.plan import Plan
from lipcert.attacks.session import Session, Setup, open_session
from lipcert.attacks.threat import Threat
from lipcert.certificate.document import hashes
from lipcert.checkpoint.examples import Ids, Shape
from lipcert.checkpoint.load import load
from lipcert.checkpoint.model import Model
from lipcert.errors import InputError, LipcertError
from lipcert.graph.capture import captured, trace
from lipcert.graph.graph import Graph
from lipcert.named import here
from lipcert.rules.domain import Box, Domain, Everywhere, Vocabulary
from lipcert.workspace.gate import Gate
from lipcert.workspace.load import Workspace
from lipcert.workspace.schema import ModelEntry

T = TypeVar("T")


class Once:
    """Everything is computed once, and what cannot be computed is tried once."""

    def __init__(self) -> None:
        self._found: dict[object, Any] = {}

    def __call__(self, key: object, compute: Callable[[], T]) -> T:
        if key not in self._found:
            try:
                self._found[key] = compute()
            except LipcertError as refusal:
                self._found[key] = refusal
        found: T | LipcertError = self._found[key]
        if isinstance(found, LipcertError):
            raise found
        return found


@dataclass(frozen=True)
class Subject:
    """Within `named_from` the folder of the workspace: all that its entry names is named from there."""

    name: str
    entry: ModelEntry
    workspace: Workspace

    @cached_property
    def model(self) -> Model:
        return load(here(self.entry.path), arch=self.entry.arch, inputs=list(self._shapes) or None)

    @cached_property
    def graph(self) -> Graph:
        """The network that a bound of this entry is about."""
        model, entry = self.model, self.entry
        return trace(captured(model), model.example_inputs, output=entry.output or model.output, source=entry.source)

    @property
    def results(self) -> Path:
        """The folder of stored results."""
        return here(self.entry.results)

    @cached_property
    def weights(self) -> dict[str, str]:
        """Hashes, as runs of attacks and of training write them."""
        return hashes(weights_of(self.model.network))

    @property
    def domain(self) -> Domain:
        region = self.entry.region
        if region.kind == "vocabulary":
            return Vocabulary(region.radius)
        if region.lo is None or region.hi is None:
            return Everywhere()
        return Box(region.lo, region.hi, radius=region.radius)

    @property
    def _shapes(self) -> tuple[Shape | Ids, ...]:
        given = self.entry.input
        if isinstance(given, str):
            return (Ids(tuple(map(int, given.removeprefix("ids:").split(",")))),)
        return () if given is None else (tuple(given),)

    def threat(self, rule: Gate) -> Threat:
        """What a rule on attacks or certificates asks for. Raises InputError where the workspace does not say it."""
        name = rule.suite or default_suite(self.workspace, self._ids)
        if not name:
            raise InputError("no suite is named that suits the model.", hint="Add suite = ... to the rule.")
        suite = self.workspace.suites[name]
        plan, inside = Plan.of(suite), suite.space == "embedding" or bool(self.entry.source)
        if rule.eps not in plan.eps:
            tried = ", ".join(map(str, plan.eps))
            raise InputError(
                f"eps {rule.eps} is not tried by attacks/{name}.toml, which has {tried}.",
                hint=f"Add it there, or choose one of {tried}.",
            )
        return Threat(self._opened(rule, inside)[0], plan, name, default_domain(plan, inside))

    def examples(self, rule: Gate) -> Session:
        """The network and its examples, for a rule that perturbs nothing."""
        return self._opened(rule, False)[1]

    def _opened(self, rule: Gate, inside: bool) -> tuple[Setup, Session]:
        setup = self._setup(rule, inside)
        session = open_session(setup)
        if rule.examples is not None and len(session.y) != rule.examples:
            raise InputError(
                f"the rule asks for {rule.examples} examples; {self.entry.data} has {len(session.y)}.",
                hint="Ask for no more than there are, or leave examples out of the rule for all of them.",
            )
        return setup, session

    @property
    def _ids(self) -> bool:
        return takes_ids(here(self.entry.path), self.entry.arch or "", self.entry.inputs)

    def _setup(self, rule: Gate, inside: bool) -> Setup:
        entry = self.entry
        if not entry.data:
            raise InputError(
                f"[models.{self.name}] names no examples.", hint=f"Add data = ... to [models.{self.name}]."
            )
        return Setup(
            entry.path, entry.data, entry.arch, self._shapes, False, entry.source, inside, entry.output, rule.examples,
            root=str(self.workspace.root),
        )  # fmt: skip

    def again(self, rule: Gate) -> str:
        """How the stored results of a rule are made again."""
        if rule.quantity == "largest-activation":
            return "Compute it from the entry's data: lipcert gate --fresh"
        flags = self._attack_flags(rule) if rule.facts.by_data else self._bound_flags()
        return f"Make it again: {self._command('attack' if rule.facts.by_data else 'bound', flags)}"

    def _bound_flags(self) -> list[str]:
        entry = self.entry
        radius = ["--radius", str(entry.radius)] if entry.radius else []
        return ["--norm", entry.norm, "--domain", entry.domain, *radius]

    def _attack_flags(self, rule: Gate) -> list[str]:
        suite = rule.suite or default_suite(self.workspace, self._ids)
        flags = ["--data", self.entry.data, *(["--suite", suite] if suite else [])]
        return flags + (["--limit", str(rule.examples)] if rule.examples is not None else [])

    def _command(self, name: str, flags: list[str]) -> str:
        entry = self.entry
        given = {"--arch": entry.arch, "--source": entry.source, "--output": entry.output}
        common = [part for flag, value in given.items() if value for part in (flag, value)]
        common += [part for text in entry.inputs for part in ("--input", text)]
        return shlex.join(["lipcert", name, entry.path, *flags, *common, "--out", entry.results, "--force"])
