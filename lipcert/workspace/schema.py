"""What may stand in lipcert.toml (Settings) and in attacks/*.toml (Suite)."""

import re
from difflib import get_close_matches
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    PositiveInt,
    Tag,
    field_validator,
    model_validator,
)

from lipcert.workspace.exact import DomainSpec, Exact, parse_domain, positive
from lipcert.workspace.gate import Gate
from lipcert.workspace.recipe import Recipe
from lipcert.workspace.sweep import Sweep
from lipcert.workspace.table import Table

_FUNCTION = re.compile(r"(?:[^:]+\.py|\w+(?:\.\w+)*):\w+")
_NAME = re.compile(r"\w[\w.-]*", re.ASCII)
_IDS = re.compile(r"ids:[1-9]\d*(,[1-9]\d*)*", re.ASCII)
_ATTACK = re.compile(r"[a-z][a-z0-9-]*|\w+(?:\.\w+)*:\w+")


def _version(value: int) -> int:
    if value != 1:
        raise ValueError("this lipcert reads version 1")
    return value


def _nonnegative(value: Fraction) -> Fraction:
    if not value >= 0:
        raise ValueError(f"{value} is negative")
    return value


def _function(value: str) -> str:
    if not _FUNCTION.fullmatch(value):
        raise ValueError("write 'package.module:function' or 'file.py:function'")
    return value


def _attack(value: str) -> str:
    if not _ATTACK.fullmatch(value):
        raise ValueError("write the name of an attack, such as 'pgd', or 'package.module:function'")
    if ":" not in value and value not in ATTACK_NAMES:
        near = get_close_matches(value, ATTACK_NAMES, n=1)
        known = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(ATTACK_NAMES)}"
        raise ValueError(f"no known attack; {known}")
    return value


def _ids(value: str) -> str:
    if not _IDS.fullmatch(value):
        raise ValueError("write the shape, [1, 28, 28], or 'ids:256' for that many token ids")
    return value


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("a recipe names the folder of its runs: write letters, digits, '-', '_' and '.'")
    return value


Version = Annotated[int, AfterValidator(_version)]
ATTACK_NAMES = ("fgsm", "pgd", "pgd-momentum", "apgd-ce", "apgd-dlr", "apgd-t", "minimal", "square")
NormName = Literal["l2", "linf", "token-l2", "token-rms"]

SHAPE, IDS = "shape", "token ids"
"""The two ways to write an input."""

NO_KEYS = (SHAPE, IDS, "[key]")
"""What pydantic puts into the paths of its errors and no file has."""

InputShape = Annotated[
    Annotated[list[PositiveInt], Field(min_length=1), Tag(SHAPE)] | Annotated[str, AfterValidator(_ids), Tag(IDS)],
    Discriminator(lambda value: IDS if isinstance(value, str) else SHAPE),
]


class ModelEntry(Table):
    """`[models.NAME]`: a checkpoint, and the claim about it that is wanted unless a command says otherwise.

    path: from the folder of lipcert.toml.
    arch: the function that returns the network, where the file does not say it itself.
    input: the shape of one input without the batch, such as [1, 28, 28], or "ids:256" for token ids.
    output: which entry of a dict or tuple output; empty where there is one.
    source: what is perturbed, "embedding" or the path of a module; empty for the first input, or its embedding.
    data: examples with labels, as `lipcert attack --data` takes them.
    results: the folder where its stored results lie, for `lipcert gate`.
    """

    path: str = Field(min_length=1)
    arch: Annotated[str, AfterValidator(_function)] | None = None
    input: InputShape | None = None
    norm: NormName = "l2"
    domain: str = "everywhere"
    radius: Annotated[Exact, AfterValidator(_nonnegative)] = Fraction(0)
    output: str = ""
    source: str = ""
    data: str = ""
    results: str = ""

    @field_validator("domain")
    @classmethod
    def _is_domain(cls, text: str) -> str:
        parse_domain(text)
        return text

    @model_validator(mode="after")
    def _radius_fits_domain(self) -> "ModelEntry":
        parse_domain(self.domain, self.radius)
        return self

    @property
    def inputs(self) -> list[str]:
        """The input as --input takes it; none where it is not given."""
        if self.input is None:
            return []
        return [self.input if isinstance(self.input, str) else ",".join(map(str, self.input))]

    @property
    def region(self) -> DomainSpec:
        return parse_domain(self.domain, self.radius)


class Settings(Table):
    """`lipcert.toml`. suites: names of files in attacks/, without the ending. train: recipes. sweep: of recipes.

    gate: the rules of `lipcert gate`.
    """

    version: Version
    default_model: str | None = None
    suites: list[str] = Field(default_factory=list)
    models: dict[str, ModelEntry] = Field(default_factory=dict)
    train: dict[Annotated[str, AfterValidator(_name)], Recipe] = Field(default_factory=dict)
    sweep: dict[Annotated[str, AfterValidator(_name)], Sweep] = Field(default_factory=dict)
    gate: list[Gate] = Field(default_factory=list)


class Suite(Table):
    """`attacks/NAME.toml`: a threat model.

    space: what is perturbed, the input or what an embedding returns.
    eps: budgets in units of `norm` and of what is perturbed, each tried with every attack.
    range: the least and the largest entry of what is perturbed; None where there is no end.
    steps, restarts: gradients a start, and starts. queries: forward passes a start of attacks without gradients.
    """

    version: Version
    space: Literal["input", "embedding"]
    norm: NormName
    eps: list[Annotated[Exact, AfterValidator(positive)]] = Field(min_length=1)
    range: Annotated[list[Exact], Field(min_length=2, max_length=2)] | None = None
    steps: PositiveInt
    restarts: PositiveInt = 1
    queries: PositiveInt = 1000
    attacks: list[Annotated[str, AfterValidator(_attack)]] = Field(min_length=1)

    @model_validator(mode="after")
    def _eps_fits_range(self) -> "Suite":
        if self.range is None:
            return self
        low, high = self.range
        if not low < high:
            raise ValueError(f"the range [{low}, {high}] is empty")
        if self.norm == "linf" and max(self.eps) > high - low:
            raise ValueError(f"eps = {max(self.eps)} is wider than the range [{low}, {high}]: is it in other units?")
        return self
