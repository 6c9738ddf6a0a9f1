"""What `lipcert attack` and `lipcert certify` are asked for, from flags, lipcert.toml and attacks/."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lipcert.attacks.plan import Plan
    from lipcert.attacks.threat import Threat
    from lipcert.rules.domain import Box, Domain
    from lipcert.workspace.load import Workspace
    from lipcert.workspace.schema import Suite


@dataclass(frozen=True)
class Flags:
    """What both commands take, as it is typed; empty and None where it is left out."""

    path: Path | None
    data: str
    tokenizer: str
    suite: str
    eps: list[str]
    norm: str
    arch: str
    inputs: list[str]
    source: str
    output: str
    domain: str
    limit: int | None
    trust_pickle: bool
    out: Path | None
    force: bool
    attacks: list[str] = field(default_factory=list)
    steps: int | None = None
    restarts: int | None = None
    positions: str = ""


def read_threat(flags: Flags) -> "Threat":
    """The flags where they are given; else the default model's entry and the suite that the workspace names."""
    from lipcert.attacks.choice import default_suite, takes_ids
    from lipcert.attacks.session import Setup
    from lipcert.attacks.threat import Threat
    from lipcert.cli.command import command_line
    from lipcert.cli.options import shapes
    from lipcert.errors import UsageError
    from lipcert.store.atomic import require_free
    from lipcert.workspace.load import SETTINGS_FILE, load

    workspace = load(Path()) if Path(SETTINGS_FILE).is_file() else None
    flags = _completed(flags, workspace) if flags.path is None else flags
    if not flags.data:
        raise UsageError("no data are given.", hint="Name some: --data mnist.npz, or data = ... in lipcert.toml.")
    assert flags.path is not None  # the workspace's model where none is given
    ids = takes_ids(flags.path, flags.arch, flags.inputs)
    wanted = flags.suite or (default_suite(workspace, ids) if workspace is not None else "")
    name, suite = _suite(workspace, wanted, ids or bool(flags.source), flags.eps)
    plan, inside = _plan(suite, flags), suite.space == "embedding" or bool(flags.source)
    if flags.out is not None:
        for kind in ("attack", "certify"):
            require_free(flags.out / f"{kind}.json", overwrite=flags.force)
    setup = Setup(
        str(flags.path), flags.data, flags.arch or None, tuple(shapes(flags.inputs) or ()), flags.trust_pickle,
        flags.source, inside, flags.output, flags.limit, flags.tokenizer,
    )  # fmt: skip
    domain = _domain(flags.domain, plan, inside)
    return Threat(setup, plan, name, domain, flags.out, flags.force, flags.positions, command_line())


def _completed(flags: Flags, workspace: "Workspace | None") -> Flags:
    """With the entry of the workspace's default model."""
    from lipcert.errors import UsageError

    if workspace is None or workspace.settings.default_model is None:
        raise UsageError("no checkpoint is given.", hint="Name one, or set default_model in lipcert.toml.")
    entry = workspace.settings.models[workspace.settings.default_model]
    return replace(
        flags, path=workspace.path_of(entry), arch=flags.arch or entry.arch or "", inputs=flags.inputs or entry.inputs,
        source=flags.source or entry.source, output=flags.output or entry.output, data=flags.data or entry.data,
    )  # fmt: skip


def _suite(workspace: "Workspace | None", name: str, inside: bool, eps: list[str]) -> tuple[str, "Suite"]:
    from difflib import get_close_matches

    from lipcert.errors import UsageError
    from lipcert.workspace.schema import Suite

    known = dict(workspace.suites) if workspace is not None else {}
    if name in known:
        return name, known[name]
    if name:
        near = get_close_matches(name, known, n=1)
        raise UsageError(
            f"there is no suite {name!r}.",
            hint=f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(known) or 'none: run lipcert init'}.",
        )
    if not eps:
        raise UsageError("no eps is given, and no suite that names some.", hint="Write --eps 0.1, or --suite NAME.")
    space, norm = ("embedding", "token-l2") if inside else ("input", "linf")
    plain = {"version": 1, "space": space, "norm": norm, "eps": [1], "steps": 20, "attacks": ["apgd-ce", "apgd-dlr"]}
    return "flags", Suite.model_validate(plain)


def _plan(suite: "Suite", flags: Flags) -> "Plan":
    from lipcert.attacks.plan import Plan
    from lipcert.errors import UsageError
    from lipcert.norms.norm import NORMS
    from lipcert.workspace.exact import parse_exact

    if flags.norm and flags.norm not in NORMS:
        raise UsageError(f"there is no norm {flags.norm!r}.", hint=f"Choose one of {', '.join(NORMS)}.")
    try:
        budgets = [parse_exact(text) for text in flags.eps]
    except ValueError as error:
        raise UsageError(f"--eps: {error}", hint="Write 0.1 or 8/255.") from error
    if any(budget <= 0 for budget in budgets):
        raise UsageError(f"--eps {' '.join(flags.eps)}: a budget has to be above 0.", hint="Write 0.1 or 8/255.")
    given = {"norm": flags.norm, "attacks": flags.attacks, "steps": flags.steps, "restarts": flags.restarts}
    changed = {key: value for key, value in given.items() if value}
    plan = Plan.of(suite.model_copy(update=changed))
    return replace(plan, eps=tuple(budgets)) if budgets else plan


def _within(plan: "Plan", box: "Box") -> bool:
    """Whether the range of what is perturbed lies in a box."""
    return plan.low is not None and plan.high is not None and box.low <= plan.low and plan.high <= box.high


def _domain(text: str, plan: "Plan", inside: bool) -> "Domain":
    """The one named, with room for the budget where no range keeps what is perturbed inside; else the usual one."""
    from lipcert.attacks.choice import default_domain
    from lipcert.cli.options import read_domain
    from lipcert.rules.domain import Box, Everywhere

    if text:
        named = read_domain(text, "")
        if isinstance(named, Everywhere) or (isinstance(named, Box) and _within(plan, named)):
            return named
        return read_domain(text, str(max(plan.eps)))
    return default_domain(plan, inside)
