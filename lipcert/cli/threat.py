"""What `lipcert attack` and `lipcert certify` are asked for, from flags, lipcert.toml and attacks/."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lipcert.attacks.plan import Plan
    from lipcert.attacks.run import Threat
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
    from lipcert.attacks.run import Threat
    from lipcert.attacks.session import Setup
    from lipcert.cli.command import command_line
    from lipcert.cli.options import shapes
    from lipcert.errors import UsageError
    from lipcert.store.atomic import require_free
    from lipcert.workspace.load import SETTINGS_FILE, load

    workspace = load(Path()) if Path(SETTINGS_FILE).is_file() else None
    flags = _completed(flags, workspace) if flags.path is None else flags
    if not flags.data:
        raise UsageError("no data are given.", hint="Name some: --data mnist.npz, or data = ... in lipcert.toml.")
    ids = _takes_ids(flags)
    wanted = flags.suite or _default_suite(workspace, ids)
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


def _takes_ids(flags: Flags) -> bool:
    """Whether the network's first input is token ids, as --input or a lipcert checkpoint says."""
    from lipcert.checkpoint.lipcert import recipe_of
    from lipcert.checkpoint.safetensors import metadata
    from lipcert.checkpoint.sniff import Format, sniff

    if flags.inputs or flags.arch:
        return bool(flags.inputs) and flags.inputs[0].startswith("ids:")
    assert flags.path is not None  # the workspace's model where none is given
    if sniff(flags.path) is not Format.SAFETENSORS:
        return False
    recipe = recipe_of(metadata(flags.path), str(flags.path))
    return recipe is not None and recipe.input_dtype == "int64"


def _default_suite(workspace: "Workspace | None", ids: bool) -> str:
    """The first that the workspace names; for token ids, the first that perturbs what their embedding returns."""
    if workspace is None:
        return ""
    names = workspace.settings.suites
    return next((name for name in names if not ids or workspace.suites[name].space == "embedding"), "")


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
    """What holds every example and all that it may be moved to: the range, or the vocabulary and all round it."""
    from lipcert.cli.options import read_domain
    from lipcert.rules.domain import Box, Everywhere, Vocabulary

    if text:
        named = read_domain(text, "")
        if isinstance(named, Everywhere) or (isinstance(named, Box) and _within(plan, named)):
            return named
        return read_domain(text, str(max(plan.eps)))  # where no range keeps what is perturbed inside
    if inside:
        return Vocabulary(max(plan.eps))
    return Everywhere() if plan.low is None or plan.high is None else Box(plan.low, plan.high)
