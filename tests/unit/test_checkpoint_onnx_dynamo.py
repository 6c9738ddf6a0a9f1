"""Files of torch's newer exporter, its default: their bounds are those of the modules that were exported."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lipcert
from lipcert import checkpoint
from tests.unit.onnx_files import ViT, cnn, export_dynamo, mlp, resnet, seeded

BOX = {"domain": lipcert.Box(0, 1)}
SMALL: dict[str, Any] = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


class Encoder(nn.Module):
    """Patches, a class token, and torch's own encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.token = nn.Conv2d(1, 8, 4, 4), nn.Parameter(torch.randn(1, 1, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu", norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        return self.head(self.encoder(torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1))[:, 0])


class Decoder(nn.Module):
    """Causal attention over an embedding, or over the token ids that it looks up itself."""

    def __init__(self, *, ids: bool = False) -> None:
        super().__init__()
        self.ids, self.table, self.places = ids, nn.Embedding(11, 8), nn.Embedding(6, 8)
        self.norm, self.qkv, self.out, self.head = nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(8, 8), nn.Linear(8, 11)

    def forward(self, x: Tensor) -> Tensor:
        x = (self.table(x) if self.ids else x) + self.places(torch.arange(x.shape[1]))
        q, k, v = (part.unflatten(-1, (2, 4)).transpose(1, 2) for part in self.qkv(self.norm(x)).chunk(3, -1))
        attended = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.head(nn.functional.gelu(x + self.out(attended.transpose(1, 2).flatten(2)), approximate="tanh"))


class Logits(nn.Module):
    """A network of transformers, of which the logits are the output."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x).logits


def strided() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.GELU(), nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(4, 4, 3, padding="same", groups=2), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3),
    )  # fmt: skip


def bert() -> nn.Module:
    from transformers import BertConfig, BertForSequenceClassification

    return Logits(BertForSequenceClassification(BertConfig(vocab_size=11, max_position_embeddings=8, **SMALL)))


def llama() -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(vocab_size=11, num_key_value_heads=1, max_position_embeddings=8, use_cache=False, **SMALL)
    return Logits(LlamaForCausalLM(config))


def hf_vit() -> nn.Module:
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(image_size=8, patch_size=4, num_channels=1, num_labels=3, **SMALL)
    return Logits(ViTForImageClassification(config))


def gpt2() -> nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel

    names = {"n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": 8, "activation_function": "gelu"}
    return Logits(GPT2LMHeadModel(GPT2Config(vocab_size=11, use_cache=False, bos_token_id=0, eos_token_id=0, **names)))


def decoder_of_ids() -> nn.Module:
    return Decoder(ids=True)


IMAGE, IDS = (1, 8, 8), None
NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...] | None]] = {
    "MLP": (mlp, (6,)),
    "CNN": (cnn, (1, 16, 16)),
    "strided CNN": (strided, (1, 16, 16)),
    "residual CNN": (resnet, IMAGE),
    "ViT": (ViT, IMAGE),
    "encoder": (Encoder, IMAGE),
    "decoder": (Decoder, (6, 8)),
    "decoder of ids": (decoder_of_ids, IDS),
    "BERT": (bert, IDS),
    "GPT-2": (gpt2, IDS),
    "LLaMA": (llama, IDS),
    "ViT of transformers": (hf_vit, IMAGE),
}
QUICK = ("MLP", "decoder")
marked = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in NETWORKS]


def batch_of(count: int, shape: tuple[int, ...] | None) -> Tensor:
    return torch.zeros(count, 6, dtype=torch.int64) if shape is None else torch.rand(count, *shape)


def compared(module: nn.Module, path: Path, shape: tuple[int, ...] | None) -> tuple[float, float]:
    """The bound of a file, and that of the module that it was exported from."""
    model = checkpoint.load(path)
    assert model.module is not None
    assert model.example_inputs[0].shape == batch_of(1, shape).shape
    domain = {} if shape is None else BOX
    found = lipcert.bound(model.module, model.example_inputs, seconds=0.0, **domain)
    return found.upper, lipcert.bound(module, batch_of(1, shape), seconds=0.0, **domain).upper


@pytest.mark.parametrize("batch", [pytest.param(False, marks=pytest.mark.slow), True], ids=["one", "any"])
@pytest.mark.parametrize("name", marked)
def test_the_bound_of_a_file_is_that_of_the_module(name: str, batch: bool, tmp_path: Path) -> None:
    build, shape = NETWORKS[name]
    module = seeded(build)
    path = export_dynamo(module, (batch_of(1 + batch, shape),), tmp_path / "net.onnx", batch=batch)
    found, expected = compared(module, path, shape)
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["CNN", "residual CNN", "encoder"])
def test_what_the_exporter_has_not_simplified_has_the_same_bound(name: str, tmp_path: Path) -> None:
    build, shape = NETWORKS[name]
    module = seeded(build)
    path = export_dynamo(module, (batch_of(2, shape),), tmp_path / "net.onnx", batch=True, optimize=False)
    found, expected = compared(module, path, shape)
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
def test_weights_beside_the_file_are_read_and_belong_to_it(tmp_path: Path) -> None:
    module = seeded(mlp)
    path = export_dynamo(module, (torch.rand(1, 6),), tmp_path / "net.onnx", external_data=True)
    assert (tmp_path / "net.onnx.data").is_file()
    model = checkpoint.load(path)
    assert model.module is not None
    assert all(torch.equal(value, module.state_dict()[name]) for name, value in model.module.state_dict().items())
