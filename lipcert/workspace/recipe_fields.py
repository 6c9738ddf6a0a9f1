"""What a training recipe says besides its architecture's arguments, group by group, each field with its help."""

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveInt

from lipcert.workspace.table import Found, Table

ModelName = Literal["mlp", "cnn", "gpt", "encoder"]
OptimizerName = Literal["adamw", "muon"]
PolynomialsName = Literal["paper", "jordan", "nanogpt"]
ConstraintName = Literal[
    "none",
    "weight_decay",
    "spectral_weight_decay",
    "spectral_normalisation",
    "soft_cap",
    "hard_cap",
    "spectral_hammer",
    "stiefel",
    "svd_cap",
]
DECAYS: tuple[ConstraintName, ...] = ("weight_decay", "spectral_weight_decay")
"""Constraints that a decay stands behind, with or without a w_max to derive it from."""

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?", re.ASCII)


def _spike(value: float) -> float:
    if 0 < value <= 1:
        raise ValueError("a loss below its median is no spike: write more than 1, or 0 for never")
    return value


def _device(value: str) -> str:
    if not _DEVICE.fullmatch(value):
        raise ValueError("write auto, cpu, mps, cuda or, for one GPU of several, cuda:1")
    return value


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Memory = Annotated[float, Field(ge=0, lt=1)]
Spike = Annotated[NonNegative, AfterValidator(_spike)]
Text = Annotated[str, Field(min_length=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Device = Annotated[str, AfterValidator(_device)]


class Group(Table):
    """Fields that belong together; `title` is their headline in the help."""

    title: ClassVar[str]


class Network(Group):
    title = "Model"

    model: ModelName = Field(description="What is trained; its arguments stand beside the recipe's own keys.")


class Data(Group):
    title = "Data"

    data: Text = Field(
        description="shakespeare, a text file or folder, or labelled examples as `lipcert attack --data` takes them."
    )
    tokens: Text = Field("chars", description="What text is cut into: chars, bytes, words, or by a vocabulary file.")
    validation: str = Field("", description="Other data to validate on [default: the test split, or a share].")
    validation_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="The share of the data, at their end, that is kept to validate on."
    )
    validation_batches: NonNegativeInt = Field(0, description="Batches of a validation; 0: all there are.")


class Optimizer(Group):
    title = "Optimiser"

    optimizer: OptimizerName = Field(description="muon: matrices by Muon; embeddings, biases and gains by AdamW.")
    lr: Positive = Field(description="Largest learning rate; with muon in RMS to RMS norm of a step of a matrix.")
    embedding_lr: Positive | None = Field(None, description="The same of embeddings, biases and gains [default: lr].")
    newton_schulz: PolynomialsName = Field("paper", description="The polynomials by which Muon orthogonalises.")
    momentum: Memory = Field(0.95, description="Of Muon: the share of it that stays after a step.")
    nesterov: bool = Field(True, description="Of Muon: look a step ahead.")
    beta1: Memory = Field(0.9, description="Of AdamW: the share of the mean gradient that stays after a step.")
    beta2: Memory = Field(0.95, description="Of AdamW: the share of the mean square that stays after a step.")
    eps: Positive = Field(1e-8, description="Of AdamW: added to the root of the mean square.")
    weight_decay: NonNegative | None = Field(
        None, description="A step shrinks matrices by lr times this [default: 0; for decays what w_max needs]."
    )
    clip: Positive | None = Field(None, description="Largest l2 norm of the whole gradient [default: none].")


class Constraint(Group):
    title = "Constraint"

    constraint: ConstraintName = Field(
        "none", description="What holds the singular values of matrices after each step."
    )
    w_max: Positive | None = Field(None, description="Cap of the RMS to RMS norm of each layer [default: none].")
    head_w_max: Positive | None = Field(None, description="The same of the last linear layer [default: w_max].")
    embedding_cap: Positive | None = Field(
        None, description="Cap of the RMS of each row of an embedding [default: none]."
    )


class Run(Group):
    title = "Run"

    steps: PositiveInt = Field(description="Steps of the optimiser.")
    batch: PositiveInt = Field(description="Sequences, or examples, a step, in all processes together.")
    accumulate: PositiveInt = Field(1, description="Parts of a batch that go through the network one after another.")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        "constant", description="How the learning rate falls after the warm-up."
    )
    warmup: NonNegativeInt = Field(0, description="Steps in which the learning rate rises from 0.")
    final_lr: Share = Field(0.0, description="Share of the learning rate that is left at the end.")
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="Of the forward pass and of Muon's polynomials; weights stay float32."
    )
    compile: bool = Field(False, description="Compile the network with torch.compile.")
    seed: Seed = Field(0, description="Of the weights and the order of the data.")
    device: Device = Field("auto", description="cpu, mps, cuda, cuda:N, or auto: a GPU where there is one.")


class Record(Group):
    title = "What is measured and kept"

    evaluate_every: NonNegativeInt = Field(100, description="Steps between validations; 0: only at the end.")
    bound_every: NonNegativeInt = Field(0, description="Steps between proofs of a bound; 0: only at the end.")
    watch_every: NonNegativeInt = Field(
        0, description="Steps between tables of activations and singular values; 0: only at the end."
    )
    save_every: NonNegativeInt = Field(
        100, description="Steps between states that are saved to resume from; 0: only at the end."
    )
    spike: Spike = Field(
        3.0, description="A loss above so many times the median of the last 100 stops the run; 0: never."
    )
    out: str = Field("", description="Folder of the run [default: reports/train-NAME].")


GROUPS: tuple[type[Group], ...] = (Network, Data, Optimizer, Constraint, Run, Record)


class Fields(Record, Run, Constraint, Optimizer, Data, Network):
    """All groups; pydantic takes the fields of the last base first."""

    def contradictions(self) -> Iterator[Found]:
        """Fields that do not go together: the one to change, and why."""
        yield from _of_the_decay(self)
        yield from _of_the_cap(self)
        yield from _of_the_run(self)


def _of_the_decay(fields: Fields) -> Iterator[Found]:
    decay = fields.lr * (fields.weight_decay or 0.0)
    if not decay <= 1:
        yield Found("weight_decay", f"times lr it is {decay:g}: above 1, a step turns the weights round")
    if fields.constraint in DECAYS and not fields.weight_decay and fields.w_max is None:
        yield Found("weight_decay", f'is missing: constraint = "{fields.constraint}" needs it, or a w_max to reach')


def _of_the_cap(fields: Fields) -> Iterator[Found]:
    if fields.constraint == "none":
        for key in ("w_max", "head_w_max"):
            if getattr(fields, key) is not None:
                yield Found(key, 'nothing would hold it: constraint is "none"; leave it out, or name a constraint')
    elif fields.w_max is None and fields.constraint not in DECAYS:
        yield Found("w_max", f'is missing: constraint = "{fields.constraint}" needs a cap')
    elif fields.w_max is None and fields.head_w_max is not None:
        yield Found("w_max", "is missing beside head_w_max")


def _of_the_run(fields: Fields) -> Iterator[Found]:
    if fields.batch % fields.accumulate:
        yield Found("accumulate", f"a batch of {fields.batch} is not {fields.accumulate} equal parts")
    if fields.warmup > fields.steps:
        yield Found("warmup", f"{fields.warmup} steps are more than the {fields.steps} of the run")
    if fields.schedule == "constant" and fields.final_lr:
        yield Found("final_lr", 'the learning rate stays as it is: schedule is "constant"')
