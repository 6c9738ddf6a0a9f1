"""Networks of transformers, saved as transformers saves them: bounded, proved again, and attacked as they came.

The attack runs the network that was saved, in float64, from vectors in the place of its embeddings. Nothing of lipcert
takes part in that.
"""

import copy
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lipcert
from lipcert.bounds.result import Bound
from lipcert.certificate.check import check
from lipcert.checkpoint.model import Model
from lipcert.graph.capture import capture, trace
from lipcert.norms import ball
from tests.soundness.directions import jacobians, steepest
from tests.soundness.measure import Measure, Scales, ratios
from tests.soundness.tiny_transformers import CLASSES, TOKENS, tiny

ROUNDING = 1e-9
QUICK = ("GPT2LMHeadModel", "LlamaForSequenceClassification", "BertForSequenceClassification", "RobertaModel")
"""One of each kind: of what is left the families are the same, and their heads."""

TEXTS = [name for family, names in CLASSES.items() if family != "vit" for name in names]
Function = Callable[[Sequence[Tensor]], Tensor]


def saved(name: str, folder: Path, seed: int = 0) -> tuple[nn.Module, Model]:
    network = tiny(name, seed)
    network.save_pretrained(folder)
    return network, lipcert.load(folder, inputs=None if "ViT" in name else [lipcert.Ids((TOKENS,))])


def proved(model: Model, **asked: Any) -> Bound:
    """The bound, and its certificate accepted."""
    assert model.module is not None
    found = lipcert.bound(model.module, model.example_inputs, output=model.output, seconds=0.05, **asked)
    source = found.certificate["claim"]["module"]
    graph = trace(capture(model.module, model.example_inputs), model.example_inputs, output=model.output, source=source)
    assert ball.up(check(found.certificate, graph, model.output)) == pytest.approx(found.upper, rel=1e-12)
    assert 0 < found.lower <= found.upper < math.inf
    return found


def from_embeddings(network: nn.Module, ids: Tensor) -> Function:
    """What is returned for vectors in the place of those that the ids have, (batch, 1, tokens, features)."""
    exact: Any = copy.deepcopy(network).double()
    more = {"token_type_ids": torch.zeros_like(ids)} if exact.config.model_type in ("bert", "roberta") else {}

    def f(inputs: Sequence[Tensor]) -> Tensor:
        tokens = inputs[0].squeeze(1)
        # The ids stay: a classifier takes the last token that is no padding.
        handle = exact.get_input_embeddings().register_forward_hook(lambda *_: tokens)
        whole = ids.expand(len(tokens), TOKENS)
        returned = exact(whole, **{key: value.expand(len(tokens), TOKENS) for key, value in more.items()})
        handle.remove()
        y: Tensor = returned[0]
        return y

    return f


def largest(f: Function, scales: Scales, points: Tensor, pairs: tuple[Tensor, Tensor]) -> float:
    """Between pairs, and along the steepest directions at points."""
    best = float(ratios(f, [pairs[0]], [pairs[1]], scales).max())
    direction = steepest(jacobians(f, [points]), scales)[0].reshape(points.shape)
    step = 1e-5 * direction / direction.abs().amax().clamp_min(1e-300)
    return max(best, float(ratios(f, [points + step], [points - step], scales).max()))


def by_token(shape: Sequence[int]) -> Measure:
    return torch.arange(math.prod(shape[:-1])).reshape(*shape[:-1], 1).expand(*shape)


def attacked(network: Any, ids: Tensor, pairs: int, places: int) -> float:
    """Pairs of texts, of which some differ in one token; and short pairs round points of the convex hull."""
    f, generator = from_embeddings(network, ids), torch.Generator().manual_seed(0)
    table = network.get_input_embeddings().weight.detach().double()
    texts = torch.randint(len(table), (2, pairs, 1, TOKENS), generator=generator)
    texts[1, ::2, :, 1:] = texts[0, ::2, :, 1:]
    output = f([table[texts[0, :1]]])
    scales = Scales(by_token((1, *output.shape[1:])), [by_token((1, TOKENS, table.shape[1]))], [1.0])
    weights = torch.rand(places, 1, TOKENS, len(table), generator=generator, dtype=torch.float64) ** 4 + 1e-3
    inside = (weights / weights.sum(-1, keepdim=True)) @ table
    return largest(f, scales, inside, (table[texts[0]], table[texts[1]]))


def check_text(name: str, folder: Path, seed: int, pairs: int, places: int) -> None:
    network, model = saved(name, folder, seed)
    found = proved(model)
    assert attacked(network, model.example_inputs[0], pairs, places) <= found.upper * (1 + ROUNDING)


@pytest.mark.parametrize("name", QUICK)
def test_no_measured_ratio_exceeds_the_bound_of_a_text_network(name: str, tmp_path: Path) -> None:
    check_text(name, tmp_path, 0, pairs=60, places=3)


@pytest.mark.slow
@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("seed", [1, 2])
def test_no_measured_ratio_exceeds_the_bounds_of_all_text_networks(name: str, seed: int, tmp_path: Path) -> None:
    check_text(name, tmp_path, seed, pairs=1000, places=30)


@pytest.mark.parametrize("name", [CLASSES["vit"][0], pytest.param(CLASSES["vit"][1], marks=pytest.mark.slow)])
def test_no_measured_ratio_exceeds_the_bound_of_an_image_network(name: str, tmp_path: Path) -> None:
    network, model = saved(name, tmp_path)
    found = proved(model, domain=lipcert.Box(0, 1))
    exact: Any = copy.deepcopy(network).double()

    def f(inputs: Sequence[Tensor]) -> Tensor:
        y: Tensor = exact(inputs[0].squeeze(1))[0].flatten(1)
        return y

    x = torch.rand(2, 20, 1, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert largest(f, Scales("l2", ["l2"], [1.0]), x[0, :4], (x[0], x[1])) <= found.upper * (1 + ROUNDING)


@pytest.mark.parametrize("name", ["GPT2LMHeadModel", "LlamaForCausalLM", "BertModel"])
def test_attention_and_norms_are_recognised(name: str, tmp_path: Path) -> None:
    """Each attention with its projections as one region; no power, root or hyperbolic tangent is left of norms and
    activations, and no key is read once for every query head that shares it."""
    _, model = saved(name, tmp_path)
    assert model.module is not None
    graph = trace(capture(model.module, model.example_inputs), model.example_inputs, output=model.output)
    found = [node for node in graph.nodes.values() if node.op == "attention"]
    assert [node.attrs["group"] for node in found] == ([2, 2] if name.startswith("Llama") else [1, 1])
    functions = {node.attrs["function"] for node in graph.nodes.values() if node.op == "entrywise"}
    assert functions == {{"GPT2LMHeadModel": "gelu_tanh", "LlamaForCausalLM": "silu", "BertModel": "gelu"}[name]}
    assert sum(node.op == "normalise" for node in graph.nodes.values()) == 5
    regions = [region.method for region in proved(model).regions]
    assert regions.count("attention") == 2


def test_the_table_says_what_a_norm_costs(tmp_path: Path) -> None:
    """Of inputs that may be constant the last norm gains 1/√ε, before its weights, with a line of its own."""
    _, model = saved("GPT2LMHeadModel", tmp_path)
    found = proved(model, domain=lipcert.Everywhere())
    (step,) = (ball.up(block.step) for block in found.blocks if block.path == "network.transformer.ln_f")
    assert step == pytest.approx(1 / math.sqrt(1e-5), rel=1e-4)


def test_where_no_bound_is_finite_the_layer_and_what_would_give_one_are_named(tmp_path: Path) -> None:
    tiny("LlamaForCausalLM", 0, rms_norm_eps=0.0).save_pretrained(tmp_path)
    model = lipcert.load(tmp_path, inputs=[lipcert.Ids((TOKENS,))])
    assert model.module is not None
    reason = r"network\.model\.layers\.0\.input_layernorm: .*: eps = 0 needs inputs"
    with pytest.raises(lipcert.UnsupportedError, match=reason):
        lipcert.bound(model.module, model.example_inputs, seconds=0.05)
