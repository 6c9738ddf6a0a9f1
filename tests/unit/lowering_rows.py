"""One small function or more for each exported operation that lipcert lowers, odd spellings included.

Every function takes one float64 tensor of shape (1, 4, 6, 6) and uses the operation named with it.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Function = Callable[[Tensor], Tensor]
SHAPE = (1, 4, 6, 6)

aten = torch.ops.aten
convolution = torch.ops.aten.convolution.default
attention = F.scaled_dot_product_attention
_generator = torch.Generator().manual_seed(0)


def normal(*shape: int) -> Tensor:
    """Weights, the same ones every time."""
    return torch.randn(shape, generator=_generator, dtype=torch.float64)


def positive(x: Tensor) -> Tensor:
    return x.abs() + 0.1


MATRIX, SQUARE, VECTOR, CHANNELS = normal(3, 6), normal(6, 6), normal(6), normal(4, 1, 1)
WIDE, CUBE, POINT = normal(2, 144), normal(6, 6, 2), normal(3, 2, 1, 1)
SCALES, SHIFTS, MEANS, VARIANCES = normal(4), normal(4), normal(4), normal(4).abs() + 0.5
MASK = torch.eye(6) > 0
INFINITE = torch.zeros(6, 6, dtype=torch.float64).masked_fill(torch.ones(6, 6).triu(2) > 0, -torch.inf)
INTEGERS = torch.tensor([1, 2, 3, 4, 5, 6])
LINE1, LINE2, LINE3 = normal(2, 4, 3), normal(2, 4, 3, 3), normal(2, 4, 1, 3, 3)
GROUPED, EVEN = normal(6, 2, 3, 2), normal(2, 4, 2, 4)
BACK1, BACK2, BACK3 = normal(4, 2, 3), normal(4, 2, 3, 3), normal(4, 2, 1, 3, 3)


def line(x: Tensor) -> Tensor:
    """One spatial axis: (1, 4, 6)."""
    return x.select(2, 0)


def space(x: Tensor) -> Tensor:
    """Three spatial axes: (1, 4, 1, 6, 6)."""
    return x.unsqueeze(2)


def batch_norm(x: Tensor) -> Tensor:
    return F.batch_norm(x, MEANS, VARIANCES, SCALES, SHIFTS, eps=1e-3)


def two_items(x: Tensor) -> Tensor:
    """The batch axis holds half of the channels, as after a reshape inside a network."""
    return x.reshape(2, 2, 6, 6)


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


PRODUCTS: list[tuple[str, Function]] = [
    ("aten.linear.default", nn.Linear(6, 3).double()),
    ("aten.linear.default", lambda x: F.linear(x, MATRIX)),
    ("aten.linear.default", lambda x: F.linear(x, VECTOR, torch.tensor(2.0, dtype=torch.float64))),
    ("aten.linear.default", lambda x: F.linear(x.squeeze(0).flatten(), WIDE)),
    ("aten.addmm.default", lambda x: torch.addmm(MATRIX[:, 0], x[0, 0], MATRIX.T)),
    ("aten.mm.default", lambda x: torch.mm(x[0, 0], SQUARE)),
    ("aten.mm.default", lambda x: torch.mm(SQUARE, x[0, 0])),
    ("aten.bmm.default", lambda x: torch.bmm(x[0], x[0].mT)),
    ("aten.matmul.default", lambda x: x @ MATRIX.T),
    ("aten.matmul.default", lambda x: MATRIX @ x),
    ("aten.matmul.default", lambda x: x @ VECTOR),
    ("aten.matmul.default", lambda x: x[0, 0, 0] @ VECTOR),
    ("aten.mv.default", lambda x: torch.mv(x[0, 0], VECTOR)),
    ("aten.matmul.default", lambda x: x @ x[0, 1]),
    ("aten.matmul.default", lambda x: x[:, :1] @ x),
    ("aten.einsum.default", lambda x: torch.einsum("bchw,ow->boch", x, MATRIX)),
    ("aten.einsum.default", lambda x: torch.einsum(" hi , bchw -> wcib", SQUARE, x)),
    ("aten.einsum.default", lambda x: torch.einsum("bchw,whk->bck", x, CUBE)),
    ("aten.einsum.default", lambda x: torch.einsum("bchw,bchw->", x, CHANNELS.expand(1, 4, 6, 6))),
    ("aten.einsum.default", lambda x: torch.einsum("bchw,bdwh->bcd", x, x)),
    ("aten.einsum.default", lambda x: torch.einsum("bchw,bcwk->kbhc", x, x.relu())),
    ("aten.einsum.default", lambda x: torch.einsum("ij,kj->ik", x[0, 0], x[0, 1])),
    ("aten.einsum.default", lambda x: torch.einsum("ij,ij->", x[0, 0], x[0, 1])),
    ("aten.einsum.default", lambda x: torch.einsum("i,j->ij", x[0, 0, 0], x[0, 1, 0])),
    ("aten.baddbmm.default", lambda x: torch.baddbmm(SQUARE, x[0], x[0].mT, beta=-0.5, alpha=2)),
    ("aten.baddbmm.default", lambda x: torch.baddbmm(x[0], x[0], x[0].mT, alpha=0.25)),
    ("aten.baddbmm.default", lambda x: torch.baddbmm(x[0], x[0], x[0].mT, beta=0)),
    ("aten.baddbmm.default", lambda x: torch.baddbmm(INFINITE, x[0], x[0]).softmax(-1)),
    ("aten.scaled_dot_product_attention.default", lambda x: attention(x, x[:, :1], x.mT)),
    ("aten.scaled_dot_product_attention.default", lambda x: attention(x[0, 0], x[0, 1], x[0, 2], INFINITE)),
    ("aten.scaled_dot_product_attention.default", lambda x: attention(x, x[:, :2], x[:, 2:], enable_gqa=True)),
    ("aten.scaled_dot_product_attention.default", lambda x: attention(x[..., :2], x[..., 2:4], x, is_causal=True)),
    ("aten.scaled_dot_product_attention.default", lambda x: attention(SQUARE, x, SQUARE, SQUARE > -1, scale=-0.3)),
]

CONVOLUTIONS: list[tuple[str, Function]] = [
    ("aten.conv1d.default", lambda x: F.conv1d(line(x), LINE1, stride=2, padding=1)),
    ("aten.conv1d.default", lambda x: F.conv1d(line(x).squeeze(0), LINE1)),
    ("aten.conv1d.padding", lambda x: F.conv1d(line(x), LINE1, padding="same", dilation=2)),
    ("aten.conv2d.default", nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 0), (1, 2), groups=2).double()),
    ("aten.conv2d.default", lambda x: F.conv2d(x.squeeze(0), LINE2, None, 1, 2)),
    ("aten.conv2d.default", lambda x: F.conv2d(two_items(x), POINT)),
    ("aten.conv2d.default", nn.Conv2d(4, 2, 3, padding=1, padding_mode="circular").double()),
    ("aten.conv2d.padding", lambda x: F.conv2d(x, GROUPED[:, :, :1], SCALES[:1].expand(6), padding="valid", groups=2)),
    ("aten.conv2d.padding", lambda x: F.conv2d(x, EVEN, padding="same")),
    ("aten.conv2d.padding", lambda x: F.conv2d(x, GROUPED, padding="same", groups=2, dilation=(2, 1))),
    ("aten.conv3d.default", lambda x: F.conv3d(space(x), LINE3, padding=(1, 0, 1))),
    ("aten.conv3d.padding", lambda x: F.conv3d(space(x), LINE3, padding="same")),
    ("aten.conv_transpose1d.default", lambda x: F.conv_transpose1d(line(x), BACK1, stride=3)),
    ("aten.conv_transpose2d.input", nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2, dilation=2).double()),
    ("aten.conv_transpose2d.input", lambda x: F.conv_transpose2d(x.squeeze(0), BACK2, stride=(2, 1))),
    ("aten.conv_transpose3d.input", lambda x: F.conv_transpose3d(space(x), BACK3, padding=(0, 1, 1))),
    ("aten.convolution.default", lambda x: convolution(x, LINE2, SHIFTS[:2], [2, 1], [0, 1], [1, 1], 0, [0, 0], 1)),
    ("aten.convolution.default", lambda x: convolution(x, BACK2, None, [2, 2], [1, 1], [1, 1], True, [1, 0], 1)),
]  # fmt: skip

NORMALISATIONS: list[tuple[str, Function]] = [
    ("aten._native_batch_norm_legit_no_training.default", batch_norm),
    ("aten._native_batch_norm_legit_no_training.default", lambda x: batch_norm(x[:, :, 0, 0])),
    ("aten._native_batch_norm_legit_no_training.default", lambda x: F.batch_norm(x, MEANS, VARIANCES)),
    ("getitem", batch_norm),
    ("aten.layer_norm.default", nn.LayerNorm((6, 6)).double()),
    ("aten.layer_norm.default", lambda x: F.layer_norm(x, (6,), VECTOR, None, 1e-2)),
    ("aten.native_layer_norm.default", lambda x: aten.native_layer_norm(x, [6], None, VECTOR, 1e-3)[0]),
    ("aten.rms_norm.default", nn.RMSNorm(6).double()),
    ("aten.rms_norm.default", lambda x: F.rms_norm(x, (6, 6), SQUARE, 1e-2)),
    ("aten.group_norm.default", lambda x: F.group_norm(x, 2, SCALES, SHIFTS)),
    ("aten.group_norm.default", lambda x: F.group_norm(two_items(x), 1, SCALES[:2])),
    ("aten.instance_norm.default", nn.InstanceNorm2d(4).double()),
    ("aten.instance_norm.default", lambda x: F.instance_norm(two_items(x), weight=SCALES[:2], bias=SHIFTS[:2])),
]

ARITHMETIC: list[tuple[str, Function]] = [
    ("aten.add.Tensor", lambda x: x + x),
    ("aten.add.Tensor", lambda x: 2 + torch.add(x, x, alpha=-3)),
    ("aten.add.Tensor", lambda x: torch.add(x, x, alpha=0.1)),
    ("aten.add.Tensor", lambda x: torch.add(VECTOR, x[:, :1], alpha=0.3)),
    ("aten.add.Tensor", lambda x: x[:, 0] + x[0, :1, 0, 0] + x[:, :, 0, 0].T[..., None].sum(0)),
    ("aten.add.Tensor", lambda x: x.mean() + CHANNELS),
    ("aten.add.Scalar", lambda x: aten.add.Scalar(x, 2, 3)),
    ("aten.sub.Tensor", lambda x: INTEGERS - torch.sub(x, x[:, :1], alpha=2)),
    ("aten.sub.Tensor", lambda x: x - x),
    ("aten.sub.Scalar", lambda x: aten.sub.Scalar(x, 1, 2)),
    ("aten.rsub.Scalar", lambda x: 1 - x),
    ("aten.rsub.Tensor", lambda x: torch.rsub(x, x[:, :1], alpha=2)),
    ("aten.neg.default", lambda x: -x),
    ("aten.mul.Tensor", lambda x: 3 * x * CHANNELS),
    ("aten.mul.Tensor", lambda x: x * MASK),
    ("aten.mul.Tensor", lambda x: x * x),
    ("aten.mul.Tensor", lambda x: x[:, 1] * x[:, 2, :1, 0] * x[0, 0, 0]),
    ("aten.mul.Scalar", lambda x: aten.mul.Scalar(x, 2)),
    ("aten.div.Tensor", lambda x: x / 3),
    ("aten.div.Tensor", lambda x: x[:, 0] / positive(VARIANCES)[:, None, None]),
    ("aten.div.Tensor", lambda x: CHANNELS / positive(x)),
    ("aten.div.Tensor", lambda x: x / positive(x[:, :1])),
    ("aten.div.Scalar", lambda x: aten.div.Scalar(x, 3)),
    ("aten.pow.Tensor_Scalar", lambda x: x**3 + x**2.0 + x**1),
    ("aten.pow.Tensor_Scalar", lambda x: positive(x) ** 0.5 + positive(x) ** -0.5 + positive(x) ** -1),
    ("aten.maximum.default", lambda x: torch.maximum(x, x[:, :1])),
    ("aten.maximum.default", lambda x: torch.maximum(CHANNELS, x)),
    ("aten.minimum.default", lambda x: torch.minimum(x, VECTOR)),
    ("aten.max.other", lambda x: torch.max(x, x[:, :1])),
    ("aten.min.other", lambda x: torch.min(x[:, 0], x)),
]

FUNCTIONS: list[tuple[str, Function]] = [
    ("aten.relu.default", nn.ReLU()),
    ("aten.relu6.default", lambda x: F.relu6(5 * x)),
    ("aten.leaky_relu.default", lambda x: F.leaky_relu(x) + F.leaky_relu(x, -0.3)),
    ("aten.prelu.default", nn.PReLU(init=0.2).double()),
    ("aten.prelu.default", lambda x: F.prelu(x, SCALES)),
    ("aten.prelu.default", lambda x: F.prelu(x[:, :, 0, 0], SCALES)),
    ("aten.rrelu.default", nn.RReLU(0.1, 0.4).eval()),
    ("aten.clamp.default", lambda x: x.clamp(-0.5, 1)),
    ("aten.clamp.default", lambda x: x.clamp(max=float("inf"), min=0)),
    ("aten.clamp.default", lambda x: x.clamp(None, 0.5)),
    ("aten.clamp_min.default", lambda x: torch.clamp_min(x, 0.1)),
    ("aten.clamp_max.default", lambda x: torch.clamp_max(x, 0.1)),
    ("aten.hardtanh.default", F.hardtanh),
    ("aten.hardtanh.default", lambda x: F.hardtanh(x, max_val=0.5, min_val=-2.0)),
    ("aten.abs.default", torch.abs),
    ("aten.tanh.default", torch.tanh),
    ("aten.sigmoid.default", torch.sigmoid),
    ("aten.hardsigmoid.default", F.hardsigmoid),
    ("aten.hardswish.default", F.hardswish),
    ("aten.silu.default", F.silu),
    ("aten.gelu.default", F.gelu),
    ("aten.gelu.default", lambda x: F.gelu(x, approximate="tanh")),
    ("aten.mish.default", F.mish),
    ("aten.elu.default", lambda x: F.elu(x, 0.5)),
    ("aten.celu.default", lambda x: F.celu(x, 2.0)),
    ("aten.selu.default", F.selu),
    ("aten.softplus.default", lambda x: F.softplus(x, beta=2, threshold=40)),
    ("aten.log_sigmoid.default", F.logsigmoid),
    ("aten.erf.default", torch.erf),
    ("aten.sin.default", torch.sin),
    ("aten.cos.default", torch.cos),
    ("aten.atan.default", torch.atan),
    ("aten.exp.default", torch.exp),
    ("aten.expm1.default", torch.expm1),
    ("aten.log.default", lambda x: positive(x).log()),
    ("aten.log1p.default", lambda x: positive(x).log1p()),
    ("aten.sqrt.default", lambda x: positive(x).sqrt()),
    ("aten.rsqrt.default", lambda x: positive(x).rsqrt()),
    ("aten.reciprocal.default", lambda x: 2 / positive(x)),
    ("aten.square.default", torch.square),
    ("aten.glu.default", lambda x: F.glu(x, 1) + F.glu(x, -1)[:, :2].repeat(1, 1, 1, 2)),
    ("aten.softmax.int", lambda x: x.softmax(1) + x.softmax(-1, dtype=torch.float64)),
    ("aten.softmax.int", nn.Softmax2d()),
    ("aten.softmax.int", lambda x: (0.5 * x.masked_fill(MASK, -torch.inf)).mT.softmax(-1)),
    ("aten.softmax.int", lambda x: (x[:, :1].masked_fill(CHANNELS > 0, -torch.inf) + INFINITE).view(1, 144).softmax(1)),
    (
        "aten.softmax.int",
        lambda x: torch.where(MASK, -torch.inf, F.pad(x, (0, 1), value=-torch.inf)[..., 1:]).softmax(-1),
    ),
    ("aten._softmax.default", lambda x: aten._softmax.default(x, -2, False)),
    ("aten._safe_softmax.default", lambda x: aten._safe_softmax.default(x + INFINITE, -1)),
    ("aten.log_softmax.int", lambda x: x.flatten(1).log_softmax(1)),
    ("aten._log_softmax.default", lambda x: aten._log_softmax.default(x, 0, False)),
    ("aten.logsumexp.default", lambda x: x.logsumexp(1) + x.logsumexp((-3,), keepdim=True).squeeze(1)),
]

REDUCTIONS: list[tuple[str, Function]] = [
    ("aten.mean.dim", lambda x: x.mean((-1, 1))),
    ("aten.mean.dim", lambda x: x.mean(2, keepdim=True, dtype=torch.float64)),
    ("aten.mean.default", torch.mean),
    ("aten.sum.dim_IntList", lambda x: x.sum([0, -1], keepdim=True)),
    ("aten.sum.dim_IntList", lambda x: x.sum(dim=())),
    ("aten.sum.default", torch.sum),
    ("aten.var.correction", lambda x: x.var((1, 3), correction=0) + x.var() + x.var(-1, correction=2.5).mean()),
    ("aten.var.dim", lambda x: x.var(1, keepdim=True) + x.var((0, -1), False).mean()),
    ("aten.amax.default", lambda x: x.amax((1, 2)) + x.amax()),
    ("aten.amin.default", lambda x: x.amin(-1, True)),
    ("aten.max.dim", lambda x: x.max(1)[0] + x.max(dim=1, keepdim=True).values.squeeze(1)),
    ("aten.min.dim", lambda x: x.min(-2).values),
    ("aten.max.default", torch.max),
    ("aten.min.default", torch.min),
    ("aten.max_pool1d.default", lambda x: F.max_pool1d(line(x), 3, 2, 1, ceil_mode=True)),
    ("aten.max_pool2d.default", lambda x: F.max_pool2d(x, 2)),
    ("aten.max_pool2d.default", lambda x: F.max_pool2d(x.squeeze(0), (3, 2), (2, 3), (1, 0), (1, 2), ceil_mode=True)),
    ("aten.max_pool2d.default", nn.MaxPool2d(3, stride=2, dilation=2)),
    ("aten.max_pool3d.default", lambda x: F.max_pool3d(space(x), (1, 2, 2), 1)),
    ("aten.max_pool1d_with_indices.default", lambda x: F.max_pool1d(line(x), 2, return_indices=True)[0]),
    ("aten.max_pool2d_with_indices.default", lambda x: F.max_pool2d(x, 2, return_indices=True)[0]),
    ("aten.max_pool3d_with_indices.default", lambda x: F.max_pool3d(space(x), (1, 2, 2), return_indices=True)[0]),
    ("aten.avg_pool1d.default", lambda x: F.avg_pool1d(line(x), 4, 3, 1, ceil_mode=True)),
    ("aten.avg_pool2d.default", lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True)),
    ("aten.avg_pool2d.default", lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)),
    ("aten.avg_pool2d.default", lambda x: F.avg_pool2d(x.squeeze(0), (2, 3), 1, divisor_override=5)),
    ("aten.avg_pool3d.default", lambda x: F.avg_pool3d(space(x), (1, 2, 2), (1, 1, 2), (0, 1, 0))),
    ("aten.adaptive_avg_pool1d.default", lambda x: F.adaptive_avg_pool1d(line(x), 4)),
    ("aten.adaptive_avg_pool2d.default", lambda x: F.adaptive_avg_pool2d(x, (None, 8))),
    ("aten.adaptive_avg_pool3d.default", lambda x: F.adaptive_avg_pool3d(space(x), (2, 1, 5))),
    ("aten.adaptive_max_pool1d.default", lambda x: F.adaptive_max_pool1d(line(x), 4)),
    ("aten.adaptive_max_pool2d.default", lambda x: F.adaptive_max_pool2d(x, 7)),
    ("aten.adaptive_max_pool3d.default", lambda x: F.adaptive_max_pool3d(space(x), (1, 4, 5))),
]  # fmt: skip

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

OTHER_NAMES: list[tuple[str, Function]] = [
    ("aten.concat.default", lambda x: torch.concat([x, x])),
    ("aten.concatenate.default", lambda x: torch.concatenate([x, x], 1)),
    ("aten.row_stack.default", lambda x: torch.row_stack([x, x])),
    ("aten.clip.default", lambda x: x.clip(None, 0.5)),
    ("aten.absolute.default", torch.absolute),
    ("aten.negative.default", torch.negative),
    ("aten.subtract.Tensor", lambda x: torch.subtract(x, CHANNELS, alpha=2)),
    ("aten.multiply.Tensor", lambda x: torch.multiply(x, 2)),
    ("aten.divide.Tensor", lambda x: torch.divide(x, 3)),
    ("aten.true_divide.Tensor", lambda x: torch.true_divide(x, 3)),
    ("aten.arctan.default", torch.arctan),
    ("aten.special_erf.default", torch.special.erf),
    ("aten.special_expit.default", torch.special.expit),
    ("aten.special_expm1.default", torch.special.expm1),
    ("aten.special_softmax.default", lambda x: torch.special.softmax(x, 1)),
    ("aten.special_log_softmax.default", lambda x: torch.special.log_softmax(x, 1)),
    ("aten.special_logsumexp.default", lambda x: torch.special.logsumexp(x, 1)),
]

FAMILIES = {
    "products": PRODUCTS,
    "convolutions": CONVOLUTIONS,
    "normalisations": NORMALISATIONS,
    "arithmetic": ARITHMETIC,
    "functions": FUNCTIONS,
    "reductions": REDUCTIONS,
    "moves": MOVES,
    "other names": OTHER_NAMES,
}
