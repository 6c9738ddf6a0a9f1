"""Attacks on token models that swap tokens for substitutes, and the radius in embeddings that the swaps span."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lipcert.attacks.ball import wide
from lipcert.attacks.embedding import table
from lipcert.attacks.loss import fooled, negative_margin
from lipcert.attacks.target import Target
from lipcert.errors import InputError, UsageError
from lipcert.norms.norm import Norm

NONE = -1
"""In a list of substitutes: there is no further one."""

_TRIED = 8


def nearest_tokens(target: Target, count: int, *, chunk: int = 512) -> Tensor:
    """(vocabulary, count) int64: for every token the others whose embeddings are nearest to its own in l2."""
    weight = table(target).weight.detach().double()
    if not 0 < count < len(weight):
        raise UsageError(f"{count} substitutes of {len(weight)} tokens.", hint=f"Ask for 1 to {len(weight) - 1}.")
    found = []
    for start in range(0, len(weight), chunk):
        apart = torch.cdist(weight[start : start + chunk], weight, compute_mode="donot_use_mm_for_euclid_dist")
        own = torch.arange(start, min(start + chunk, len(weight)), device=weight.device)
        apart[own - start, own] = torch.inf
        found.append(apart.topk(count, largest=False).indices)
    return torch.cat(found)


def swap_radius(target: Target, ids: Tensor, substitutes: Tensor, norm: Norm) -> Tensor:
    """(batch,) float64: no text of substitutes is further from its text than this, whatever the number of swaps.

    norm: token-l2 or token-rms. ids: (batch, T); substitutes: (vocabulary, k), as for `swap`. Rounded up, so that a
    certificate of that radius round what the embedding returns covers all swaps.
    """
    if not norm.by_token:
        raise UsageError(f"{norm.name} measures no tokens.", hint="Use token-l2 or token-rms.")
    weight = table(target).weight.detach().double()
    options = substitutes[ids]
    moves = (weight[options.clamp_min(0)] - weight[ids][:, :, None]).masked_fill((options == NONE)[..., None], 0.0)
    return norm.of(moves) * (1 + 1e-12 * moves.shape[-1])


@dataclass(frozen=True)
class Swapped:
    """ids: (batch, T) int64, the text with the swaps. swaps: (batch,) how many. fooled: (batch,) bool."""

    ids: Tensor
    swaps: Tensor
    fooled: Tensor


def swap(target: Target, y: Tensor, substitutes: Tensor, swaps: int) -> Swapped:
    """Greedy swaps by gradient: the first order orders the substitutes, the network decides among the best of them.

    target: of `embedding`, whose first context are the ids (batch, T). y: (batch,), or (batch, T) of a network that
    answers at every position. substitutes: (vocabulary, k) int64, what each token of the text may become, NONE where
    there are fewer. swaps: how many tokens of a text may change; each is swapped once. A text leaves when it is
    fooled. After HotFlip (Ebrahimi et al. 2018).
    """
    ids, weight = _require_ids(target, substitutes), table(target).weight.detach()
    texts, everyone = ids.clone(), torch.arange(len(ids), device=ids.device)
    with target.frozen():
        left = everyone[~_answers_wrong(target, y, weight)]
        for _ in range(swaps):
            if len(left):
                some, labels, options = _with(target, left, texts[left]), y[left], substitutes[ids[left]]
                options = options.masked_fill((texts != ids)[left][..., None], NONE)
                texts[left] = _best_swap(some, labels, weight, options)
                left = left[~_answers_wrong(_with(target, left, texts[left]), y[left], weight)]
        wrong = _answers_wrong(_with(target, everyone, texts), y, weight)
    return Swapped(texts, (texts != ids).sum(1), wrong)


def _best_swap(target: Target, y: Tensor, weight: Tensor, options: Tensor) -> Tensor:
    """The texts (n, T) with the one swap that fools most, of those tried; as they are where none helps."""
    texts = target.context[0]
    _, losses, gradient = target.gradient(weight[texts], y, negative_margin)
    scores = _first_order(gradient, weight, texts, options).flatten(1)
    best, each = texts.clone(), torch.arange(len(texts), device=texts.device)
    for place in scores.topk(min(_TRIED, scores.shape[1])).indices.T:
        position, choice = place // options.shape[2], place % options.shape[2]
        token = options[each, position, choice]
        tried = texts.index_put((each, position), torch.where(token == NONE, texts[each, position], token))
        with torch.no_grad():
            asked = negative_margin(_with(target, each, tried)(weight[tried]), y)
        best, losses = torch.where(wide(asked > losses, best), tried, best), torch.maximum(asked, losses)
    return best


def _answers_wrong(target: Target, y: Tensor, weight: Tensor) -> Tensor:
    with torch.no_grad():
        return fooled(target(weight[target.context[0]]), y)


def _first_order(gradient: Tensor, weight: Tensor, texts: Tensor, options: Tensor) -> Tensor:
    """(batch, T, k): by how much the loss grows to first order; -inf where there is no substitute."""
    at_options = torch.einsum("btd,btkd->btk", gradient, weight[options.clamp_min(0)])
    now = (gradient * weight[texts]).sum(-1, keepdim=True)
    return (at_options - now).masked_fill(options == NONE, -torch.inf)


def _with(target: Target, rows: Tensor, texts: Tensor) -> Target:
    """The target with these ids, so that all that the network reads of them is theirs."""
    some = target.select(rows)
    return Target(some.network, (texts, *some.context[1:]), some.place, some.output, some.passes)


def _require_ids(target: Target, substitutes: Tensor) -> Tensor:
    ids, vocabulary = target.context[0], table(target).num_embeddings
    if ids.dim() != 2 or substitutes.shape[:-1] != (vocabulary,):
        raise InputError(
            f"ids of shape {tuple(ids.shape)} and substitutes of shape {tuple(substitutes.shape)}.",
            hint=f"Give ids (batch, T) and substitutes ({vocabulary}, k): a row for every token of the vocabulary.",
        )
    if not bool(((substitutes >= NONE) & (substitutes < vocabulary)).all()):
        raise InputError(
            f"a substitute outside the vocabulary of {vocabulary} tokens.",
            hint=f"Fill with {NONE} where there is none.",
        )
    return ids
