"""How large the numbers inside a network are, and how many of them fit the eight bits of e4m3."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from lipcert.store.table import Column

LOGITS = "logits"
COLUMNS = (Column("step", "int"), Column("path", "text"), Column("largest", "float"), Column("fp8_share", "float"))

# e4m3fn: the largest number is 448, and what is nearer to it than to the 480 that would follow is rounded to it; the
# smallest above 0 is 2^-9, and its half is rounded to the even 0. What casts do beyond differs between versions of
# torch: NaN or 448. So the limits are stated and no cast is asked.
_FP8_LARGEST, _FP8_ZERO = 464.0, 2.0**-10


@dataclass(frozen=True)
class Activation:
    """path: of the module that returned it, "" for the network itself; attention's logits have `.logits` behind it.

    largest: absolute entry, infinite where one is NaN. fp8_share: how many of the entries `fits_fp8`.
    """

    path: str
    largest: float
    fp8_share: float


def observe(model: nn.Module, x: Tensor) -> list[Activation]:
    """What modules return on the batch `x`, in evaluation mode; the model and its modes are left as they were.

    Of every module, leaf or not: the output of a block is the residual stream. Left out is what the module only
    handed on from one inside it or from its input, and integers. A module that is called several times is one line.
    Attention's logits are those of `F.scaled_dot_product_attention`, before its softmax and in float32, of the pairs
    of tokens that its mask allows.
    """
    seen = _Seen()
    with evaluating(model), _hooked(model, seen), OnAttention(seen.attention):
        model(x)
    return [Activation(path, each.largest, each.fits / each.entries) for path, each in seen.found.items()]


def fits_fp8(x: Float[Tensor, "..."]) -> Bool[Tensor, "..."]:
    """Which entries fit float8_e4m3fn without scaling: rounded to nearest, without saturation, they are finite, and
    they are 0 only if they were: 0 and 2^-10 < |x| <= 464.
    """
    size = x.abs()
    return ((size > _FP8_ZERO) & (size <= _FP8_LARGEST)) | (size == 0)


def rows(step: int, activations: Sequence[Activation]) -> list[dict[str, Any]]:
    """For the table `activations`."""
    return [{"step": step, **vars(each)} for each in activations]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients; afterwards every module is in the mode that it was in."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


class OnAttention(TorchFunctionMode):
    """Within this, `act` is called in place of `F.scaled_dot_product_attention`, with its arguments."""

    def __init__(self, act: Callable[..., Tensor]) -> None:
        super().__init__()
        self._act = act

    def __torch_function__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        attention = function is F.scaled_dot_product_attention
        return (self._act if attention else function)(*args, **(kwargs or {}))


@dataclass
class _Sizes:
    largest: float = 0.0
    fits: int = 0
    entries: int = 0

    def add(self, x: Tensor) -> None:
        self.largest = max(self.largest, float(x.abs().nan_to_num(nan=torch.inf, posinf=torch.inf).max()))
        self.fits += int(fits_fp8(x).sum())
        self.entries += x.numel()


@dataclass
class _Seen:
    """found: by path, in the order of the outputs. running: the modules that are being called, innermost last.

    inside: for each of them, what it was given and what those inside it returned.
    """

    found: dict[str, _Sizes] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)
    inside: list[list[Tensor]] = field(default_factory=list)

    def enter(self, path: str, inputs: tuple[Any, ...]) -> None:
        self.running.append(path)
        self.inside.append([each for each in inputs if isinstance(each, Tensor)])

    def leave(self, output: Any) -> None:
        path, handed_on = self.running.pop(), self.inside.pop()
        outputs = output if isinstance(output, tuple | list) else [output]
        for x in (each for each in outputs if isinstance(each, Tensor)):
            if not any(x is each for each in handed_on):
                self.measure(path, x)
            if self.inside:
                self.inside[-1].append(x)

    def measure(self, path: str, x: Tensor) -> None:
        if x.is_floating_point() and x.numel():
            self.found.setdefault(path, _Sizes()).add(x)

    def attention(self, *args: Any, **kwargs: Any) -> Tensor:
        path = f"{self.running[-1]}.{LOGITS}".removeprefix(".")
        for x in _logits(*args, **kwargs):
            self.measure(path, x)
        return F.scaled_dot_product_attention(*args, **kwargs)


def _logits(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Iterator[Tensor]:
    """The logits of the allowed pairs, (pairs,) for each example: at once they are (batch, heads, tokens, tokens).

    The arguments are those of `F.scaled_dot_product_attention`.
    """
    if query.ndim == 2:
        query, key = query[None], key[None]
    tokens, others = query.shape[-2], key.shape[-2]
    allowed = torch.ones(tokens, others, dtype=torch.bool, device=query.device)
    mask = allowed.tril() if is_causal else allowed if attn_mask is None else attn_mask
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    masks = mask.expand(*query.shape[:-1], others)
    for q, k, each in zip(query.float(), key.expand(*query.shape[:-2], -1, -1).float(), masks, strict=True):
        logits = factor * q @ k.transpose(-2, -1)
        yield logits[each] if each.dtype == torch.bool else (logits + each)[each > -torch.inf]


@contextmanager
def _hooked(model: nn.Module, seen: _Seen) -> Iterator[None]:
    with ExitStack() as stack:
        for path, module in model.named_modules():
            before = module.register_forward_pre_hook(lambda _, inputs, path=path: seen.enter(path, inputs))
            after = module.register_forward_hook(lambda _, __, output: seen.leave(output))
            stack.callback(before.remove)
            stack.callback(after.remove)
        yield
