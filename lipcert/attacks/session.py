"""A network, its data and a threat model, made from what a command names: here, and again in every worker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lipcert.attacks import harness
from lipcert.attacks.embedding import embedding
from lipcert.attacks.exported import batched
from lipcert.attacks.keep import to_json
from lipcert.attacks.plan import Plan
from lipcert.attacks.target import Target
from lipcert.attacks.texts import asked_for_one, held_out_windows, own_tokens
from lipcert.checkpoint.examples import Ids, Shape
from lipcert.checkpoint.load import load
from lipcert.checkpoint.model import Model
from lipcert.data.dataset import Dataset, fit
from lipcert.data.encode import encode
from lipcert.data.read import read
from lipcert.data.tokenizer import tokenizer
from lipcert.data.tokens import tokenizer_of
from lipcert.errors import InputError
from lipcert.named import here, named_from


@dataclass(frozen=True)
class Setup:
    """What is attacked: enough to load it anywhere. inside: whether the values of `source` are perturbed.

    root: the folder that path, data and arch are named from, "" for the working directory.
    """

    path: str
    data: str
    arch: str | None
    inputs: tuple[Shape | Ids, ...]
    trust_pickle: bool
    source: str
    inside: bool
    output: str
    limit: int | None
    tokenizer: str = ""
    root: str = ""


@dataclass(frozen=True)
class Session:
    """model: one that continues a text answers at the last token alone. inputs: (n, *shape) as the network takes them.
    x: what is perturbed of them. y: (n,) int64 labels.
    """

    model: Model
    dataset: Dataset
    target: Target
    inputs: Tensor
    x: Tensor
    y: Tensor


@lru_cache(maxsize=1)
def open_session(setup: Setup) -> Session:
    """Load network and data. Raises InputError where they do not belong together."""
    with named_from(Path(setup.root)):
        return _opened(setup)


def _opened(setup: Setup) -> Session:
    shapes = list(setup.inputs) or None
    model = load(here(setup.path), arch=setup.arch, inputs=shapes, trust_pickle=setup.trust_pickle)
    model, vocabulary = asked_for_one(model, setup.output)
    example = model.example_inputs[0]
    dataset = _dataset(setup, example, vocabulary, model.metadata)
    problem = fit(dataset, tuple(example.shape[1:]))
    if problem:
        raise InputError(
            f"{setup.data} does not fit {setup.path}: {problem}.", hint="Choose --data, --input or --arch."
        )
    inputs = torch.as_tensor(dataset.inputs[0 : len(dataset)]).to(example.dtype)
    y = torch.from_numpy(dataset.labels)
    network = batched(model.network, model.example_inputs, setup.source if setup.inside else None, setup.output)
    if setup.inside:
        target, x = embedding(network, inputs, source=setup.source, output=setup.output)
    else:
        target, x = Target(network, output=setup.output), inputs
    return Session(model, dataset, target, inputs, x, y)


def _dataset(setup: Setup, example: Tensor, vocabulary: int, metadata: Mapping[str, str]) -> Dataset:
    """The data, text as token ids of the length that the network takes.

    vocabulary: of a network that continues a text, which is asked for the token after the last; else 0.
    """
    if vocabulary:
        return held_out_windows(setup.data, setup.tokenizer, metadata, example.shape[1], vocabulary, setup.limit)
    dataset = read(setup.data, limit=setup.limit)
    tokens = own_tokens(setup.tokenizer, metadata) if dataset.kind == "text" else {}
    if not setup.tokenizer and not tokens:
        return dataset
    by = tokenizer_of(tokens) if tokens else tokenizer(setup.tokenizer)
    return encode(dataset, by, example.shape[-1])


def attack_rows(setup: Setup, plan: Plan, seed: int, batch: int, rows: Sequence[int]) -> dict[str, Any]:
    """The harness on some examples of a session, by their numbers; as JSON, so that it can be kept."""
    session = open_session(setup)
    chosen = torch.tensor(list(rows))
    target = session.target.select(chosen)
    x, y = session.x[chosen], session.y[chosen]
    return to_json(harness.run(target, x, y, plan, seed=seed, batch=batch, examples=chosen))
