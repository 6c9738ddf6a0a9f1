"""The end of a run: what came out, measured and proved, beside the tables that grew on the way."""

import logging
import math
from importlib.metadata import version
from typing import Any, NamedTuple

from lipcert.bounds.result import Bound
from lipcert.certificate.document import hashes
from lipcert.checkpoint.lipcert import recipe_for, recipe_sha256
from lipcert.norms import ball
from lipcert.stages import stage
from lipcert.store.log import read_log
from lipcert.store.run import Table, TrainTable, write_bound, write_training
from lipcert.training import casts, metrics, observe, spectra
from lipcert.training.evaluate import Quality, proved, validation
from lipcert.training.folder import ACTIVATIONS, CHECKPOINT, SPECTRA, Folder
from lipcert.training.metrics import METRICS, Row, read_metrics
from lipcert.training.promise import largest
from lipcert.training.session import Session

_LOG = logging.getLogger(__name__)


class Name(NamedTuple):
    """How a run is called, and what makes it again."""

    name: str
    command: str


class Outcome(NamedTuple):
    """quality: on the validation set. bound: None where the network has no finite one."""

    quality: Quality
    bound: Bound | None


def finish(session: Session, folder: Folder, seconds: float, name: Name) -> Outcome | None:
    """Cast the weights, prove the bound, and write it down with all tables; None in all processes but the first.

    seconds: for the search behind the bound.
    """
    if not session.ranks.first:
        return None
    with stage(_LOG, "rounding the weights to fewer bits"):
        cast = casts.casts(session.model, validation(session), session.task.loss, session.task.right)
    with stage(_LOG, "proving the bound"):
        bound = proved(session, seconds)
    rows = read_metrics(folder.path)
    last = rows[-1]
    assert last.validation_loss is not None  # the last step is validated
    assert last.validation_accuracy is not None
    tables: dict[TrainTable, Table] = {
        "metrics": Table(metrics.COLUMNS, read_log(folder.path, METRICS, metrics.COLUMNS)),
        "activations": Table(observe.COLUMNS, read_log(folder.path, ACTIVATIONS, observe.COLUMNS)),
        "spectra": Table(spectra.COLUMNS, read_log(folder.path, SPECTRA, spectra.COLUMNS)),
        "casts": Table(casts.COLUMNS, casts.rows(cast)),
    }
    if bound is not None:
        _prove(session, folder, bound, name)
    write_training(folder.path, _found(session, last, bound, name), tables, overwrite=True)
    return Outcome(Quality(last.validation_loss, last.validation_accuracy), bound)


def _prove(session: Session, folder: Folder, bound: Bound, name: Name) -> None:
    """Leave the bound with its certificate, as `lipcert bound --out` does; no path: the network lies beside."""
    told = {"command": name.command, "network_sha256": _model(session)["network_sha256"]}
    write_bound(folder.path, bound.to_json() | told, bound.certificate, overwrite=True)


def _found(session: Session, last: Row, bound: Bound | None, name: Name) -> dict[str, Any]:
    recipe, promised = session.recipe, session.promise
    return {
        "name": name.name,
        "command": name.command,
        "recipe": recipe.to_json() | session.arguments,
        "model": _model(session),
        "parameters": sum(parameter.numel() for parameter in session.model.parameters()),
        "data": session.data,
        "seed": recipe.seed,
        "device": str(session.device),
        "processes": session.ranks.world,
        "versions": {package: version(package) for package in ("lipcert", "torch", "numpy")},
        "seconds": last.seconds,
        "steps": last.step,
        "tokens": last.tokens,
        "guarantee": {"holds": promised.holds, "why": promised.why, "norms": _norms(session)},
        "bounds": [] if bound is None else [_bound(bound)],
        "results": {
            "loss": last.loss,
            "validation_loss": last.validation_loss,
            "validation_accuracy": last.validation_accuracy,
        },
    }


def _model(session: Session) -> dict[str, Any]:
    """The checkpoint beside it."""
    recipe = recipe_for(session.recipe.model, session.arguments, *session.task.example)
    return {
        "path": CHECKPOINT,
        "weights_sha256": hashes(session.model.state_dict()),
        "network_sha256": recipe_sha256(recipe),
    }


def _norms(session: Session) -> dict[str, dict[str, float]]:
    norms = largest(session.promise)
    return {each.name: {"norm": norms[each.name], "w_max": each.w_max} for each in session.promise.capped}


def _bound(bound: Bound) -> dict[str, Any]:
    return {
        "claim": bound.claim.to_json(),
        "upper": ball.to_text(bound.ball),
        "log10_upper": bound.log10_upper if bound.log10_upper > -math.inf else None,
        "lower": bound.lower,
        "paper_accounting": None if bound.paper is None else ball.to_text(bound.paper.bound),
    }
