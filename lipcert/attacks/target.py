"""What is attacked: a network as a function of what is perturbed, that counts its passes."""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from lipcert.attacks.exported import Exported
from lipcert.attacks.loss import Loss
from lipcert.errors import InputError, UnsupportedError, UsageError
from lipcert.graph.program import quiet


@dataclass
class Passes:
    """How many examples went through the network, forwards and backwards."""

    forward: int = 0
    backward: int = 0


@dataclass(frozen=True)
class Target:
    """x ↦ logits, (batch, *shape) → (batch, classes) or (batch, T, classes).

    network: called as network(x, *context); with a place, as network(*context), where x stands for what the module at
        that path returns. Any differentiable function does where there is no place.
    context: tensors with a row for each row of x: the other inputs, such as token ids or a padding mask.
    output: the key or the number of the logits where the network returns a dict or a tuple.
    """

    network: Callable[..., Any]
    context: tuple[Tensor, ...] = ()
    place: str | None = None
    output: str = ""
    passes: Passes = field(default_factory=Passes)

    def __call__(self, x: Tensor) -> Tensor:
        """The logits of a batch. Raises InputError where the network returns anything else."""
        self.passes.forward += len(x)
        return _logits(self._run(x), self.output, len(x))

    def gradient(self, x: Tensor, y: Tensor, loss: Loss) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, losses (batch,) and the losses' gradients (batch, *shape), by one pass in each direction.

        Raises UnsupportedError where the logits do not depend on x in a way that can be differentiated.
        """
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            logits = self(x)
            losses = loss(logits, y)
        ones = torch.ones_like(losses)
        gradient = torch.autograd.grad(losses, x, ones, allow_unused=True)[0] if losses.requires_grad else None
        if gradient is None:
            raise UnsupportedError(
                "the logits have no gradient with respect to what is perturbed: the network detaches, rounds or "
                "converts on the way.",
                hint="Use an attack without gradients, such as square, or a differentiable form of the network.",
            )
        self.passes.backward += len(x)
        return logits.detach(), losses.detach(), gradient

    def select(self, rows: Tensor) -> "Target":
        """The same network for some rows; numbers of rows may repeat. Passes are counted together."""
        return replace(self, context=tuple(value[rows] for value in self.context)) if self.context else self

    def double(self) -> "Target":
        """A copy in float64, with a count of its own."""
        with quiet():
            network = copy.deepcopy(self.network).double() if isinstance(self.network, nn.Module) else self.network
        context = tuple(value.double() if value.is_floating_point() else value for value in self.context)
        return replace(self, network=network, context=context, passes=Passes())

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Every module in eval mode and no parameter with a gradient; afterwards each as it was before."""
        modules = list(self.network.modules()) if isinstance(self.network, nn.Module) else []
        modes = [module.training for module in modules]
        parameters = [(p, p.requires_grad) for module in modules for p in module.parameters(recurse=False)]
        try:
            for module in modules:
                module.training = False
            for parameter, _ in parameters:
                parameter.requires_grad_(False)
            yield
        finally:
            for module, mode in zip(modules, modes, strict=True):
                module.training = mode
            for parameter, wanted in parameters:
                parameter.requires_grad_(wanted)

    def weights(self) -> dict[str, Tensor]:
        """Parameters and buffers by name; none of a plain function."""
        return self.network.state_dict(keep_vars=True) if isinstance(self.network, nn.Module) else {}

    def _run(self, x: Tensor) -> Any:
        if self.place is None:
            return self.network(x, *self.context)
        if isinstance(self.network, Exported):
            return self.network(*self.context, value=x)
        assert isinstance(self.network, nn.Module)  # only `embedding` makes a place
        with replaced(self.network.get_submodule(self.place), x):
            return self.network(*self.context)


@contextmanager
def replaced(module: nn.Module, value: Tensor) -> Iterator[None]:
    """Within this, the module returns `value`."""
    handle = module.register_forward_hook(lambda *_: value)
    try:
        yield
    finally:
        handle.remove()


def _logits(returned: Any, output: str, batch: int) -> Tensor:
    """The tensor of logits in what a network returned."""
    value = _entry(returned, output) if output else returned
    if not isinstance(value, Tensor):
        raise InputError(
            f"the network returns {_describe(value)}; one tensor of logits is needed.",
            hint="Name the entry that holds them: output = 'logits', or a number such as output = '0'.",
        )
    if value.dim() not in (2, 3) or value.shape[0] != batch or value.shape[-1] < 2 or not value.is_floating_point():
        raise InputError(
            f"the network returns {value.dtype} of shape {tuple(value.shape)} for {batch} examples; logits of shape "
            "(batch, classes) or (batch, positions, classes) with two classes at least are needed.",
            hint="Wrap the network so that it returns its logits.",
        )
    return value


def _entry(returned: Any, output: str) -> Any:
    try:
        return returned[output] if isinstance(returned, Mapping) else returned[int(output)]
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise UsageError(
            f"the network's output has no entry {output!r}: it returns {_describe(returned)}.",
            hint="Name one of its keys, or the number of one of its entries.",
        ) from error


def _describe(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"a dict with the keys {', '.join(map(str, value))}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}: {', '.join(type(each).__name__ for each in value)}"
    return f"a {type(value).__name__}"
