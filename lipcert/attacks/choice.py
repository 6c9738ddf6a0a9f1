"""What an attack is where nothing else is said: the suite, and the domain of the certificate beside it."""

from pathlib import Path

from lipcert.attacks.plan import Plan
from lipcert.checkpoint.lipcert import recipe_of
from lipcert.checkpoint.load import load as load_model
from lipcert.checkpoint.safetensors import metadata
from lipcert.checkpoint.sniff import Format, sniff
from lipcert.rules.domain import Box, Domain, Everywhere, Vocabulary
from lipcert.workspace.load import Workspace


def takes_ids(path: Path, arch: str, inputs: list[str]) -> bool:
    """Whether the network's first input is token ids, as --input or the file says."""
    if inputs or arch:
        return bool(inputs) and inputs[0].startswith("ids:")
    kind = sniff(path)
    if kind in (Format.EXPORT, Format.EXPORT_LEGACY, Format.ONNX):
        return not load_model(path).example_inputs[0].is_floating_point()
    if kind is not Format.SAFETENSORS:
        return False
    recipe = recipe_of(metadata(path), str(path))
    return recipe is not None and recipe.input_dtype == "int64"


def default_suite(workspace: Workspace, ids: bool) -> str:
    """The first that the workspace names; for token ids, the first that perturbs what their embedding returns."""
    names = workspace.settings.suites
    return next((name for name in names if not ids or workspace.suites[name].space == "embedding"), "")


def default_domain(plan: Plan, inside: bool) -> Domain:
    """What holds every example and all that it may be moved to: the range, or the vocabulary and all round it."""
    if inside:
        return Vocabulary(max(plan.eps))
    return Everywhere() if plan.low is None or plan.high is None else Box(plan.low, plan.high)
