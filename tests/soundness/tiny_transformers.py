"""Tiny networks of transformers, every family with its heads, with random weights of several sizes."""

from functools import cache
from typing import Any

import torch
import transformers
from torch import nn

WORDS, TOKENS = 50, 5
_SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "vocab_size": WORDS,
    "max_position_embeddings": 12,
}
_TEXT = _SIZES | {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
_ROTARY = _TEXT | {"num_key_value_heads": 2}

CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": (
        "GPT2Config",
        {
            "n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 12, "vocab_size": WORDS, "bos_token_id": 1,
            "eos_token_id": 2, "pad_token_id": 0,
        },
    ),
    "llama": ("LlamaConfig", _ROTARY),
    "mistral": ("MistralConfig", _ROTARY | {"sliding_window": 3}),
    "qwen2": ("Qwen2Config", _ROTARY),
    "bert": ("BertConfig", _TEXT),
    "roberta": ("RobertaConfig", _TEXT | {"pad_token_id": 1, "bos_token_id": 0}),
    "distilbert": (
        "DistilBertConfig",
        {
            "dim": 16, "n_layers": 2, "n_heads": 4, "hidden_dim": 24, "vocab_size": WORDS,
            "max_position_embeddings": 12, "pad_token_id": 0,
        },
    ),
    "vit": ("ViTConfig", {k: v for k, v in _SIZES.items() if k not in ("vocab_size", "max_position_embeddings")}
            | {"image_size": 8, "patch_size": 4}),
}  # fmt: skip

CLASSES: dict[str, list[str]] = {
    "gpt2": ["GPT2LMHeadModel", "GPT2ForSequenceClassification", "GPT2Model"],
    "llama": ["LlamaForCausalLM", "LlamaForSequenceClassification", "LlamaModel"],
    "mistral": ["MistralForCausalLM"],
    "qwen2": ["Qwen2ForCausalLM", "Qwen2ForSequenceClassification"],
    "bert": ["BertForSequenceClassification", "BertForMaskedLM", "BertModel"],
    "roberta": ["RobertaForSequenceClassification", "RobertaForMaskedLM", "RobertaModel"],
    "distilbert": ["DistilBertForSequenceClassification", "DistilBertForMaskedLM", "DistilBertModel"],
    "vit": ["ViTForImageClassification", "ViTModel"],
}
FAMILIES = {name: family for family, names in CLASSES.items() for name in names}


@cache
def tiny(name: str, seed: int = 0, **more: Any) -> Any:
    """A network of a class of `CLASSES`, in eval mode. more: of its config."""
    kind, arguments = CONFIGS[FAMILIES[name]]
    config = getattr(transformers, kind)(**arguments | more)
    network: nn.Module = getattr(transformers, name)._from_config(config, attn_implementation="eager").eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for part in network.parameters():
            size = float(10 ** (torch.rand((), generator=generator) - 1)) if part.dim() > 1 else 0.7
            part.copy_(size * torch.randn(part.shape, generator=generator))
    return network
