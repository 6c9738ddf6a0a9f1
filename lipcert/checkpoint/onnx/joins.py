"""Several steps that exporters write for one operation of torch, put together again: what is bounded better as one."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from lipcert.checkpoint.onnx.ops.call import Step

Steps = Mapping[str, Step]
"""The name of a value → the step that computes it."""


def joined(steps: Sequence[Step], constants: Mapping[str, Tensor], outputs: Sequence[str]) -> list[Step]:
    """The same steps, the last of several that are one operation replaced by that one; the others may then be unused.

    outputs: of the network, which stay what they are.
    """
    made = {name: step for step in steps for name in step.outputs}
    uses = Counter([name for step in steps for name in step.inputs if name is not None] + list(outputs))
    return [_safe_softmax(step, made, constants) or _linear(step, made, constants, uses) or step for step in steps]


def _safe_softmax(step: Step, made: Steps, constants: Mapping[str, Tensor]) -> Step | None:
    """0 where a softmax is no number, as torch's attention has it for a query that may attend to nothing."""
    if step.call.op != "Where":
        return None
    condition, other, value = step.inputs
    test, softmax = (made.get(name) if name else None for name in (condition, value))
    if test is None or softmax is None or test.call.op != "IsNaN" or softmax.call.op != "Softmax":
        return None
    zero = constants.get(other) if other else None
    if test.inputs != (value,) or zero is None or zero.numel() != 1 or bool(zero.any()):
        return None
    call = replace(softmax.call, attributes={**softmax.call.attributes, "safe": 1})
    return replace(step, call=call, inputs=softmax.inputs)


def _linear(step: Step, made: Steps, constants: Mapping[str, Tensor], uses: Mapping[str, int]) -> Step | None:
    """A product with a matrix of weights, and the bias that is added to it."""
    if step.call.op != "Add" or None in step.inputs:
        return None
    for product, bias in (step.inputs, step.inputs[::-1]):
        before = made.get(str(product))
        if before is None or before.call.op != "MatMul" or uses[str(product)] != 1:
            continue
        weight, added = (constants.get(str(name)) for name in (before.inputs[1], bias))
        if weight is not None and added is not None and weight.dim() == 2 and added.shape == weight.shape[1:]:
            return replace(before, inputs=(*before.inputs, bias), outputs=step.outputs)
    return None
