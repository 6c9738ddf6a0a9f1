"""A guess at the layers, from the names and shapes of weights alone."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

Shape = tuple[int, ...]

_EMBEDDING = re.compile(r"(^|\.|_)(w[tp]e|embed\w*|\w*embeddings?|tok\w*|emb)$", re.IGNORECASE)
_QKV = re.compile(r"(^|\.)(c_attn|qkv|in_proj|query_key_value|Wqkv|to_qkv)$")
_HEADS = re.compile(r"(^|\.)([qkvo]|[qkvo]_proj|query|key|value|out_proj|to_[qkv])$")


@dataclass(frozen=True)
class Layer:
    """path: of the module. what: in words. code: what builds it in torch, "" where that is not known.

    takes, gives: its features or channels; 0 where there are none, as before an embedding. axes: 1 to 3 for what
    slides over space. kernel: its sizes. tensors: by the last part of their names.
    """

    path: str
    what: str
    code: str = ""
    takes: int = 0
    gives: int = 0
    axes: int = 0
    kernel: Shape = ()
    norm: bool = False
    tensors: Mapping[str, Tensor] = field(default_factory=dict, repr=False)


def layers(tensors: Mapping[str, Tensor]) -> list[Layer]:
    """In the order of the file; one that is sorted by name is read as people count, 2 before 10."""
    owners: dict[str, dict[str, Tensor]] = {}
    for name in ordered(tensors):
        owner, _, leaf = name.rpartition(".")
        owners.setdefault(owner, {})[leaf] = tensors[name]
    found: list[Layer] = []
    for path, leaves in owners.items():
        spatial = next((each for each in reversed(found) if not each.norm), None)
        found.append(_layer(path, leaves, spatial))
    return found


def ordered(names: Iterable[str]) -> list[str]:
    """Names as they come, unless they come in alphabetical order."""
    listed = list(names)
    return sorted(listed, key=_natural) if listed == sorted(listed) else listed


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Numbers as numbers; "weight" before "bias", as torch has them."""
    parts = re.split(r"(\d+)", name.replace("weight", "\0"))
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


def _layer(path: str, leaves: dict[str, Tensor], before: Layer | None) -> Layer:
    shapes = {leaf: tuple(tensor.shape) for leaf, tensor in leaves.items()}
    guess = next((layer for known in _KNOWN if (layer := known(path, shapes, before))), None)
    made = guess or Layer(path, "tensors that no layer here has: " + ", ".join(shapes))
    return Layer(**(vars(made) | {"tensors": leaves}))


def _batch_norm(path: str, shapes: Mapping[str, Shape], before: Layer | None) -> Layer | None:
    if not {"running_mean", "running_var"} <= set(shapes):
        return None
    (size,) = shapes["running_mean"]
    axes = before.axes if before else 0
    plain = "" if "weight" in shapes else ", affine=False"
    code = f"nn.BatchNorm{max(axes, 1)}d({size}{plain})"
    return Layer(path, f"batch norm of {size}", code, size, size, axes, norm=True)


def _norm(path: str, shapes: Mapping[str, Shape], before: Layer | None) -> Layer | None:
    if len(shapes.get("weight", ())) != 1 or not set(shapes) <= {"weight", "bias"}:
        return None
    (size,) = shapes["weight"]
    kind, what = (
        ("LayerNorm", "layer norm") if "bias" in shapes else ("RMSNorm", "RMS norm, or layer norm without bias")
    )
    return Layer(path, f"{what}, of {size}", f"nn.{kind}({size})", size, size, norm=True)


def _attention(path: str, shapes: Mapping[str, Shape], before: Layer | None) -> Layer | None:
    if "in_proj_weight" not in shapes:
        return None
    outside, inside = shapes["in_proj_weight"]
    return Layer(path, f"attention qkv {inside} → {outside}, the number of heads is not in the file")


def _embedding(path: str, shapes: Mapping[str, Shape], before: Layer | None) -> Layer | None:
    if set(shapes) != {"weight"} or len(shapes["weight"]) != 2 or not _EMBEDDING.search(path):
        return None
    rows, size = shapes["weight"]
    return Layer(path, f"embedding of {rows} → {size}", f"nn.Embedding({rows}, {size})", 0, size)


def _linear(path: str, shapes: Mapping[str, Shape], before: Layer | None) -> Layer | None:
    if len(shapes.get("weight", ())) != 2 or not set(shapes) <= {"weight", "bias"}:
        return None
    gives, takes = shapes["weight"]
    if shapes.get("bias", (gives,)) == (takes,) != (gives,):
        return Layer(path, f"linear {gives} → {takes}, stored transposed (GPT-2's Conv1D)")
    role = " (attention qkv)" if _QKV.search(path) else " (attention)" if _HEADS.search(path) else ""
    plain = "" if "bias" in shapes else ", bias=False"
    return Layer(path, f"linear {takes} → {gives}{role}", f"nn.Linear({takes}, {gives}{plain})", takes, gives)


def _conv(path: str, shapes: Mapping[str, Shape], before: Layer | None) -> Layer | None:
    weight = shapes.get("weight", ())
    if not 3 <= len(weight) <= 5 or not set(shapes) <= {"weight", "bias"}:
        return None
    gives, inside, *kernel = weight
    channels = before.gives if before and before.axes else inside
    groups = channels // inside if channels % inside == 0 and gives % max(channels // inside, 1) == 0 else 1
    size = "×".join(map(str, kernel))
    more = f" in {groups} groups" if groups > 1 else ""
    what = f"conv {size}, {inside * groups} → {gives}{more}; stride and padding are not in the file"
    plain = "" if "bias" in shapes else ", bias=False"
    options = (f", groups={groups}" if groups > 1 else "") + plain
    code = f"nn.Conv{len(kernel)}d({inside * groups}, {gives}, {_sizes(kernel)}, padding=PADDING{options})"
    return Layer(path, what, code, inside * groups, gives, len(kernel), tuple(kernel))


def _sizes(kernel: list[int]) -> str:
    return str(kernel[0]) if len(set(kernel)) == 1 else str(tuple(kernel))


_KNOWN: tuple[Callable[[str, Mapping[str, Shape], Layer | None], Layer | None], ...] = (
    _batch_norm, _norm, _attention, _embedding, _linear, _conv,
)  # fmt: skip
