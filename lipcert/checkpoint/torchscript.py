"""TorchScript archives. torch runs their code while it loads them, so only files that are trusted are read.

The program is run once on example inputs and every operation recorded. What it decides by looking at values cannot be
recorded, and is refused.
"""

import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from lipcert.checkpoint import agree, archive, weights
from lipcert.checkpoint.script_values import require_no_looking, require_no_reading
from lipcert.checkpoint.tree import Tree
from lipcert.errors import InputError, UnsupportedError

_ARCH = (
    "Save the weights alone, torch.save(module.state_dict(), …), and say what builds the network: --arch net.py:net."
)


def read(path: Path, *, trust: bool) -> nn.Module:
    """The program in the file. Raises InputError where it is not trusted or cannot be loaded."""
    if not trust:
        raise InputError(
            f"{path} is a TorchScript program, which carries code. Nothing was executed.",
            hint=f"{_ARCH} Or, if you trust whoever made the file, let it execute code: --trust-pickle.",
        )
    archive.check(path)
    with _quiet():
        try:
            script: nn.Module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
        except Exception as error:
            raise InputError(
                f"{path} is TorchScript that torch {torch.__version__} cannot load: {_line(error)}", hint=_ARCH
            ) from error
    return script


def capture(script: nn.Module, inputs: tuple[Tensor, ...], path: Path) -> nn.Module:
    """A module that computes the same for inputs of these shapes, its weights under their names in the program.

    Raises UnsupportedError where the program is in train mode, decides by values, or does not compute the same.
    """
    modules = script.named_modules()  # frozen ones do not say
    training = [name or "the module itself" for name, part in modules if getattr(part, "training", False)]
    if training:
        raise UnsupportedError(
            f"train mode: {', '.join(training[:5])}. Dropout and batch statistics have no Lipschitz bound.",
            hint="Call module.eval() before torch.jit.script or torch.jit.trace, and save it again.",
        )
    state = dict(script.state_dict())
    weights.check_kind(state, str(path))
    weights.check_values(dict(script.named_parameters()), str(path))
    with _quiet():
        before, kept = _held(script), {name: value.clone() for name, value in state.items()}
        module = _Script(_recorded(script, inputs, path), script).eval()
        probes = [inputs, *(tuple(agree.random_like(x, seed) for x in inputs) for seed in range(3))]
        agree.require_same(module, lambda probe: agree.outputs(script, probe), probes, "TorchScript", _ARCH)
        after = _held(script)
    if before != after:
        changed = [name for name, value in script.state_dict().items() if not torch.equal(value, kept[name])]
        what = ", ".join(changed[:5]) or "an attribute that is no weight"
        raise UnsupportedError(f"the network changes its own state when it runs: {what}", hint=_ARCH)
    return module


def _held(script: Any) -> str:
    """A hash of all that the program holds: a number or a list that it keeps is in no state dict."""
    return hashlib.sha256(script.save_to_buffer()).hexdigest()


def _recorded(script: nn.Module, inputs: tuple[Tensor, ...], path: Path) -> fx.GraphModule:
    try:
        from torch.fx.experimental.proxy_tensor import make_fx
    except ImportError as error:
        raise UnsupportedError(f"torch {torch.__version__} cannot record TorchScript any more", hint=_ARCH) from error
    try:
        # It may ask whether gradients are wanted, and is compared with them switched off: both have to be the same.
        with torch.enable_grad():
            recorded = make_fx(script, pre_dispatch=True)(*(_with_gradient(x) for x in inputs))
    except Exception as error:  # whatever the program raises, and torch where it looks at values
        raise UnsupportedError(
            f"{path} cannot be captured for inputs {[tuple(x.shape) for x in inputs]}: {_line(error)}. Control flow "
            "that depends on data, and a wrong --input, are the usual reasons.",
            hint=_ARCH,
        ) from error
    require_no_looking(recorded, path, _ARCH)
    require_no_reading(script, path, _ARCH)
    return recorded


def _with_gradient(x: Tensor) -> Tensor:
    return x.detach().requires_grad_().clone() if x.is_floating_point() else x


class _Script(Tree):
    """The recorded operations, each in the place of the module whose weights it reads."""

    def __init__(self, recorded: fx.GraphModule, script: nn.Module) -> None:
        super().__init__()
        recorded.graph.eliminate_dead_code()
        self._steps = list(recorded.graph.nodes)
        self._held: dict[str, str] = {}
        names = {_identity(value): name for name, value in script.state_dict().items()}
        parameters = {name for name, _ in script.named_parameters()}
        for number, node in enumerate(recorded.graph.find_nodes(op="get_attr")):
            value = _tensor(getattr(recorded, str(node.target)))
            name = names.get(_identity(value), f"constants.{number}")
            if name not in self._held.values():
                self.hold(name, value.clone(), weight=name in parameters)
            self._held[node.name] = name

    def example(self, *inputs: Tensor) -> list[Tensor]:
        given, values = iter(inputs), dict[str, Any]()
        for node in self._steps:
            if node.op == "placeholder":
                values[node.name] = next(given)
            elif node.op == "get_attr":
                values[node.name] = self.tensor(self._held[node.name])
            elif node.op == "call_function":
                values[node.name] = self._run(node, values)
        return [values[each.name] for each in pytree.tree_leaves(self._returned)]

    def _run(self, node: fx.Node, values: Mapping[str, Any]) -> Any:
        given: Any = fx.node.map_arg((node.args, node.kwargs), lambda each: values[each.name])
        (arguments, named), target = given, node.target
        assert callable(target)  # as every operation that is recorded
        function = _SAME.get(str(target), target)
        owners = [self._held[each.name] for each in node.all_input_nodes if each.name in self._held]
        path = owners[0].rpartition(".")[0] if owners else ""
        if not path:
            return function(*arguments, **named)
        return self.get_submodule(path)(function, *arguments, **named)

    def _joined(self, outputs: Sequence[Tensor]) -> Any:
        return pytree.tree_unflatten(list(outputs), pytree.tree_structure(self._returned))

    @property
    def _returned(self) -> Any:
        """The output as the program nests it, of nodes."""
        return self._steps[-1].args[0]


def _tensor(held: Any) -> Tensor:
    if not isinstance(held, Tensor):
        raise UnsupportedError(
            "the network holds packed weights, as quantised layers do, and floating point is needed", hint=_ARCH
        )
    return held.detach()


def _convolution(*arguments: Any) -> Tensor:
    result: Tensor = torch.ops.aten.convolution.default(*arguments[:9])
    return result


def _convolution_mode(x: Tensor, weight: Tensor, *arguments: Any) -> Tensor:
    conv = {3: nn.functional.conv1d, 4: nn.functional.conv2d, 5: nn.functional.conv3d}[weight.dim()]
    return conv(x, weight, *arguments)


_SAME: Mapping[str, Callable[..., Any]] = {
    "aten._convolution.default": _convolution,
    "aten._convolution_mode.default": _convolution_mode,
}
"""What tracing records under names of its own: with flags for the GPU at the end, and with padding in words."""


def _identity(value: Tensor) -> tuple[Any, ...]:
    return value.data_ptr(), value.shape, value.stride(), value.dtype


@contextmanager
def _quiet() -> Iterator[None]:
    """torch warns that TorchScript is old, and of what tracing fixes; what is fixed wrongly is found by comparing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _line(error: Exception) -> str:
    """What torch says; where it says nothing, the line of the program that it points at."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line.removeprefix("RuntimeError:").strip() for line in lines if line.strip(" ~<-HER")]
    marked = [before for before, line in pairwise(lines) if line.endswith("<--- HERE")]
    said = (told[-1:] if told and told[-1] else marked[-1:]) or [""]
    return f"{type(error).__name__}: {said[0][:300]}".removesuffix(": ")
