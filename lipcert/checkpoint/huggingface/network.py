"""A network of transformers as one from a tensor to tensors, with all else that its forward pass takes fixed."""

import inspect
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

Outputs = Tensor | dict[str, Tensor]


class Pixels(nn.Module):
    """(batch, channels, height, width) → the outputs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Outputs:
        return _outputs(self.network(pixel_values=x, return_dict=True))


class Texts(nn.Module):
    """Token ids (batch, T) → the outputs.

    Positions count from the first token on, whatever the ids are; where tokens are of several types, all are of type 0.
    Where `pad` is given, keys of that id are masked: a text without it has a mask of ones.
    """

    def __init__(self, network: nn.Module, pad: int | None, *, typed: bool) -> None:
        super().__init__()
        self.network, self.pad = network, pad
        takes = frozenset(inspect.signature(network.forward).parameters)
        # GPT-2 takes types too, and adds the embedding of the token of that number.
        self._takes = takes if typed else takes - {"token_type_ids"}
        self.typed, self.masks = "token_type_ids" in self._takes, "attention_mask" in self._takes
        self._first = first_position(network)

    def forward(self, ids: Tensor) -> Outputs:
        given: dict[str, Tensor] = {"input_ids": ids}
        if self.pad is not None and self.masks:
            given["attention_mask"] = (ids != self.pad).long()
        if "position_ids" in self._takes:
            given["position_ids"] = torch.arange(self._first, self._first + ids.shape[1])[None]
        if self.typed:
            given["token_type_ids"] = torch.zeros_like(ids)
        return _outputs(self.network(**given, return_dict=True))


def first_position(network: nn.Module) -> int:
    """Where positions begin: behind the row for padding, where an embedding of positions has one (RoBERTa)."""
    for name, module in network.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            return 0 if module.padding_idx is None else module.padding_idx + 1
    return 0


def settle(network: nn.Module) -> None:
    """Rotary positions whose angles change with the length of the text keep those of the last one that it read."""
    for module in network.modules():
        kind = getattr(module, "rope_type", None)
        if any(each in _BY_LENGTH for each in (kind.values() if isinstance(kind, dict) else (kind,))):
            module.forward = MethodType(inspect.unwrap(type(module).forward), module)


_BY_LENGTH = ("dynamic", "longrope")


def _outputs(returned: Any) -> Outputs:
    """The one tensor of floats, or all by name."""
    found = {name: value for name, value in returned.items() if isinstance(value, Tensor) and value.is_floating_point()}
    return next(iter(found.values())) if len(found) == 1 else found
