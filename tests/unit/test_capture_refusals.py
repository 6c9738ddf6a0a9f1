"""What is no network of one real input with a Lipschitz constant is refused, by name, with what to do next."""

import random
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram, export

from lipcert.errors import InputError, LipcertError, UnsupportedError, UsageError, ViolationError
from lipcert.graph.capture import capture, lower, trace
from lipcert.graph.graph import Graph
from lipcert.graph.lowering.table import LOWER
from lipcert.graph.program import find_output, functional

IMAGE, ROW = torch.rand(1, 4, 6, 6), torch.rand(1, 6)


class Lambda(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(*inputs)


class Doubled(nn.Module):
    """Two branches, with operations without a rule in both."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Lambda(torch.sign)
        self.second = nn.Sequential(Lambda(lambda x: x.topk(2, 1)[0]), nn.ReLU(), Lambda(lambda x: x.cumsum(1)))
        self.third = Lambda(torch.sign)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x)) + self.third(x)[:, :2]


class Counter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        return x * self.count


class OnlyOnce(nn.Module):
    """Different from the second call on."""

    called = False

    def forward(self, x: Tensor) -> Tensor:
        factor = 3.0 if self.called else 2.0
        self.called = True
        return factor * x


def graph_of(module: nn.Module, *inputs: Tensor, output: str = "") -> Graph:
    return trace(capture(module.eval(), inputs), inputs, output=output)


def refusal(kind: type[LipcertError], module: nn.Module, *inputs: Tensor, output: str = "") -> str:
    """The message of the refusal, which has a hint."""
    with pytest.raises(kind) as caught:
        graph_of(module, *inputs, output=output)
    assert caught.value.hint
    return caught.value.message


def program_refusal(kind: type[LipcertError], program: ExportedProgram, *inputs: Tensor) -> str:
    with pytest.raises(kind) as caught:
        trace(program, inputs)
    assert caught.value.hint
    return caught.value.message


def with_weight(value: float) -> nn.Module:
    network = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 2))
    with torch.no_grad():
        network[2].weight[1, 1] = value
    return network


def test_train_mode_is_refused_with_the_modules_in_it() -> None:
    network = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)).eval()
    network[1].train()
    with pytest.raises(UnsupportedError, match="train mode: 1") as caught:
        capture(network, (IMAGE,))
    assert "eval()" in caught.value.hint


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (nn.Sequential(nn.ReLU(), nn.BatchNorm2d(4, track_running_stats=False)), ["batch statistics", "at 1"]),
        (nn.Sequential(nn.ReLU(), Lambda(F.dropout)), ["native_dropout", "random", "at 1"]),
        (Lambda(lambda x: x * random.random()), ["something else when it is run"]),
        (Lambda(lambda x: x if torch.compiler.is_exporting() else 2 * x), ["something else when it is run"]),
        (OnlyOnce(), ["something else when it is run"]),
    ],
)
def test_randomness_and_batch_statistics_are_refused(module: nn.Module, words: list[str]) -> None:
    message = refusal(UnsupportedError, module, IMAGE)
    assert all(word in message for word in words)


@pytest.mark.parametrize(
    "module", [Lambda(lambda x: x.add_(1)), nn.Sequential(nn.ReLU(inplace=True)), Lambda(lambda x: F.relu(x.mT, True))]
)
def test_changing_the_input_in_place_is_refused_and_not_done(module: nn.Module) -> None:
    x = torch.randn(1, 4, 6, 6)
    before = x.clone()
    assert "changes its own state or its input" in refusal(UnsupportedError, module, x)
    assert torch.equal(x, before)


def test_changing_a_buffer_is_refused_and_not_done() -> None:
    network = Counter()
    assert "count" in refusal(UnsupportedError, network, IMAGE)
    assert float(network.get_buffer("count")) == 0


def test_in_place_operations_on_values_in_between_are_made_pure() -> None:
    def forward(x: Tensor) -> Tensor:
        y = 2 * x
        view = y[:, 1:]
        y[:, 0].zero_()
        y += x
        view.relu_()
        return y + view.sum()

    x = torch.randn(2, 4, dtype=torch.float64)
    graph = graph_of(Lambda(forward), x[:1])
    torch.testing.assert_close(graph(x), torch.stack([forward(row[None].clone()) for row in x]))


@pytest.mark.parametrize(
    "function", [lambda x: x if x.sum() > 0 else -x, lambda x: x[: int(x.max())], lambda x: torch.nonzero(x).float()]
)
def test_control_flow_and_shapes_that_depend_on_data_are_refused(function: Callable[..., Any]) -> None:
    refusal(UnsupportedError, Lambda(function), IMAGE)


def test_all_operations_without_a_rule_are_named_at_once_with_their_modules() -> None:
    message = refusal(UnsupportedError, Doubled(), IMAGE)
    assert "aten.sign.default: it jumps, so it has no Lipschitz constant\n    at first, third" in message
    assert "aten.topk.default: no rule for this operation\n    at second.0" in message
    assert "aten.cumsum.default: no rule for this operation\n    at second.2" in message
    assert "relu" not in message


attend = F.scaled_dot_product_attention

FORMS: list[tuple[Callable[[Tensor], Tensor], str]] = [
    (torch.round, "aten.round.default: it jumps"),
    (lambda x: (x > 0) * x, "aten.gt.Scalar: it jumps"),
    (lambda x: x // 2, "it jumps"),
    (lambda x: x.int().float(), "a cast to torch.int32 jumps"),
    (lambda x: x.sum(1, dtype=torch.int64), "its values are torch.int64"),
    (lambda x: x.max(1)[1].float(), "this output of the operation before it"),
    (lambda x: x.view(torch.int32).float(), "aten.view.dtype"),
    (lambda x: (x * 1j).abs(), "aten.mul.Tensor: this form of it"),
    (lambda x: x.masked_fill(torch.eye(6) > 0, torch.inf).softmax(-1), "fills with +infinity or NaN"),
    (lambda x: x + torch.full((6, 6), torch.inf).triu(1), "infinite or NaN"),
    (lambda x: x.masked_fill(x > 0, -torch.inf).softmax(-1), "aten.gt.Scalar: it jumps"),
    (lambda x: x + torch.full((6, 6), -torch.inf).triu(1), "aten.add.Tensor at (top level): an infinite mask that no"),
    (lambda x: x.masked_fill(torch.eye(6) > 0, -torch.inf).relu(), "aten.relu.default at (top level): an infinite"),
    (lambda x: x.masked_fill(torch.eye(6) > 0, -torch.inf).log_softmax(-1), "aten.log_softmax.int at (top level): an"),
    (lambda x: (-x.masked_fill(torch.eye(6) > 0, -torch.inf)).softmax(-1), "aten.neg.default at (top level): an infin"),
    (lambda x: F.max_pool2d(F.pad(x, (1, 1), value=-torch.inf), 2), "aten.max_pool2d.default at (top level): an inf"),
    (lambda x: x.masked_fill(torch.eye(6)[:1].T > 0, -torch.inf).softmax(-1), "softmax is masked everywhere"),
    (lambda x: attend(x, x, x, torch.eye(6)[:1].T == 0), "softmax is masked everywhere"),
    (lambda x: attend(x, x, x, x @ x), "a mask that depends on the input"),
    (lambda x: attend(x, x, x, torch.eye(6) / 0), "infinity or NaN"),
    (lambda x: attend(x, x, x, scale=torch.inf), "the scale inf"),
    (lambda x: attend(x, x, x, dropout_p=0.1), "it is random"),
    (lambda x: x / 0, "infinite or NaN"),
    (lambda x: x * 1e-300, "a factor below 1e-290"),
    (lambda x: x**2.5, "the exponent 2.5"),
    (lambda x: x.clamp(1, 0), "min 1 above max 0"),
    (lambda x: F.softplus(x, threshold=3), "softplus with threshold = 3"),
    (lambda x: F.celu(x, -1.0), "aten.celu.default"),
    (lambda x: F.linear(x, x[0, 0]), "weights that depend on the input"),
    (lambda x: F.conv2d(x, x[:, :, :3, :3]), "weights that depend on the input"),
    (lambda x: F.layer_norm(x, (6,), x[0, 0, 0]), "weights that depend on the input"),
    (lambda x: F.avg_pool2d(x, 2, divisor_override=-3), "a divisor below 1"),
    (lambda x: F.max_pool2d(x[:, :, :2, :2], 2, 1, 1, 3), "a maximum over no entries"),
    (lambda x: F.instance_norm(x, torch.zeros(4), torch.ones(4), use_input_stats=False), "running statistics"),
    (lambda x: F.batch_norm(x, torch.zeros(4), -torch.ones(4)), "variance + eps that is not positive"),
    (lambda x: torch.einsum("bchw,bcde->bch", x, x), "the equation bchw,bcde->bch"),
    (lambda x: torch.einsum("bchh,bchw->bcw", x, x), "the equation 'bchh,bchw->bcw'"),
    (lambda x: torch.einsum("bchw,bcwk,k->bch", x, x, torch.ones(6)), "the equation"),
    (lambda x: torch.einsum("...w,w->...", x, torch.ones(6)), "the equation '...w,w->...'"),
    (lambda x: torch.einsum("bchw,cw->bch", x, torch.ones(4, 6)), "the equation bchw,cw->bch"),
    (lambda x: F.batch_norm(x, None, None, training=True), "batch statistics"),
    (lambda x: F.dropout2d(x), "aten.bernoulli.p: it is random"),
    (lambda x: x + torch.rand(6), "aten.rand.default: it is random"),
    (lambda x: x + torch.rand_like(x), "aten.rand_like.default: it is random"),
    (lambda x: F.rrelu(x, training=True), "aten.rrelu.default: it is random"),
    (lambda x: x.as_strided((1, 4), (4, 1)), "aten.as_strided.default: no rule"),
]


@cache
def _forms() -> ExportedProgram:
    """All of FORMS in one network, so that it is exported once."""
    network = Lambda(lambda x: [function(x) for function, _ in FORMS])
    return functional(capture(network.eval(), (IMAGE,)), (IMAGE,))


@pytest.mark.parametrize("place", range(len(FORMS)), ids=[words for _, words in FORMS])
def test_a_form_that_has_no_proof_is_refused_with_the_reason(place: int) -> None:
    program = _forms()
    _, name = find_output(program, str(place))
    with pytest.raises(UnsupportedError) as caught:
        lower(program, (IMAGE,), name)
    assert FORMS[place][1] in caught.value.message


@pytest.mark.parametrize(
    ("module", "inputs", "kind", "words"),
    [
        (nn.Linear(5, 2), (ROW,), UnsupportedError, "(1, 6)"),
        (nn.Linear(6, 2), (ROW, ROW), UnsupportedError, "cannot be captured"),
        (nn.Linear(6, 2), (torch.rand(2, 6),), InputError, "a batch of one"),
        (Lambda(torch.relu), (torch.tensor(1.0),), InputError, "a batch of one"),
        (Lambda(lambda x: x.float()), (torch.ones(1, 3, dtype=torch.int64),), UnsupportedError, "torch.int64"),
        (Lambda(torch.abs), (torch.ones(1, 3, dtype=torch.complex64),), UnsupportedError, "torch.complex64"),
        (Lambda(lambda x: torch.ones(1, 2)), (ROW,), UnsupportedError, "does not depend on the source"),
        (Lambda(lambda x: torch.zeros_like(x)), (ROW,), UnsupportedError, "does not depend on the source"),
        (Lambda(lambda x, y: 2 * y), (ROW, ROW), UnsupportedError, "does not depend on the source"),
        (Lambda(lambda x: x[:, :0]), (ROW,), UnsupportedError, "without entries"),
        (Lambda(lambda x: torch.log(x - 9)), (ROW,), InputError, "not finite"),
        (with_weight(torch.nan), (ROW,), InputError, "2.weight"),
        (with_weight(torch.inf), (ROW,), InputError, "2.weight"),
    ],
)
def test_inputs_outputs_and_weights_that_cannot_be(
    module: nn.Module, inputs: tuple[Tensor, ...], kind: type[LipcertError], words: str
) -> None:
    assert words in refusal(kind, module, *inputs)


def test_one_of_several_outputs_has_to_be_named() -> None:
    network = Lambda(lambda x: {"a": x, "b": [2 * x, None, 3]})
    assert "4 outputs" in refusal(UsageError, network, ROW)
    assert "no output 'c'" in refusal(UsageError, network, ROW, output="c")
    assert "does not depend" in refusal(UnsupportedError, network, ROW, output="b.1")
    graph = graph_of(network, ROW, output="b.0")
    torch.testing.assert_close(graph(ROW.double())[0], 2 * ROW.double())


@pytest.mark.parametrize("outputs", [lambda x: {"a.b": x, "a": {"b": 2 * x}}, lambda x: {0: x, "0": 2 * x}])
def test_outputs_with_the_same_name_are_refused(outputs: Callable[..., Any]) -> None:
    assert "same name" in refusal(UnsupportedError, Lambda(outputs), ROW, output="a.b")


def test_the_input_as_output_is_a_graph_of_one_node() -> None:
    graph = graph_of(Lambda(lambda x: (x, 2 * x)), ROW, output="0")
    assert list(graph.nodes) == [graph.source] == [graph.output]


def test_training_behaviour_inside_an_exported_program_is_refused() -> None:
    network = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.1)).train()
    assert "1.running_mean" in program_refusal(UnsupportedError, export(network, (IMAGE,)), IMAGE)
    network[1].eval()
    message = program_refusal(UnsupportedError, export(network, (IMAGE,)), IMAGE)
    assert "it is random" in message
    assert "at 2" in message


def test_inputs_that_an_exported_program_was_not_made_for_are_refused() -> None:
    program = export(nn.Linear(6, 2), (ROW,))
    assert "(1, 7)" in program_refusal(InputError, program, torch.rand(1, 7))
    assert "(6,)" in program_refusal(InputError, program, ROW[0])
    assert "torch.float64" in program_refusal(InputError, program, ROW.double())
    assert "takes 1 inputs, 2 were given" in program_refusal(UsageError, program, ROW, ROW)
    switched = export(Lambda(lambda x, twice: 2 * x if twice else x), (ROW, True))
    assert "no tensors: " in program_refusal(UnsupportedError, switched, ROW, ROW)


def test_a_program_with_dynamic_shapes_is_traced_for_the_shape_given() -> None:
    program = export(nn.Sequential(nn.Linear(6, 2)), (torch.rand(3, 6),), dynamic_shapes=({0: Dim.DYNAMIC},))
    graph = trace(program, (ROW,))
    assert graph.nodes[graph.source].shape == (1, 6)
    assert graph.nodes[graph.output].path == "0"
    assert "(1, 7)" in program_refusal(InputError, program, torch.rand(1, 7))
    widths = export(nn.Softmax(-1), (torch.rand(1, 6),), dynamic_shapes=({1: Dim.DYNAMIC},))
    assert trace(widths, (torch.rand(1, 8),)).nodes["softmax"].attrs["length"] == 8


def test_keyword_and_nested_inputs_keep_their_places() -> None:
    class Nested(nn.Module):
        def forward(self, parts: dict[str, Tensor], *, shift: Tensor) -> Tensor:
            return parts["x"] * parts["scale"] + shift

    fixed = torch.full((6,), 3.0), torch.ones(6)
    program = export(Nested(), ({"x": ROW, "scale": fixed[0]},), {"shift": fixed[1]})
    graph = trace(program, (ROW, *fixed))
    assert len(graph.fixed) == 2
    torch.testing.assert_close(graph(ROW.double())[0], 3 * ROW.double() + 1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_rms_norm_without_eps_takes_that_of_the_type_it_computes_in(dtype: torch.dtype) -> None:
    x = torch.rand(1, 6, dtype=dtype)
    graph = graph_of(nn.RMSNorm(6).to(dtype), x)
    node = next(node for node in graph.nodes.values() if node.op == "normalise")
    assert node.attrs["eps"] == torch.finfo(torch.float32).eps
    tiny = torch.full((1, 6), 1e-3, dtype=dtype)
    torch.testing.assert_close(graph(tiny)[0].to(dtype), F.rms_norm(tiny, (6,)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_nearest_neighbours_are_those_of_the_type_that_is_computed_in(dtype: torch.dtype) -> None:
    """2 → 82: float32 rounds to another neighbour than float64, which changes the norm."""
    x = torch.rand(1, 1, 2).to(dtype)
    graph = graph_of(Lambda(lambda x: F.interpolate(x, size=82)), x)
    assert torch.equal(graph(x)[0].to(dtype), F.interpolate(x, size=82))


def test_a_wrong_lowering_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {**LOWER, "aten.leaky_relu.default": LOWER["aten.relu.default"]}  # the same where x >= 0
    monkeypatch.setattr("lipcert.graph.capture.LOWER", wrong)
    assert "does not compute" in refusal(ViolationError, nn.Sequential(nn.LeakyReLU()), torch.rand(1, 6))


def test_a_chaotic_network_is_no_wrong_lowering() -> None:
    """Sines of large arguments: float32 and float64 have nothing in common after five layers."""
    torch.manual_seed(0)
    layers = [part for _ in range(5) for part in (nn.Linear(32, 32), Lambda(lambda x: torch.sin(200 * x)))]
    network = nn.Sequential(*layers).eval()
    x = torch.rand(1, 32)
    graph = graph_of(network, x)
    assert not torch.allclose(graph(x)[0].float(), network(x), atol=0.1)
    torch.testing.assert_close(graph(x)[0], network.double()(x.double()).detach(), rtol=1e-4, atol=1e-4)


def test_weights_that_are_computed_count_as_computed() -> None:
    network = nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Linear(6, 6)),
        nn.utils.parametrizations.spectral_norm(nn.Linear(6, 6)),
    ).double()
    x = torch.rand(3, 6, dtype=torch.float64)
    graph = graph_of(network, x[:1])
    torch.testing.assert_close(graph(x)[:, 0], network(x).detach(), rtol=1e-12, atol=1e-12)
    assert "0.parametrizations.weight.original0" in graph.weights


def test_tied_modules_keep_both_names() -> None:
    shared = nn.Linear(6, 6)
    graph = graph_of(nn.Sequential(shared, nn.ReLU(), shared), ROW)
    assert {"0.weight", "2.weight"} <= set(graph.weights) or len(graph.weights) == 2
    assert sum(node.op == "linear" for node in graph.nodes.values()) == 2


class Doubling(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


class Outside(Doubling):
    """Computed where torch.export does not see it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.from_numpy(2 * x.detach().numpy())


class Everything(nn.Module):
    """All that cannot be bounded, and the last part stops the capture."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.norm = nn.GRU(6, 6), nn.BatchNorm1d(6, track_running_stats=False)
        self.noise, self.imaginary = Lambda(F.dropout), Lambda(lambda x: (x * 1j).real)
        self.own = nn.Sequential(Lambda(Outside.apply))
        self.choice = Lambda(lambda x: x if x.sum() > 0 else -x)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.gru(self.norm(torch.cat([x, 2 * x])))
        return self.choice(self.own(self.imaginary(self.noise(y[:1]))))


def test_all_that_speaks_against_a_module_is_listed_at_once_with_its_places() -> None:
    network, x = Everything(), ROW.clone()
    message = refusal(UnsupportedError, network, x)
    for words in (
        "recurrent: an LSTM, GRU or RNN has no rule\n    at gru", "depends on the others\n    at norm", "at noise",
        "complex numbers\n    at imaginary", "Outside: a torch.autograd.Function", "at own.0",
        "looks at values while it runs\n    at choice",
    ):  # fmt: skip
        assert words in message
    assert torch.equal(x, ROW)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in network.modules())


def test_train_mode_is_refused_together_with_what_eval_mode_would_not_help() -> None:
    network = nn.Sequential(nn.Dropout(), nn.LSTM(6, 6)).train()
    with pytest.raises(UnsupportedError, match="train mode") as caught:
        capture(network, (ROW,))
    assert "recurrent: an LSTM, GRU or RNN has no rule\n    at 1" in caught.value.message


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_that_can_be_captured_are_refused_by_name(kind: Callable[..., nn.Module]) -> None:
    network = nn.Sequential(kind(6, 6), Lambda(lambda y: y[0]))
    assert "no rule for recurrent layers\n    at 0" in refusal(UnsupportedError, network, ROW)


def test_a_quantised_module_is_refused_as_such() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.ReLU(), nn.Linear(6, 2)))
        message = refusal(UnsupportedError, network, ROW)
    assert "quantised: it rounds, so it has no Lipschitz constant\n    at 1" in message


def test_a_function_of_its_own_that_is_computed_in_torch_is_bounded_by_its_forward() -> None:
    graph = graph_of(Lambda(Doubling.apply), ROW)
    torch.testing.assert_close(graph(ROW.double())[0], 2 * ROW.double())
