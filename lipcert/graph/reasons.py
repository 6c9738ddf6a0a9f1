"""Why a module cannot be bounded: all that can be seen of its parts, and of what it does on the example inputs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from lipcert.checkpoint import memory, weights

Reasons = dict[str, list[str]]
"""In words → the modules."""

_TOP = "(top level)"
_RECURRENT = "recurrent: an LSTM, GRU or RNN has no rule"
_STATISTICS = "batch statistics: the output of one example depends on the others"
_LOOKS = "control flow or shapes that depend on data: it looks at values while it runs"
_RANDOM = "it is random: dropout that is on, or a draw of its own"
_COMPLEX = "complex numbers"
_QUANTISED = "quantised: it rounds, so it has no Lipschitz constant"
_CUSTOM = "a torch.autograd.Function of its own, and torch.export sees only what is computed in torch"
_NORMS = ("aten.native_batch_norm", "aten._native_batch_norm_legit", "aten._batch_norm_with_update")


def parts(module: nn.Module) -> Reasons:
    """What the kinds of the parts say, whether or not they are used."""
    found: Reasons = {}
    for path, part in module.named_modules():
        for reason in _of_part(part):
            found.setdefault(reason, []).append(path or _TOP)
    return found


def all_of(module: nn.Module, inputs: tuple[Tensor, ...]) -> Reasons:
    """Those, and what a run on the example inputs shows, of a copy of its state: modules may write on their weights."""
    found = parts(module)
    watch = _Watch(found)
    try:
        with torch.enable_grad(), _places(module, watch), watch:
            torch.func.functional_call(module, _copied(module), tuple(_traced(x) for x in inputs))
    except Exception:  # noqa: BLE001 - the run is for what comes before it fails, and torch.export says why it does
        pass
    return {reason: list(dict.fromkeys(paths)) for reason, paths in found.items()}


def _copied(module: nn.Module) -> dict[str, Tensor]:
    """Raises ResourceError where there is no room for another set of weights."""
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    memory.require(sum(value.nbytes for value in state.values()), "looking at what the network does")
    return {name: value.detach().clone().requires_grad_(value.requires_grad) for name, value in state.items()}


def lines(found: Mapping[str, list[str]]) -> list[str]:
    """As they stand in a message."""
    return [f"  {reason}\n    at {some(list(dict.fromkeys(paths)))}" for reason, paths in found.items()]


def some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _traced(x: Tensor) -> Tensor:
    """A copy whose history tells which functions made what."""
    return (x.clone().requires_grad_() if x.is_floating_point() else x.clone()) * 1


def _of_part(part: nn.Module) -> Iterator[str]:
    if isinstance(part, nn.RNNBase | nn.RNNCellBase):
        yield _RECURRENT
    if isinstance(part, nn.modules.batchnorm._NormBase) and not part.track_running_stats and _is_batch(part):
        yield _STATISTICS
    tensors = [*part.parameters(recurse=False), *part.buffers(recurse=False)]
    if "quantized" in type(part).__module__ or any(t.is_quantized for t in tensors):
        yield _QUANTISED
    if any(t.is_complex() for t in tensors):
        yield _COMPLEX
    else_wrong = [weights.not_dense(t) for t in tensors if not (t.is_quantized or t.is_complex())]
    yield from (f"a weight that {reason}" for reason in else_wrong if reason)


def _is_batch(part: nn.Module) -> bool:
    """Instance norm shares its class with batch norm, and looks at one example."""
    return not isinstance(part, nn.modules.instancenorm._InstanceNorm)


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes operations that nothing can be proved of, with the module that each is called in."""

    def __init__(self, found: Reasons) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found, self.stack = found, [""]

    def note(self, reason: str) -> None:
        self.found.setdefault(reason, []).append(self.stack[-1] or _TOP)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tags = set(getattr(func, "tags", ()))
        if tags & {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}:
            self.note(_LOOKS)
        if torch.Tag.nondeterministic_seeded in tags:
            self.note(_RANDOM)
        if str(func).startswith(_NORMS) and _trains(args):
            self.note(_STATISTICS)
        made = func(*args, **(kwargs or {}))
        if any(isinstance(y, Tensor) and y.is_complex() for y in pytree.tree_leaves(made)):
            self.note(_COMPLEX)
        return made


def _trains(args: tuple[Any, ...]) -> bool:
    """The flag behind input, weight, bias and, where they are given, running mean and variance."""
    return next((flag for flag in args[3:] if isinstance(flag, bool)), False)


@contextmanager
def _places(module: nn.Module, watch: _Watch) -> Iterator[None]:
    """Keeps the path of the module that is running on top of the stack."""
    hooks, seen = [], set[Any]()

    def enter(path: str) -> Any:
        return lambda *_: watch.stack.append(path)

    def leave(_: nn.Module, __: Any, made: Any) -> None:
        functions = _own_functions(made, seen)
        for name in functions:
            watch.note(f"{name}: {_CUSTOM}")
        watch.stack.pop()

    try:
        for path, part in module.named_modules():
            hooks += [part.register_forward_pre_hook(enter(path)), part.register_forward_hook(leave)]
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _own_functions(made: Any, seen: set[Any]) -> list[str]:
    """Classes of torch.autograd.Function that a value was made by, since what was seen before."""
    waiting: list[Any] = [
        y.grad_fn for y in pytree.tree_leaves(made) if isinstance(y, Tensor) and y.grad_fn is not None
    ]
    found = []
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            found.append(type(node).__name__.removesuffix("Backward"))
        waiting += [before for before, _ in node.next_functions if before is not None]
    return found
