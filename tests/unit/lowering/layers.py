"""Products, convolutions and normalisations."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.unit.lowering.inputs import (
    BACK1,
    BACK2,
    BACK3,
    CHANNELS,
    CUBE,
    EVEN,
    GROUPED,
    INFINITE,
    LINE1,
    LINE2,
    LINE3,
    MATRIX,
    MEANS,
    POINT,
    SCALES,
    SHIFTS,
    SQUARE,
    VARIANCES,
    VECTOR,
    WIDE,
    Function,
    aten,
    line,
    space,
    two_items,
)

convolution = torch.ops.aten.convolution.default
attention = F.scaled_dot_product_attention


def batch_norm(x: Tensor) -> Tensor:
    return F.batch_norm(x, MEANS, VARIANCES, SCALES, SHIFTS, eps=1e-3)


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
