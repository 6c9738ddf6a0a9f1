"""What lipcert can bound: every core operation, and what is proved of it."""

from collections.abc import Mapping

from lipcert.rules.affine import CONV, LINEAR, SCALE
from lipcert.rules.arrange import GATHER, RESHAPE
from lipcert.rules.attention import ATTENTION
from lipcert.rules.centre import CENTRE
from lipcert.rules.combine import EXTREMUM, MATMUL, PRODUCT, SUM
from lipcert.rules.entrywise import ENTRYWISE
from lipcert.rules.mix import MIX
from lipcert.rules.normalise import NORMALISE
from lipcert.rules.softmax import LOG_SOFTMAX, LOGSUMEXP, SOFTMAX
from lipcert.rules.types import Rule
from lipcert.rules.windows import WINDOW_MAX, WINDOW_SUM

RULES: Mapping[str, Rule] = {
    "linear": LINEAR,
    "conv": CONV,
    "scale": SCALE,
    "reshape": RESHAPE,
    "gather": GATHER,
    "mix": MIX,
    "centre": CENTRE,
    "window_sum": WINDOW_SUM,
    "window_max": WINDOW_MAX,
    "sum": SUM,
    "product": PRODUCT,
    "matmul": MATMUL,
    "attention": ATTENTION,
    "extremum": EXTREMUM,
    "entrywise": ENTRYWISE,
    "normalise": NORMALISE,
    "softmax": SOFTMAX,
    "log_softmax": LOG_SOFTMAX,
    "logsumexp": LOGSUMEXP,
}
