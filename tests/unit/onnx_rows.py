"""One small graph or more for each ONNX operation that lipcert understands, odd spellings and old versions included.

Every graph takes x, float32 of shape (1, 4, 6, 6) unless the row says otherwise, and returns y. Weights are capitals.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper, parser

Array = NDArray[np.generic]
SHAPE = (1, 4, 6, 6)
_generator = np.random.default_rng(0)


def normal(*shape: int) -> Array:
    """Weights, the same ones every time."""
    return _generator.standard_normal(shape).astype(np.float32)


WEIGHTS: dict[str, Array] = {
    "W": normal(6, 3), "V": normal(6), "SQUARE": normal(6, 6), "LEFT": normal(3, 6), "ONE": normal(1, 6, 3),
    "BIAS": normal(3), "COLUMN": normal(4, 1), "CHANNELS": normal(4, 1, 1), "FULL": normal(1, 4, 6, 6),
    "GEMM": normal(6, 5), "TURNED": normal(5, 6), "B5": normal(5), "B15": normal(1, 5), "SQUARE5": normal(4, 5),
    "K": normal(2, 4, 3, 3), "EVEN": normal(2, 4, 2, 4), "GROUPED": normal(6, 2, 3, 2), "K1": normal(2, 4, 3),
    "K3": normal(2, 4, 1, 3, 3), "B2": normal(2), "B6": normal(6), "BACK": normal(4, 2, 3, 3), "BACK1": normal(4, 2, 3),
    "BACKG": normal(4, 3, 3, 3), "SCALE": normal(4), "SHIFT": normal(4), "MEAN": normal(4),
    "VAR": np.abs(normal(4)) + 0.5, "POSITIVE": np.abs(normal(6)) + 0.5,
    "TABLE": normal(7, 3), "SIX": np.float32(6), "HALF": np.float32(0.5), "TWO": np.float32([2]),
    "MASK": np.triu(np.ones((6, 6)), 1) > 0, "MINUS": np.float32(-np.inf), "KEEP": np.triu(np.ones((6, 6))) < 1,
    "UP": np.float32([1, 1, 2, 3]), "DOWN": np.float32([1, 1, 0.5, 0.5]), "NONE": np.float32([]),
    "MINUSONE": np.int64([-1]), "ZERO": np.int64([0]), "TWOS": np.int64([2]), "ACROSS": np.int64([[2], [1], [-1], [0]]),
    "ROWS": np.int64([[2], [0]]), "NAUGHT": np.float32(0), "EMPTY": np.int64([]),
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """op: what the row is for. text: statements of ONNX's own notation. opset: their version."""

    op: str
    text: str
    opset: int = 20
    shape: tuple[int, ...] = SHAPE
    dtype: str = "float"
    output: str = "float"
    bounded: bool = True

    def model(self) -> onnx.ModelProto:
        """With every weight that the text names, as an initializer."""
        named = [name for name in WEIGHTS if name in _words(self.text)]
        sizes = ",".join(map(str, self.shape))
        text = (
            f'<ir_version: {8 if self.opset < 21 else 10}, opset_import: ["": {self.opset}]>\n'
            f"g ({self.dtype}[{sizes}] x) => ({self.output} y) {{ {self.text} }}"
        )
        model = parser.parse_model(text)
        model.graph.initializer.extend(numpy_helper.from_array(WEIGHTS[name], name) for name in named)
        return model

    def write(self, path: Path) -> Path:
        path.write_bytes(self.model().SerializeToString())
        return path


def _words(text: str) -> set[str]:
    return set("".join(each if each.isalnum() else " " for each in text).split())


def ints(*values: int) -> str:
    """A constant, as in the argument of a node's text."""
    return f"Constant<value = int64[{len(values)}] {{{','.join(map(str, values))}}}>()"


def span(kind: str, *ends: float) -> str:
    """Start, limit and step: a, b and c."""
    return " ".join(f"{name} = Constant<value_{kind}={end}>()" for name, end in zip("abc", ends, strict=True))


def way(coordinates: str, nearest: str, *axes: int) -> str:
    """Attributes of Resize."""
    some = f", axes=[{','.join(map(str, axes))}]" if axes else ""
    return f'<coordinate_transformation_mode="{coordinates}", nearest_mode="{nearest}"{some}>'


def unary(op: str, opset: int = 20, of: str = "x", attributes: str = "", *, bounded: bool = True) -> Row:
    return Row(op, f"a = Abs(x) p = Add(a, HALF) y = {op}{attributes}({of})", opset, bounded=bounded)


def reduced(op: str, *, of: str = "x", bounded: bool = True) -> list[Row]:
    head = f"a = Abs(x) p = Add(a, HALF) n = {ints(-1)} "
    late = 13 if op == "ReduceSum" else 18
    return [
        Row(op, f"{head}y = {op}<axes=[1, -1], keepdims=0>({of})", late - 2 if late == 13 else 17, bounded=bounded),
        Row(op, f"{head}y = {op}({of}, n)", 20, bounded=bounded),
        Row(op, f"{head}y = {op}<keepdims=0>({of})", 13, bounded=bounded),
    ]


PRODUCTS = [
    Row("MatMul", "y = MatMul(x, W)"),
    Row("MatMul", "y = MatMul(LEFT, x)"),
    Row("MatMul", "y = MatMul(x, ONE)"),
    Row("MatMul", "y = MatMul(x, V)"),
    Row("MatMul", "t = Transpose<perm=[0, 1, 3, 2]>(x) y = MatMul(x, t)"),
    Row("MatMul", "y = MatMul(x, W)", 9),
    Row("Gemm", "y = Gemm(x, GEMM, B5)", shape=(1, 6)),
    Row("Gemm", "y = Gemm<transB=1>(x, TURNED, B15)", shape=(4, 6), opset=7),
    Row("Gemm", "y = Gemm<transB=1>(x, TURNED)", shape=(1, 6), opset=11),
    Row("Gemm", "y = Gemm<transA=1, alpha=0.5, beta=-2.0>(x, GEMM, SQUARE5)", shape=(6, 4)),
    Row("Gemm", "y = Gemm<transB=1>(x, TURNED, COLUMN)", shape=(4, 6)),
    Row("Gemm", "y = Gemm<transB=1>(LEFT, x)", shape=(5, 6)),
    Row("Einsum", 'y = Einsum<equation="bchw,wo->bcho">(x, W)'),
    Row("Einsum", 'y = Einsum<equation="bchw, wo">(x, W)'),
    Row("Einsum", 'y = Einsum<equation="bchw,bcvw->bchv">(x, x)', 12),
]  # fmt: skip

CONVOLUTIONS = [
    Row("Conv", "y = Conv(x, K, B2)"),
    Row("Conv", "y = Conv<strides=[2, 1], pads=[1, 0, 1, 0], kernel_shape=[3, 3]>(x, K)", 8),
    Row("Conv", "y = Conv<pads=[0, 1, 2, 1]>(x, K, B2)"),
    Row("Conv", 'y = Conv<auto_pad="SAME_UPPER", strides=[2, 2]>(x, EVEN)'),
    Row("Conv", 'y = Conv<auto_pad="SAME_LOWER">(x, EVEN)'),
    Row("Conv", 'y = Conv<auto_pad="VALID", dilations=[2, 1]>(x, K)'),
    Row("Conv", "y = Conv<group=2, dilations=[1, 2]>(x, GROUPED, B6)"),
    Row("Conv", "y = Conv<pads=[1, 1]>(x, K1)", shape=(1, 4, 9)),
    Row("Conv", "y = Conv<pads=[0, 0, 1, 0, 1, 1]>(x, K3)", shape=(1, 4, 2, 5, 5)),
    Row("ConvTranspose", "y = ConvTranspose(x, BACK, B2)"),
    Row("ConvTranspose", "y = ConvTranspose<strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]>(x, BACK, B2)"),
    Row("ConvTranspose", "y = ConvTranspose<strides=[2, 1], pads=[0, 1, 1, 1]>(x, BACK)"),
    Row("ConvTranspose", "y = ConvTranspose<strides=[2, 2], group=2, dilations=[2, 1]>(x, BACKG)"),
    Row("ConvTranspose", 'y = ConvTranspose<strides=[2, 2], auto_pad="SAME_UPPER">(x, BACK)'),
    Row("ConvTranspose", "y = ConvTranspose<strides=[2, 2], output_shape=[12, 12]>(x, BACK, B2)"),
    Row("ConvTranspose", "y = ConvTranspose<strides=[3]>(x, BACK1)", shape=(1, 4, 5), opset=11),
]

NORMALISATIONS = [
    Row("BatchNormalization", "y = BatchNormalization<epsilon=0.01>(x, SCALE, SHIFT, MEAN, VAR)"),
    Row("BatchNormalization", "y = BatchNormalization(x, SCALE, SHIFT, MEAN, VAR)", 7),
    Row("BatchNormalization", "y = BatchNormalization(x, SCALE, SHIFT, MEAN, VAR)", 13, shape=(1, 4)),
    Row("LayerNormalization", "y = LayerNormalization<axis=-1, epsilon=0.001>(x, V, POSITIVE)"),
    Row("LayerNormalization", "y = LayerNormalization<axis=2>(x, SQUARE)"),
    Row("LayerNormalization", "y = LayerNormalization<axis=2>(x, V, SQUARE)"),
    Row("RMSNormalization", "y = RMSNormalization<axis=-1, epsilon=0.01>(x, V)", 23),
    Row("RMSNormalization", "y = RMSNormalization<axis=2, epsilon=0.01>(x, V)", 23),
    Row("InstanceNormalization", "y = InstanceNormalization(x, SCALE, SHIFT)"),
    Row("GroupNormalization", "y = GroupNormalization<num_groups=2, epsilon=0.1>(x, SCALE, SHIFT)", 21),
]

ARITHMETIC = [
    Row("Add", "y = Add(x, CHANNELS)"),
    Row("Add", "y = Add(x, x)", 7),
    Row("Sub", "y = Sub(V, x)"),
    Row("Mul", "y = Mul(x, FULL)", 7),
    Row("Mul", "s = Sigmoid(x) y = Mul(x, s)"),
    Row("Div", "y = Div(x, POSITIVE)"),
    Row("Div", "a = Abs(x) p = Add(a, HALF) y = Div(SIX, p)"),
    Row("Div", f"s = Shape(x) t = {ints(2, 3, 5, 4)} d = Div(s, t) y = Slice(x, d, s)"),
    Row("Mod", f"s = Shape(x) t = {ints(1, 3, 4, 5)} d = Mod(s, t) y = Slice(x, d, s)"),
    Row("Mod", f"s = Shape(x) t = {ints(1, 3, 4, 5)} d = Mod<fmod=1>(s, t) y = Slice(x, d, s)"),
    Row("Neg", "y = Neg(x)"),
    Row("Pow", "y = Pow(x, TWO)"),
    Row("Pow", "a = Abs(x) p = Add(a, HALF) y = Pow(p, HALF)", 7),
    Row("Pow", "b = Pow(POSITIVE, V) y = Add(x, b)"),
    Row("Sum", "y = Sum(x, CHANNELS, V)"),
    Row("Sum", "y = Sum(x)", 8),
    Row("Mean", "n = Neg(x) y = Mean(x, n, CHANNELS)"),
    Row("Max", "y = Max(x, CHANNELS, V)"),
    Row("Max", "y = Max(x, HALF)", 8),
    Row("Min", "n = Neg(x) y = Min(x, n)"),
]

FUNCTIONS = [
    *(unary(op) for op in ("Abs", "Atan", "Cos", "Erf", "Exp", "HardSwish", "Mish", "Relu", "Sigmoid", "Sin", "Tanh")),
    *(unary(op, of="p") for op in ("Log", "Reciprocal", "Sqrt")),
    *(unary(op) for op in ("Celu", "Elu", "Gelu", "HardSigmoid", "LeakyRelu", "Selu", "Softplus", "Softsign")),
    unary("Celu", attributes="<alpha=0.5>"),
    unary("Elu", attributes="<alpha=0.5>"),
    unary("Gelu", attributes='<approximate="tanh">'),
    unary("HardSigmoid", 7, attributes="<alpha=0.3, beta=0.4>"),
    unary("LeakyRelu", 7, attributes="<alpha=0.2>"),
    unary("Selu", attributes="<alpha=1.5, gamma=2.0>"),
    unary("Swish", 24),
    unary("Swish", 24, attributes="<alpha=0.5>"),
    Row("Clip", "y = Clip<min=-0.5, max=0.25>(x)", 7),
    Row("Clip", "y = Clip<max=0.25>(x)", 7),
    Row("Clip", "y = Clip(x, , HALF)"),
    Row("Clip", "y = Clip(x, HALF, SIX)", 11),
    Row("Clip", "y = Clip(x)", 13),
    Row("PRelu", "y = PRelu(x, HALF)"),
    Row("PRelu", "y = PRelu(x, CHANNELS)", 7),
    Row("PRelu", "y = PRelu(x, V)"),
    Row("Dropout", "y, m = Dropout(x)", 7),
    Row("Dropout", "y = Dropout(x, HALF)", 13),
    Row("Softmax", "y = Softmax(x)"),
    Row("Softmax", "y = Softmax<axis=1>(x)"),
    Row("Softmax", "y = Softmax(x)", 9),
    Row("Softmax", "y = Softmax<axis=2>(x)", 11),
    Row("Softmax", "y = Softmax<axis=-1>(x)", 11),
    Row("LogSoftmax", "y = LogSoftmax<axis=1>(x)"),
    Row("LogSoftmax", "y = LogSoftmax<axis=2>(x)", 7),
]

WINDOWS = [
    Row("MaxPool", "y = MaxPool<kernel_shape=[2, 3]>(x)", 8),
    Row("MaxPool", "y = MaxPool<kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], dilations=[1, 2]>(x)"),
    Row("MaxPool", "y = MaxPool<kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1]>(x)"),
    Row("MaxPool", 'y = MaxPool<kernel_shape=[2, 2], auto_pad="SAME_LOWER">(x)'),
    Row("MaxPool", "y = MaxPool<kernel_shape=[3, 3], pads=[2, 2, 2, 2]>(x)"),
    Row("MaxPool", "y = MaxPool<kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1>(x)"),
    Row("MaxPool", "y = MaxPool<kernel_shape=[2, 2], strides=[3, 3], pads=[1, 0, 0, 0], ceil_mode=1>(x)"),
    Row("MaxPool", "y = MaxPool<kernel_shape=[3], pads=[1, 1]>(x)", shape=(1, 4, 9)),
    Row("MaxPool", "y = MaxPool<kernel_shape=[1, 3, 3], strides=[1, 2, 2]>(x)", shape=(1, 2, 2, 5, 5)),
    Row("AveragePool", "y = AveragePool<kernel_shape=[2, 3], strides=[2, 1]>(x)", 7),
    Row("AveragePool", "y = AveragePool<kernel_shape=[3, 3], pads=[1, 1, 1, 1]>(x)"),
    Row("AveragePool", "y = AveragePool<kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1>(x)", 11),
    Row("AveragePool", "y = AveragePool<kernel_shape=[3, 3], pads=[0, 0, 1, 2], strides=[2, 2]>(x)"),
    Row("AveragePool", "y = AveragePool<kernel_shape=[3, 3], pads=[0, 1, 1, 2], count_include_pad=1>(x)"),
    Row("AveragePool", 'y = AveragePool<kernel_shape=[4, 4], auto_pad="SAME_UPPER">(x)'),
    Row("AveragePool", "y = AveragePool<kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1>(x)"),
    Row("AveragePool", "y = AveragePool<kernel_shape=[3], pads=[1, 0]>(x)", shape=(1, 4, 9)),
    Row("GlobalAveragePool", "y = GlobalAveragePool(x)"),
    Row("GlobalMaxPool", "y = GlobalMaxPool(x)"),
    *reduced("ReduceL1"),
    *reduced("ReduceL2", of="p"),
    *reduced("ReduceLogSum", of="p"),
    *reduced("ReduceMax"),
    *reduced("ReduceMean"),
    *reduced("ReduceMin"),
    *reduced("ReduceSum"),
    *reduced("ReduceSumSquare"),
    Row("ReduceLogSumExp", f"n = {ints(-1)} y = ReduceLogSumExp(x, n)"),
    Row("ReduceLogSumExp", "y = ReduceLogSumExp<axes=[1], keepdims=0>(x)", 11),
    Row("ReduceProd", "s = Shape(x) p = ReduceProd<keepdims=1>(s) y = Reshape(x, p)"),
]  # fmt: skip

MOVES = [
    Row("Concat", "y = Concat<axis=1>(x, FULL, x)"),
    Row("Concat", "y = Concat<axis=-1>(x, x)", 7),
    Row("Gather", "g = Gather<axis=1>(x, EMPTY) s = Size(g) c = Cast<to=1>(s) y = Add(x, c)"),
    Row("DepthToSpace", "y = DepthToSpace<blocksize=2>(x)"),
    Row("DepthToSpace", 'y = DepthToSpace<blocksize=2, mode="CRD">(x)'),
    Row("DepthToSpace", "y = DepthToSpace<blocksize=2>(x)", 7, shape=(1, 8, 2, 3)),
    Row("SpaceToDepth", "y = SpaceToDepth<blocksize=2>(x)"),
    Row("Expand", f"t = {ints(3, 1, 1, 6, 1)} y = Expand(x, t)"),
    Row("Flatten", "y = Flatten(x)", 7),
    Row("Flatten", "y = Flatten<axis=0>(x)"),
    Row("Flatten", "y = Flatten<axis=-1>(x)"),
    Row("Gather", "i = Constant<value = int64 {1}>() y = Gather<axis=1>(x, i)"),
    Row("Gather", "i = Constant<value = int64[2, 2] {3, 0, -1, 0}>() y = Gather<axis=1>(x, i)"),
    Row("Gather", f"i = {ints(1, 5)} g = Gather(TABLE, i) c = ReduceSum<keepdims=0>(g) y = Add(x, c)"),
    Row("Gather", "y = Gather(TABLE, x)", shape=(1, 5), dtype="int64"),
    Row("GatherElements", "i = Constant<value = int64[1, 1, 2, 2] {0, -1, 3, 0}>() y = GatherElements<axis=-2>(x, i)"),
    Row("GatherND", "i = Constant<value = int64[3, 2] {0, -1, 0, 0, 0, 2}>() y = GatherND(x, i)", 12),
    Row("ScatterElements", "y = ScatterElements<axis=1>(x, ACROSS, COLUMN)", shape=(4, 6)),
    Row("ScatterND", "n = Neg(x) s = Slice(n, ZERO, TWOS) y = ScatterND(x, ROWS, s)", 13, shape=(4, 6)),
    Row("Identity", "w = Identity(V) b = Add(x, w) y = Identity(b)", 7),
    Row("Pad", "y = Pad<pads=[0, 0, 1, 2, 0, 0, 0, 1], value=2.0>(x)", 7),
    Row("Pad", 'y = Pad<pads=[0, 0, 1, 2, 0, 0, 3, 1], mode="reflect">(x)', 7),
    Row("Pad", f"p = {ints(0, 1, 0, 2, 0, 0, -1, 1)} y = Pad(x, p, HALF)", 13),
    Row("Pad", f'p = {ints(1, 3)} a = {ints(-1)} y = Pad<mode="edge">(x, p, , a)', 18),
    Row("Pad", f'p = {ints(2, 7)} a = {ints(2)} y = Pad<mode="wrap">(x, p, , a)', 19),
    Row("Reshape", f"t = {ints(0, -1, 3)} y = Reshape(x, t)", 7),
    Row("Reshape", f"t = {ints(4, 6, 6)} y = Reshape<allowzero=1>(x, t)", 14),
    Row("Reshape", f"s = Shape(x) i = {ints(0)} n = Gather(s, i) t = Concat<axis=0>(n, MINUSONE) y = Reshape(x, t)"),
    Row("Resize", f"y = Resize{way('asymmetric', 'floor')}(x, NONE, UP)", 11),
    Row("Resize", "y = Resize(x, , UP)", 13),
    Row("Resize", "y = Resize(x, UP)", 10),
    Row("Resize", f"s = {ints(1, 4, 12, 3)} y = Resize{way('align_corners', 'round_prefer_floor')}(x, , , s)", 13),
    Row("Resize", f"y = Resize{way('half_pixel', 'ceil')}(x, , DOWN)", 19),
    Row("Resize", f"y = Resize{way('half_pixel_symmetric', 'floor')}(x, , UP)", 19),
    Row("Resize", f"y = Resize{way('tf_half_pixel_for_nn', 'floor')}(x, NONE, UP)", 11),
    Row("Resize", f"s = {ints(12, 18)} y = Resize{way('pytorch_half_pixel', 'round_prefer_ceil', 2, 3)}(x, , , s)", 18),
    Row("Upsample", "y = Upsample(x, UP)", 9),
    Row("Upsample", "y = Upsample<scales=[1.0, 1.0, 2.6, 1.0]>(x)", 7, shape=(1, 2, 5, 3)),
    Row("Upsample", "y = Upsample<scales=[1.0, 1.0, 2.0, 3.0]>(x)", 7),
    Row("Slice", f"s = {ints(-99)} e = {ints(-99)} a = {ints(2)} t = {ints(-1)} y = Slice(x, s, e, a, t)"),
    Row("Slice", "y = Slice<starts=[1, -3], ends=[3, 1000], axes=[1, 3]>(x)", 9),
    Row("Slice", f"s = {ints(0, 1)} e = {ints(1, 9)} y = Slice(x, s, e)"),
    Row("Slice", f"s = {ints(-1, 5)} e = {ints(-99, 0)} a = {ints(1, -1)} t = {ints(-1, -2)} y = Slice(x, s, e, a, t)"),
    Row("Split", "a, b = Split<axis=1>(x) y = Sub(b, a)", 7),
    Row("Split", "a, b = Split<axis=1, split=[1, 3]>(x) y = Mul(b, a)", 11),
    Row("Split", f"s = {ints(1, 5)} a, b = Split<axis=-1>(x, s) y = Mul(b, a)", 13),
    Row("Split", "a, b, y = Split<axis=1, num_outputs=3>(x)", 18, shape=(1, 8, 3)),
    Row("Squeeze", "u = Unsqueeze<axes=[0, 3]>(x) y = Squeeze<axes=[0, -3]>(u)", 11),
    Row("Squeeze", f"a = {ints(1)} y = Squeeze(x, a)", shape=(1, 1, 6)),
    Row("Squeeze", "y = Squeeze(x, EMPTY)", shape=(1, 1, 6)),
    Row("Squeeze", "y = Squeeze(x)", shape=(1, 1, 6)),
    Row("Tile", f"t = {ints(1, 2, 1, 3)} y = Tile(x, t)"),
    Row("Transpose", "y = Transpose(x)"),
    Row("Transpose", "y = Transpose<perm=[0, 2, 3, 1]>(x)", 7),
    Row("Trilu", "y = Trilu<upper=0>(x)"),
    Row("Trilu", "k = Constant<value = int64 {1}>() y = Trilu(x, k)"),
    Row("Unsqueeze", "y = Unsqueeze<axes=[1]>(x)", 7),
    Row("Unsqueeze", f"a = {ints(-1, 1)} y = Unsqueeze(x, a)"),
    Row("Where", "y = Where(KEEP, x, HALF)"),
    Row("Where", "w = Where(MASK, MINUS, x) y = Softmax(w)"),
    Row("IsNaN", "m = Where(MASK, MINUS, x) s = Softmax(m) n = IsNaN(s) y = Where(n, NAUGHT, s)"),
    Row("IsNaN", "n = IsNaN(V) y = Where(n, HALF, x)", 9),
    Row("IsNaN", "n = IsNaN(x) y = Where(n, NAUGHT, x)", bounded=False),
    Row("Add", "m = MatMul(x, W) y = Add(BIAS, m)"),
    Row("Add", "m = MatMul(x, W) a = Add(m, BIAS) y = Mul(a, m)"),
]  # fmt: skip

KNOWN = [
    Row("Cast", "d = Cast<to=11>(x) y = Cast<to=1>(d)"),
    Row("Cast", "m = Cast<to=1>(MASK) y = Mul(x, m)", 9),
    Row("CastLike", "m = CastLike(MASK, x) y = Mul(x, m)"),
    Row("ConstantOfShape", "s = Shape(x) o = ConstantOfShape<value = float[1] {2.0}>(s) y = Add(x, o)"),
    Row("CumSum", f"i = {ints(1, 0, 2)} a = Constant<value = int64 {{0}}>() c = CumSum(i, a) y = Gather<axis=1>(x, c)"),
    Row("ConstantOfShape", "s = Shape(x) o = ConstantOfShape(s) y = Concat<axis=1>(x, o)", 9),
    Row("Range", f"{span('int', 0, 6, 2)} i = Range(a, b, c) y = Gather<axis=3>(x, i)"),
    Row("Range", f"{span('float', 0.5, 6.4, 1.0)} r = Range(a, b, c) y = Mul(x, r)"),
    Row("Shape", f"s = Shape<start=1, end=-1>(x) m = {ints(-1)} t = Concat<axis=0>(s, m) y = Reshape(x, t)", 15),
    Row("Shape", "s = Shape(x) o = ConstantOfShape(s) y = Sub(x, o)", 9),
    Row("Size", f"s = Size(x) z = {ints(0)} t = Unsqueeze(s, z) y = Reshape(x, t)"),
    Row("ReduceProd", "p = ReduceProd<axes=[0, 1], keepdims=0>(SQUARE) y = Add(x, p)", 13),
    Row("ArgMax", f"m = {ints(0)} i = ArgMax<keepdims=0>(V) y = Gather<axis=3>(x, i)"),
    Row("ArgMax", "y = ArgMax<axis=1>(x)", output="int64", bounded=False),
    Row("ArgMin", "y = ArgMin<axis=-1, keepdims=0>(x)", 11, output="int64", bounded=False),
    Row("Ceil", "c = Ceil(V) y = Add(x, c)"),
    Row("Floor", "c = Floor(V) y = Add(x, c)"),
    Row("Round", "c = Round(V) y = Add(x, c)"),
    Row("Sign", "y = Sign(x)", bounded=False),
    Row("Sign", "c = Sign(V) y = Mul(x, c)"),
    *(
        Row(op, f"i = {ints(0, 1, 2, 3, 4, 5)} j = {ints(3)} c = {op}(i, j) y = Where(c, x, HALF)")
        for op in ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")
    ),
    *(Row(op, f"c = {op}(MASK, KEEP) y = Where(c, x, HALF)") for op in ("And", "Or", "Xor")),
    Row("Not", "c = Not(MASK) y = Where(c, x, HALF)"),
]  # fmt: skip

ROWS = [*PRODUCTS, *CONVOLUTIONS, *NORMALISATIONS, *ARITHMETIC, *FUNCTIONS, *WINDOWS, *MOVES, *KNOWN]
