"""Sums, means, extremes and pooling."""

import torch
import torch.nn.functional as F
from torch import nn

from tests.unit.lowering.inputs import Function, line, space

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
