"""Loss and accuracy on the validation set, and the bound that is proved of the network as it stands."""

import copy
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import torch

from lipcert.bounds.engine import bound as prove_bound
from lipcert.bounds.result import Bound
from lipcert.errors import UnsupportedError
from lipcert.rules.domain import Box, Everywhere, Vocabulary
from lipcert.training.batches import Batch
from lipcert.training.observe import evaluating
from lipcert.training.session import Session


class Quality(NamedTuple):
    """loss: mean cross-entropy over all predictions; accuracy: the share of them that is right."""

    loss: float
    accuracy: float


def validate(session: Session) -> Quality:
    """On the validation set, or as many of its batches as the recipe wants; its batches are shared among processes."""
    ranks, sums = session.ranks, torch.zeros(3, dtype=torch.float64, device=session.device)
    alone = session.model if session.shared else None  # all processes take part in a pass of `shared`
    with evaluating(session.model):
        for number, batch in enumerate(validation(session)):
            if number % ranks.world == ranks.rank:
                y = batch.y.to(session.device)
                logits = session.logits(batch.x, by=alone)
                right, of = session.task.right(logits, y)
                sums += torch.tensor([float(session.task.loss(logits, y)) * of, right, of], device=session.device)
    loss, right, of = ranks.sum(sums).tolist()
    return Quality(loss / of, right / of)


def validation(session: Session) -> Iterator[Batch]:
    size = session.recipe.batch // session.recipe.accumulate
    return session.task.validation(size, session.recipe.validation_batches or None)


def proved(session: Session, seconds: float) -> Bound | None:
    """The bound of the network as it stands: of tokens in token-rms from the embedding, over all texts, else in l2,
    over the range of the pixels or, where the data name none, everywhere.

    seconds: for the search, and for the measured bound beside it. None where the network has no finite one.
    """
    shape, dtype = session.task.example
    tokens, pixels = dtype == "int64", session.task.range
    network = copy.deepcopy(session.model).cpu().eval()
    x = torch.zeros(1, *shape, dtype=torch.int64 if tokens else torch.float32)
    domain = Vocabulary() if tokens else Everywhere() if pixels is None else Box(*map(Fraction, pixels))
    try:
        return prove_bound(network, x, norm="token-rms" if tokens else "l2", domain=domain, seconds=seconds)
    except UnsupportedError:
        return None
