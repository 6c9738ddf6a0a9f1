"""What `lipcert attack` and `lipcert certify` are asked for, from flags, lipcert.toml and attacks/."""

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lipcert.attacks.plan import Plan
    from lipcert.attacks.run import Threat
    from lipcert.rules.domain import Domain
    from lipcert.workspace.load import Workspace
    from lipcert.workspace.schema import Suite


def read_threat(
    path: Path | None, data: str, suite: str, eps: list[str], norm: str, attacks: list[str], steps: int | None,
    restarts: int | None, arch: str, inputs: list[str], source: str, output: str, domain: str, limit: int | None,
    trust_pickle: bool, out: Path | None, force: bool,
) -> "Threat":  # fmt: skip
    """The flags where they are given; else the default model's entry and the suite that the workspace names."""
    from lipcert.attacks.run import Threat
    from lipcert.attacks.session import Setup
    from lipcert.cli.options import shapes
    from lipcert.errors import UsageError
    from lipcert.store.atomic import require_free
    from lipcert.workspace.load import SETTINGS_FILE, load

    workspace = load(Path()) if Path(SETTINGS_FILE).is_file() else None
    if path is None:
        if workspace is None or workspace.settings.default_model is None:
            raise UsageError("no checkpoint is given.", hint="Name one, or set default_model in lipcert.toml.")
        entry = workspace.settings.models[workspace.settings.default_model]
        path, arch, inputs = workspace.path_of(entry), arch or entry.arch or "", inputs or entry.inputs
        source, output, data = source or entry.source, output or entry.output, data or entry.data
    if not data:
        raise UsageError(
            "no data are given.", hint="Name examples with labels: --data mnist.npz, or data in lipcert.toml."
        )
    name, found = _suite(workspace, suite, bool(source))
    plan = _plan(found, eps, norm, attacks, steps, restarts)
    inside = found.space == "embedding" or bool(source)
    if out is not None:
        for kind in ("attack", "certify"):
            require_free(out / f"{kind}.json", overwrite=force)
    setup = Setup(
        str(path), data, arch or None, tuple(shapes(inputs) or ()), trust_pickle, source, inside, output, limit
    )
    return Threat(setup, plan, name, _domain(domain, plan, inside), out, force)


def _suite(workspace: "Workspace | None", name: str, inside: bool) -> tuple[str, "Suite"]:
    from difflib import get_close_matches

    from lipcert.errors import UsageError
    from lipcert.workspace.schema import Suite

    known = dict(workspace.suites) if workspace is not None else {}
    name = name or next(iter(workspace.settings.suites if workspace is not None else []), "")
    if name in known:
        return name, known[name]
    if name:
        near = get_close_matches(name, known, n=1)
        raise UsageError(
            f"there is no suite {name!r}.",
            hint=f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(known) or 'none: run lipcert init'}.",
        )
    space, norm = ("embedding", "token-l2") if inside else ("input", "linf")
    plain = {"version": 1, "space": space, "norm": norm, "eps": [1], "steps": 20, "attacks": ["apgd-ce", "apgd-dlr"]}
    return "flags", Suite.model_validate(plain)


def _plan(
    suite: "Suite", eps: list[str], norm: str, attacks: list[str], steps: int | None, restarts: int | None
) -> "Plan":
    from lipcert.attacks.plan import Plan
    from lipcert.errors import UsageError
    from lipcert.norms.norm import NORMS
    from lipcert.workspace.exact import parse_exact

    if norm and norm not in NORMS:
        raise UsageError(f"there is no norm {norm!r}.", hint=f"Choose one of {', '.join(NORMS)}.")
    try:
        budgets = [parse_exact(text) for text in eps]
    except ValueError as error:
        raise UsageError(f"--eps: {error}", hint="Write 0.1 or 8/255.") from error
    if any(budget <= 0 for budget in budgets):
        raise UsageError(f"--eps {' '.join(eps)}: a budget has to be above 0.", hint="Write 0.1 or 8/255.")
    changed = {
        key: value
        for key, value in {"norm": norm, "attacks": attacks, "steps": steps, "restarts": restarts}.items()
        if value
    }
    plan = Plan.of(suite.model_copy(update=changed))
    return plan if not budgets else _with_eps(plan, budgets)


def _with_eps(plan: "Plan", budgets: list[Fraction]) -> "Plan":
    from dataclasses import replace

    return replace(plan, eps=tuple(budgets))


def _domain(text: str, plan: "Plan", inside: bool) -> "Domain":
    """What holds every example and all that it may be moved to: the range, or the vocabulary and all round it."""
    from lipcert.cli.options import read_domain
    from lipcert.rules.domain import Box, Everywhere, Vocabulary

    if text:
        return read_domain(text, str(max(plan.eps)) if text == "vocabulary" else "")
    if inside:
        return Vocabulary(max(plan.eps))
    return Everywhere() if plan.low is None or plan.high is None else Box(plan.low, plan.high)
