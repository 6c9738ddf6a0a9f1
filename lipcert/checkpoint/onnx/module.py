"""An ONNX graph as a module of torch: its weights under their names, its nodes as places."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lipcert.checkpoint.onnx.plan import Plan, compute, with_dtype
from lipcert.checkpoint.tree import Tree


class OnnxModule(Tree):
    """One output, or a dict of several by their names.

    A cast to a float type is to that of a buffer, which `.double()` widens together with the weights.
    """

    def __init__(self, plan: Plan, batched: Sequence[bool]) -> None:
        super().__init__()
        self._plan, self._batched = plan, tuple(batched)
        self._held: dict[str, str] = {}
        self._places: list[str] = []
        types = {step.call.dtype for step in plan.steps if step.call.dtype and step.call.dtype.is_floating_point}
        self._kinds = {dtype: f"%{str(dtype).removeprefix('torch.')}" for dtype in types}
        for dtype, name in self._kinds.items():
            self.register_buffer(name, torch.zeros((), dtype=dtype), persistent=False)
        self._held |= {name: self.hold(name, x, weight=_is_weight(x)) for name, x in plan.constants.items()}
        self._places += [self.place(step.name) for step in plan.steps]

    def example(self, *inputs: Tensor) -> list[Tensor]:
        given = [x if batched else x[0] for x, batched in zip(inputs, self._batched, strict=True)]
        values = dict(zip(self._plan.inputs, given, strict=True))
        values |= {name: self.tensor(held) for name, held in self._held.items()}
        for step, place in zip(self._plan.steps, self._places, strict=True):
            call = step.call
            if call.dtype in self._kinds:
                call = with_dtype(call, getattr(self, self._kinds[call.dtype]).dtype)
            made = self.get_submodule(place)(compute, step, values, call)
            values |= dict(zip(step.outputs, made, strict=False))
        return [values[name] for name in self._plan.outputs]

    def _joined(self, outputs: Sequence[Tensor]) -> Any:
        return outputs[0] if len(outputs) == 1 else dict(zip(self._plan.outputs, outputs, strict=True))


def _is_weight(value: Tensor) -> bool:
    """Whether it may be called a parameter: an infinite constant is a mask."""
    return value.is_floating_point() and not bool((value == -torch.inf).any())
