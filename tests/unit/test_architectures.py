"""The built-in networks, and lipcert's own checkpoint as a file."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from lipcert import architectures
from lipcert.architectures.blocks import UnitGELU
from lipcert.architectures.transformer import GPT, GPT2
from lipcert.checkpoint import lipcert as own
from lipcert.checkpoint import match, safetensors
from lipcert.checkpoint.find import StateDict
from lipcert.errors import InputError, OutputError
from lipcert.graph.program import quiet, runner

TINY: dict[str, Any] = {"vocabulary": 11, "context": 8, "width": 12, "layers": 2, "heads": 2}
STABILISED = {"qk_norm": True, "norm": "rms", "logit_cap": 3.0, "residual": "plain", "bias": True}
FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "paper": ("gpt", TINY),
    "gpt2": ("gpt", TINY | GPT2),
    "stabilised": ("gpt", TINY | STABILISED),
    "encoder": ("encoder", TINY | {"classes": 3, "post_norm": True, "norm": "layer", "positions": "learned"}),
    "first": ("encoder", TINY | {"classes": 3, "pooling": "first", "positions": "none", "activation": "relu"}),
}


def ids(batch: int = 1, tokens: int = 7) -> torch.Tensor:
    return torch.randint(11, (batch, tokens), generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(
    ("name", "arguments", "shape", "classes"),
    [
        ("mlp", {"widths": [6, 5, 4]}, (2, 3), 4),
        ("mlp", {"widths": [6, 4]}, (6,), 4),
        ("cnn", {"in_channels": 3, "classes": 5, "stages": [4, 8, 8]}, (3, 8, 8), 5),
        ("cnn", {"in_channels": 1, "classes": 2, "stages": [4], "batch_norm": False}, (1, 5, 7), 2),
    ],
)
def test_networks_map_inputs_to_classes(
    name: str, arguments: dict[str, Any], shape: tuple[int, ...], classes: int
) -> None:
    module = architectures.build(name, arguments).eval()
    assert module(torch.rand(3, *shape)).shape == (3, classes)


def test_the_last_layer_of_a_perceptron_has_no_activation() -> None:
    module = architectures.build("mlp", {"widths": [3, 3, 3]})
    assert [type(layer) for layer in module.children()] == [nn.Flatten, nn.Linear, nn.ReLU, nn.Linear]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("mpl", {}, "Did you mean 'mlp'"),
        ("mlp", {"widths": [1, 2], "with": 1}, "Did you mean 'widths'"),
        ("mlp", {"widths": [1]}, "widths: List should have at least 2 items"),
        ("mlp", {"widths": [1, "2"]}, r"widths\.1"),
        ("cnn", {}, "Its arguments are in_channels"),
        ("gpt", {**TINY, "head": 1}, "Did you mean 'heads'"),
        ("gpt", {**TINY, "heads": 5}, "width 12 is no multiple of heads 5"),
        ("gpt", {**TINY, "heads": 4}, "rotary positions need an even width of a head; width/heads is 3"),
        ("gpt", {**TINY, "logit_scale": float("nan")}, "logit_scale: Input should be a finite number"),
        ("encoder", {**TINY, "classes": 2, "logit_scale": 1.0}, "logit_scale: Extra inputs are not permitted"),
    ],
)
def test_wrong_arguments_are_named(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        architectures.build(name, arguments)


def test_saving_replaces_the_file_or_leaves_it(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_text("old")
    module = architectures.build("mlp", {"widths": [2, 2]})
    with pytest.raises(InputError, match="builds another network"):
        own.save(path, module, "mlp", {"widths": [2, 3]}, (2,))
    assert path.read_text() == "old"
    own.save(path, module, "mlp", {"widths": [2, 2]}, (2,))
    assert path.read_bytes()[8:9] == b"{"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    module = architectures.build("mlp", {"widths": [2, 2]})
    with pytest.raises(OutputError, match="there is no folder"):
        own.save(tmp_path / "missing" / "m.safetensors", module, "mlp", {"widths": [2, 2]}, (2,))


def test_a_gpt_maps_ids_to_logits_and_an_encoder_to_classes() -> None:
    shapes = [tuple(architectures.build(*form)(ids(2)).shape) for form in FORMS.values()]
    assert shapes == [(2, 7, 11)] * 3 + [(2, 3)] * 2


def test_more_tokens_than_the_context_are_refused() -> None:
    with pytest.raises(ValueError, match="9 tokens are more than the context of 8"):
        architectures.build("gpt", TINY)(ids(1, 9))


@pytest.mark.parametrize("form", ["paper", "gpt2", "stabilised"])
def test_later_tokens_do_not_change_earlier_logits(form: str) -> None:
    module = architectures.build(*FORMS[form]).eval()
    first, second = ids(), ids()
    second[0, 4] = (first[0, 4] + 1) % 11
    same = torch.isclose(module(first), module(second)).all(-1)[0]
    assert same.tolist() == [True] * 4 + [False] * 3


def test_all_tokens_of_an_encoder_see_each_other() -> None:
    module = architectures.build(*FORMS["first"]).eval()
    other = ids()
    other[0, 6] = (other[0, 6] + 1) % 11
    assert not torch.allclose(module(ids()), module(other))


def test_the_paper_form_is_the_formula() -> None:
    torch.manual_seed(0)
    arguments = TINY | {"attention_scale": 5.0, "logit_scale": 7.0}
    module = architectures.build("gpt", arguments).double().eval()
    x, share = module.embedding.weight[ids()[0]], 1 / 4
    for block in module.blocks:
        x = (1 - share) * x + share * attention_of_the_paper(block.attention, x, scale=5.0)
        hidden = nn.functional.gelu(x @ block.mlp.input.weight.T) / 1.1289041452
        x = (1 - share) * x + share * hidden @ block.mlp.output.weight.T
    torch.testing.assert_close(module(ids())[0], 7 * x @ module.unembedding.weight.T, rtol=1e-6, atol=1e-6)


def attention_of_the_paper(layer: nn.Module, x: torch.Tensor, scale: float) -> torch.Tensor:
    """Head by head; a pair of entries i and i + 3 is a complex number, which position t turns."""
    turns = torch.outer(torch.arange(7.0), 10000 ** (-torch.arange(3) / 3)).double()
    turned = torch.polar(torch.ones_like(turns), turns)
    joined = []
    for head in range(2):
        rows = slice(6 * head, 6 * head + 6)
        q, k, v = (x @ part.weight[rows].T for part in (layer.query, layer.key, layer.value))
        q, k = (torch.complex(part[:, :3], part[:, 3:]) * turned for part in (q, k))
        logits = scale / 6 * (q @ k.conj().T).real
        logits = logits.masked_fill(torch.ones(7, 7).triu(1).bool(), float("-inf"))
        joined.append(logits.softmax(-1) @ v)
    return torch.cat(joined, 1) @ layer.output.weight.T / 3


def test_gelu_over_its_slope_is_1_lipschitz_and_no_less() -> None:
    x = torch.tensor(2.0**0.5, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(UnitGELU()(x), x)
    assert 1 - 1e-10 < slope <= 1


def test_layers_start_with_rms_norm_1_or_at_0() -> None:
    module = architectures.build("gpt", TINY)
    assert isinstance(module, GPT)
    assert module.unembedding is not None
    norm = torch.linalg.matrix_norm(module.unembedding.weight, 2) * (12 / 11) ** 0.5
    torch.testing.assert_close(norm, torch.tensor(1.0))
    torch.testing.assert_close(module.embedding.weight.square().mean(1), torch.ones(11))
    assert not architectures.build("gpt", TINY | {"zero_init": True})(ids()).any()


def test_parameters_are_counted() -> None:
    counts = [sum(p.numel() for p in architectures.build(*FORMS[form]).parameters()) for form in ("paper", "gpt2")]
    blocks, norms, biases = 2 * 12 * 12**2, 5 * 2 * 12, 2 * 9 * 12
    assert counts == [2 * 11 * 12 + blocks, 11 * 12 + 8 * 12 + blocks + norms + biases]


@pytest.mark.parametrize("form", FORMS)
def test_transformers_are_exported_whole(form: str) -> None:
    module = architectures.build(*FORMS[form]).eval()
    with quiet():
        program = torch.export.export(module, (ids(),)).run_decompositions({})
    called = [str(node.target) for node in program.graph.nodes]
    assert called.count("aten.scaled_dot_product_attention.default") == 2
    assert torch.equal(runner(program)((ids(),))[0], module(ids()))


@pytest.mark.parametrize("form", FORMS)
def test_a_checkpoint_rebuilds_a_transformer(form: str, tmp_path: Path) -> None:
    name, arguments = FORMS[form]
    module, path = architectures.build(name, arguments).eval(), tmp_path / "m.safetensors"
    own.save(path, module, name, arguments, (7,))
    tensors, metadata = safetensors.read(path)
    recipe = own.recipe_of(metadata, str(path))
    assert recipe is not None
    rebuilt = own.build(recipe).eval()
    match.fill(rebuilt, [StateDict((), tensors)], str(path))
    assert torch.equal(rebuilt(ids()), module(ids()))
