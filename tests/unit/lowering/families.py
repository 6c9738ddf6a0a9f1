"""One small function or more for each exported operation that lipcert lowers, odd spellings included.

Every function takes one float64 tensor of shape (1, 4, 6, 6) and uses the operation named with it.
"""

import torch

from tests.unit.lowering.functions import ARITHMETIC, FUNCTIONS
from tests.unit.lowering.inputs import CHANNELS, Function
from tests.unit.lowering.layers import CONVOLUTIONS, NORMALISATIONS, PRODUCTS
from tests.unit.lowering.moves import MOVES
from tests.unit.lowering.reductions import REDUCTIONS

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
