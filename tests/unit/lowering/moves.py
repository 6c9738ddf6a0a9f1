"""What moves, repeats, drops, replaces or makes entries."""

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.unit.lowering.inputs import CHANNELS, INTEGERS, MASK, VECTOR, Function, aten, line, space


def set_channel(x: Tensor) -> Tensor:
    y = x.clone()
    y[:, 0] = 5.0
    return y


def set_channel_from_another(x: Tensor) -> Tensor:
    y = x.clone()
    y[:, 0] = x[:, 1]
    return y


def set_channels_of_constant(x: Tensor) -> Tensor:
    y = CHANNELS.expand(1, 4, 6, 6).clone()
    y[:, 1:3] = x[:, :2]
    return y


def change_in_place(x: Tensor) -> Tensor:
    y = x.clone()
    y[:, 0].add_(1).mul_(2)
    return y.relu_() + y


MOVES: list[tuple[str, Function]] = [
    ("aten.view.default", lambda x: x.reshape(6, -1)),
    ("aten._unsafe_view.default", lambda x: x.permute(0, 2, 3, 1).flatten(1)),
    ("aten.view.default", lambda x: x.unflatten(1, (2, -1))),
    ("aten.squeeze.default", lambda x: x[:, :1].squeeze()),
    ("aten.squeeze.dim", lambda x: x.squeeze(0).relu()),
    ("aten.squeeze.dims", lambda x: x[:, :1].squeeze((0, 1))),
    ("aten.unsqueeze.default", lambda x: x.unsqueeze(-1)),
    ("aten.clone.default", lambda x: x.mT.contiguous()),
    ("aten.clone.default", lambda x: F.dropout(x, 0.5, training=False) + F.dropout2d(x, training=False)),
    ("aten.clone.default", change_in_place),
    ("aten.alias.default", lambda x: aten.alias.default(x) + 1),
    ("aten.detach.default", lambda x: x.detach() + 1),
    ("aten._to_copy.default", lambda x: x.to(torch.float32).double()),
    ("aten.type_as.default", lambda x: MASK.type_as(x) * x.type_as(VECTOR)),
    ("aten.permute.default", lambda x: x.permute(0, -1, 1, 2)),
    ("aten.permute.default", lambda x: x.movedim(1, -1)),
    ("aten.permute.default", lambda x: x.permute(3, 2, 0, 1)),
    ("aten.transpose.int", lambda x: x.transpose(0, -1)),
    ("aten.t.default", lambda x: x.flatten(1).t()),
    ("aten.expand.default", lambda x: x[:, :1].expand(3, 4, -1, 6)),
    ("aten.repeat.default", lambda x: x.repeat(2, 1, 2, 1)),
    ("aten.repeat_interleave.self_int", lambda x: x.repeat_interleave(2, -1)),
    ("aten.tile.default", lambda x: x.tile(2, 1)),
    ("aten.slice.Tensor", lambda x: x[:, 1:3, ::2, -2:]),
    ("aten.slice.Tensor", lambda x: x.narrow(1, 1, 2)),
    ("aten.slice.Tensor", lambda x: x.tensor_split(3, 1)[0]),
    ("aten.select.int", lambda x: x[:, -1]),
    ("aten.index.Tensor", lambda x: x[:, [0, 2, 2]]),
    ("aten.index.Tensor", lambda x: x[:, torch.tensor([0, 1]), :, torch.tensor([[3], [2]])]),
    ("aten.index_select.default", lambda x: x.index_select(1, torch.tensor([2, 0]))),
    ("aten.roll.default", lambda x: x.roll((1, -2), (2, 3))),
    ("aten.flip.default", lambda x: x.flip(2)),
    ("aten.cat.default", lambda x: torch.cat([x, 2 * x, CHANNELS.expand(1, 4, 6, 6), x], 1)),
    ("aten.cat.default", lambda x: torch.cat([x[0, 0, 0], INTEGERS, MASK[0]])),
    ("aten.stack.default", lambda x: torch.stack([x, x], -1)),
    ("aten.hstack.default", lambda x: torch.hstack([x, x])),
    ("aten.vstack.default", lambda x: torch.vstack([x, x])),
    ("aten.split.Tensor", lambda x: x.split(3, 1)[1]),
    ("aten.split.Tensor", lambda x: x.chunk(3, -1)[-1]),
    ("aten.split_with_sizes.default", lambda x: x.split([1, 3], 1)[1]),
    ("aten.unbind.int", lambda x: x.unbind(1)[2]),
    ("aten.pixel_shuffle.default", lambda x: F.pixel_shuffle(x, 2)),
    ("aten.pixel_unshuffle.default", lambda x: F.pixel_unshuffle(x, 3)),
    ("aten.channel_shuffle.default", lambda x: F.channel_shuffle(x, 2)),
    ("aten.tril.default", lambda x: x.tril(-1)),
    ("aten.triu.default", lambda x: x.triu(1)),
    ("aten.diagonal.default", lambda x: x.diagonal(1, 2, 3)),
    ("aten.select_scatter.default", set_channel),
    ("aten.slice_scatter.default", set_channels_of_constant),
    ("aten.copy.default", set_channel_from_another),
    ("aten.fill.Scalar", lambda x: x.clone().fill_(2.0) + x),
    ("aten.fill.Tensor", lambda x: aten.fill.Tensor(x, x.mean()) + set_channel(x)),
    ("aten.masked_fill.Scalar", lambda x: x.masked_fill(MASK, 2.0)),
    ("aten.masked_fill.Tensor", lambda x: x.masked_fill(MASK, torch.tensor(3))),
    ("aten.where.self", lambda x: torch.where(MASK, x, INTEGERS)),
    ("aten.where.self", lambda x: torch.where(MASK, VECTOR, x[0, 0])),
    ("aten.where.ScalarOther", lambda x: torch.where(MASK, x, 1)),
    ("aten.where.ScalarSelf", lambda x: torch.where(MASK, 0.5, x)),
    ("aten.pad.default", lambda x: F.pad(x, (1, 2, -1, 0), value=3.0)),
    ("aten.pad.default", lambda x: F.pad(x, (1, 2, 1, 0), mode="reflect")),
    ("aten.pad.default", lambda x: F.pad(x, (1, 2, 1, 0), mode="replicate")),
    ("aten.pad.default", lambda x: F.pad(x, (1, 2, 1, 0), mode="circular")),
    ("aten.constant_pad_nd.default", lambda x: aten.constant_pad_nd.default(x, [1, -1], 2)),
    ("aten.upsample_nearest1d.vec", lambda x: F.interpolate(line(x), scale_factor=1.5)),
    ("aten.upsample_nearest2d.vec", lambda x: F.interpolate(x, size=(9, 4))),
    ("aten.upsample_nearest3d.vec", lambda x: F.interpolate(space(x), scale_factor=2)),
    ("aten._upsample_nearest_exact1d.vec", lambda x: F.interpolate(line(x), 8, mode="nearest-exact")),
    ("aten._upsample_nearest_exact2d.vec", lambda x: F.interpolate(x, 8, mode="nearest-exact")),
    ("aten._upsample_nearest_exact3d.vec", lambda x: F.interpolate(space(x), 8, mode="nearest-exact")),
    ("aten.im2col.default", lambda x: F.unfold(x, (2, 3), 1, 1, 2)),
    ("aten.unfold.default", lambda x: x.unfold(2, 3, 2)),
    ("aten.zero.default", lambda x: x + x.clone().zero_()),
    ("aten.zeros_like.default", lambda x: x + torch.zeros_like(x)),
    ("aten.ones_like.default", lambda x: x * torch.ones_like(x, dtype=torch.int64)),
    ("aten.full_like.default", lambda x: x * torch.full_like(x, 3.0)),
    ("aten.new_zeros.default", lambda x: torch.cat([x, x.new_zeros(1, 2, 6, 6)], 1)),
    ("aten.new_ones.default", lambda x: x + x.new_ones(6)),
    ("aten.new_full.default", lambda x: x + x.new_full((6, 1), 4)),
]  # fmt: skip
