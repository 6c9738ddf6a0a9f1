"""What may be said about a built-in network: the arguments, with their help. Imports no torch."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

Activation = Literal["relu", "tanh", "sigmoid", "gelu", "silu", "softplus"]

Factor = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Arguments(BaseModel):
    """Of exactly the types stated, without unknown keys; each field says what it means."""

    model_config = ConfigDict(extra="forbid", strict=True)


class MLPArguments(Arguments):
    """A multilayer perceptron: at least one linear layer."""

    widths: Annotated[list[PositiveInt], Field(min_length=2, max_length=1000)] = Field(
        description="Sizes from the numbers of an input to the classes, such as 784, 256, 10."
    )
    activation: Activation = Field("relu", description="Between the layers.")
    bias: bool = Field(True, description="In linear layers.")


class CNNArguments(Arguments):
    """A small residual convolutional network."""

    in_channels: PositiveInt = Field(description="Channels of an image, 1 or 3.")
    classes: PositiveInt = Field(description="Classes of the output.")
    stages: Annotated[list[PositiveInt], Field(min_length=1, max_length=100)] = Field(
        description="Widths of the residual blocks; every block after the first halves height and width."
    )
    activation: Activation = Field("relu", description="Between the layers.")
    batch_norm: bool = Field(True, description="Batch normalisation behind the convolutions of a block.")


class BlockArguments(Arguments):
    """What the blocks of a transformer have in common. The defaults are the form of arXiv 2507.13338."""

    vocabulary: PositiveInt = Field(description="How many tokens there are.")
    context: PositiveInt = Field(description="The longest sequence, in tokens.")
    width: PositiveInt = Field(description="Features of a token.")
    layers: PositiveInt = Field(description="Blocks of attention and MLP.")
    heads: PositiveInt = Field(description="Attention heads of a block; they divide the width.")
    residual: Literal["convex", "plain"] = Field(
        "convex", description="convex: (1 - a)x + a·branch(x) with a = 1/(2·layers); plain: x + branch(x)."
    )
    norm: Literal["none", "layer", "rms"] = Field(
        "none", description="LayerNorm or RMS norm before each branch, or after each sum with post_norm."
    )
    post_norm: bool = Field(False, description="Normalise after each sum instead of before each branch.")
    qk_norm: bool = Field(False, description="RMS norm of every head's queries and keys.")
    bias: bool = Field(False, description="In linear layers and LayerNorm.")
    positions: Literal["rotary", "learned", "none"] = Field("rotary", description="How the places of tokens enter.")
    attention_scale: Factor = Field(1.0, description="Factor of the attention's logits.")
    attention_divisor: Literal["d_head", "sqrt(d_head)"] = Field(
        "d_head", description="What divides the attention's logits; d_head is width/heads."
    )
    attention_output: Factor = Field(1 / 3, description="Factor of the attention's output.")
    activation: Literal["unit_gelu", "gelu", "gelu_tanh", "relu"] = Field(
        "unit_gelu", description="In the MLP; unit_gelu is GELU divided by its largest slope."
    )
    zero_init: bool = Field(
        False, description="What is added to the residual stream, and what reads it at the end, starts at 0."
    )

    @property
    def d_head(self) -> int:
        return self.width // self.heads

    @model_validator(mode="after")
    def _heads_fit(self) -> "BlockArguments":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")
        if self.positions == "rotary" and self.d_head % 2:
            raise ValueError(f"rotary positions need an even width of a head; width/heads is {self.d_head}")
        return self


class GPTArguments(BlockArguments):
    """A decoder: logits = logit_scale·unembedding(x), or the cap of that."""

    tied: bool = Field(False, description="The unembedding is the embedding's matrix.")
    logit_scale: Factor = Field(1.0, description="Factor of the logits.")
    logit_cap: Factor | None = Field(None, description="The cap in cap·tanh(logits/cap) [default: none].")


class EncoderArguments(BlockArguments):
    """An encoder that classifies text."""

    classes: PositiveInt = Field(description="Classes of the output.")
    pooling: Literal["mean", "first"] = Field(
        "mean", description="What the classes are computed from: the mean of all tokens, or the first one."
    )


ARGUMENTS: dict[str, type[Arguments]] = {
    "mlp": MLPArguments,
    "cnn": CNNArguments,
    "gpt": GPTArguments,
    "encoder": EncoderArguments,
}
