"""Layers with weights: products, convolutions and normalisations."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lipcert.checkpoint.onnx.ops.call import Call, Inputs
from lipcert.checkpoint.onnx.ops.windows import windows
from lipcert.errors import UnsupportedError

_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_BACK = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def matmul(call: Call, inputs: Inputs) -> Tensor:
    """Leading axes of 1 are taken off a constant, where they do not show in the product. A third input is a bias."""
    a, b, bias = (*inputs, None)[:3]
    if bias is not None:
        return F.linear(a, b.T, bias)
    if 0 not in call.live:
        a = _narrow(a, b)
    if 1 not in call.live:
        b = _narrow(b, a)
    return torch.matmul(a, b)


def _narrow(constant: Tensor, other: Tensor) -> Tensor:
    while constant.dim() > 2 and constant.shape[0] == 1 and constant.dim() <= other.dim():
        constant = constant.squeeze(0)
    return constant


def gemm(call: Call, inputs: Inputs) -> Tensor:
    """alpha · A B + beta · C, as a linear layer where it is one."""
    a, b, c = (*inputs, None)[:3]
    a = a.T if call["transA"] else a
    turned = b if call["transB"] else b.T
    alpha, beta, features = call["alpha"], call["beta"], turned.shape[0]
    bias = c is not None and 2 not in call.live and c.dim() > 0 and c.shape[-1] == c.numel() == features
    if 1 not in call.live and bias and alpha == beta == 1:
        return F.linear(a, turned, c.reshape(features))
    y = torch.matmul(a, turned.T) if 1 in call.live else F.linear(a, turned)
    y = y if alpha == 1 else y * alpha
    return y if c is None else y.add(c if beta == 1 else c * beta)


def einsum(call: Call, inputs: Inputs) -> Tensor:
    """Without an arrow, the letters that occur once, in order."""
    equation = call["equation"].replace(" ", "")
    if "->" not in equation:
        letters = [each for each in sorted(set(equation)) if each.isalpha() and equation.count(each) == 1]
        equation += "->" + ("..." if "..." in equation else "") + "".join(letters)
    return torch.einsum(equation, *inputs)


def conv(call: Call, inputs: Inputs) -> Tensor:
    x, weight, bias = (*inputs, None)[:3]
    over = windows(call, x.shape[2:], weight.shape[2:])
    padding = over.before if over.symmetric else [0] * len(over.before)
    x = x if over.symmetric else over.padded(x)
    return _CONV[len(padding)](x, weight, bias, over.stride, padding, over.dilation, call["group"])


def conv_transpose(call: Call, inputs: Inputs) -> Tensor:
    """The whole of the transposed convolution, of which the padding is cut off."""
    x, weight, bias = (*inputs, None)[:3]
    size, kernel = list(x.shape[2:]), list(weight.shape[2:])
    axes = len(size)
    if not 1 <= axes <= 3:
        raise UnsupportedError(f"{axes} spatial axes")
    stride, dilation = (list(call[name] or [1] * axes) for name in ("strides", "dilations"))
    extra = list(call["output_padding"] or [0] * axes)
    rows = zip(size, kernel, stride, dilation, extra, strict=True)
    whole = [s * (n - 1) + e + (k - 1) * d + 1 for n, k, s, d, e in rows]
    before, after = _cut(call, size, whole, stride)
    if any(pad < 0 for pad in (*before, *after)):
        raise UnsupportedError("an output larger than what the kernel reaches")
    even = before == after
    back = _BACK[axes](x, weight, bias, stride, before if even else [0] * axes, extra, call["group"], dilation)
    for axis in () if even else range(axes):
        back = back.narrow(2 + axis, before[axis], whole[axis] - before[axis] - after[axis])
    return back


def _cut(call: Call, size: list[int], whole: list[int], stride: list[int]) -> tuple[list[int], list[int]]:
    axes, auto = len(size), call["auto_pad"] or "NOTSET"
    wanted = call["output_shape"]
    if not wanted and auto in ("SAME_UPPER", "SAME_LOWER"):
        wanted = [n * s for n, s in zip(size, stride, strict=True)]
    if not wanted:
        pads = list(call["pads"] or [0] * 2 * axes) if auto == "NOTSET" else [0] * 2 * axes
        return pads[:axes], pads[axes:]
    total = [n - out for n, out in zip(whole, wanted[-axes:], strict=True)]
    less, more = [pad // 2 for pad in total], [pad - pad // 2 for pad in total]
    return (less, more) if auto == "SAME_UPPER" else (more, less)


def batch_norm(call: Call, inputs: Inputs) -> Tensor:
    if call["training_mode"] or call["spatial"] == 0:
        raise UnsupportedError("batch statistics, or one a place: the output of one example depends on the others")
    x, scale, bias, mean, variance = inputs
    return F.batch_norm(x, mean, variance, scale, bias, eps=call["epsilon"])


def layer_norm(call: Call, inputs: Inputs) -> Tensor:
    x, scale, bias = (*inputs, None)[:3]
    shape = list(x.shape[call["axis"] :])
    if list(scale.shape) == shape and (bias is None or list(bias.shape) == shape):
        return F.layer_norm(x, shape, scale, bias, call["epsilon"])
    y = F.layer_norm(x, shape, eps=call["epsilon"]).mul(scale)
    return y if bias is None else y.add(bias)


def rms_norm(call: Call, inputs: Inputs) -> Tensor:
    x, scale = inputs
    shape = list(x.shape[call["axis"] :])
    if list(scale.shape) == shape:
        return F.rms_norm(x, shape, scale, call["epsilon"])
    return F.rms_norm(x, shape, eps=call["epsilon"]).mul(scale)


def instance_norm(call: Call, inputs: Inputs) -> Tensor:
    x, scale, bias = inputs
    return F.group_norm(x, x.shape[1], scale, bias, call["epsilon"])


def group_norm(call: Call, inputs: Inputs) -> Tensor:
    """Version 21; the one before, with a scale for each group, was withdrawn."""
    x, scale, bias = inputs
    return F.group_norm(x, call["num_groups"], scale, bias, call["epsilon"])
