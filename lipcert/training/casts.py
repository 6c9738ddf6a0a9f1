"""What is left of a network when its weights and activations are rounded to fewer bits."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipcert.store.table import Column
from lipcert.training.observe import OnAttention, evaluating
from lipcert.training.tasks import Batch

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float8_e4m3fn": torch.float8_e4m3fn}
COLUMNS = (Column("precision", "text"), Column("loss", "float"), Column("accuracy", "float"))


@dataclass(frozen=True)
class Cast:
    """loss, accuracy: of the network rounded to `precision`, over all predictions."""

    precision: str
    loss: float
    accuracy: float


def casts(
    model: nn.Module,
    batches: Iterable[Batch],
    loss: Callable[[Tensor, Tensor], Tensor],
    right: Callable[[Tensor, Tensor], tuple[int, int]],
) -> list[Cast]:
    """Loss and accuracy over the batches in every precision of `PRECISIONS`, in evaluation mode, on the model's device.

    Rounded to nearest are all parameters, what every module without modules reads and returns, and the queries,
    keys, values and the output of `F.scaled_dot_product_attention`. There is no scaling: what is beyond the largest
    number of the type becomes that number. In between, arithmetic is the model's own, float32. The model is left as
    it was.

    loss(logits, y): the mean over the predictions of a batch; right(logits, y): how many are right, and of how many.
    """
    device = next(model.parameters()).device
    sums = {name: torch.zeros(3, dtype=torch.float64) for name in PRECISIONS}
    weights = {name: _weights(model, dtype) for name, dtype in PRECISIONS.items()}
    with evaluating(model):
        for batch in batches:
            x, y = batch.x.to(device), batch.y.to(device)
            for name, dtype in PRECISIONS.items():
                with _rounding(model, dtype):
                    logits = torch.func.functional_call(model, weights[name], (x,))
                hits, of = right(logits, y)
                sums[name] += torch.tensor([float(loss(logits, y)) * of, hits, of], dtype=torch.float64)
    return [Cast(name, *(total[:2] / total[2]).tolist()) for name, total in sums.items()]


def rows(found: Sequence[Cast]) -> list[dict[str, Any]]:
    """For the table `casts`."""
    return [dict(vars(each)) for each in found]


def rounded(x: Tensor, dtype: torch.dtype) -> Tensor:
    """To the nearest number of `dtype`, the largest for what is beyond it, in the type of `x`; NaN stays."""
    if dtype.itemsize >= x.dtype.itemsize:
        return x
    # Clamped first: what the cast itself makes of larger numbers differs between types and versions of torch.
    largest = torch.finfo(dtype).max
    return x.clamp(-largest, largest).to(dtype).to(x.dtype)


def _any_rounded(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, tuple):
        return tuple(_any_rounded(each, dtype) for each in value)
    return rounded(value, dtype) if isinstance(value, Tensor) and value.is_floating_point() else value


def _weights(model: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
    return {name: rounded(parameter.detach(), dtype) for name, parameter in model.named_parameters()}


@contextmanager
def _rounding(model: nn.Module, dtype: torch.dtype) -> Iterator[None]:
    def attention(query: Tensor, key: Tensor, value: Tensor, *rest: Any, **named: Any) -> Tensor:
        q, k, v = (rounded(each, dtype) for each in (query, key, value))
        return rounded(F.scaled_dot_product_attention(q, k, v, *rest, **named), dtype)

    with ExitStack() as stack:
        for module in (each for each in model.modules() if not any(each.children())):
            reads = module.register_forward_pre_hook(lambda _, inputs: _any_rounded(inputs, dtype))
            returns = module.register_forward_hook(lambda _, __, output: _any_rounded(output, dtype))
            stack.callback(reads.remove)
            stack.callback(returns.remove)
        stack.enter_context(OnAttention(attention))
        yield
