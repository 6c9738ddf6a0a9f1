"""transformers, an optional package: its config of a folder and its class for it. Nothing is downloaded."""

import dataclasses
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lipcert.checkpoint import plain_json
from lipcert.checkpoint.huggingface.folder import CONFIG
from lipcert.errors import InputError, UnsupportedError, UsageError

HEADS = (
    "MODEL_FOR_CAUSAL_LM_MAPPING",
    "MODEL_FOR_MASKED_LM_MAPPING",
    "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING",
    "MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING",
    "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING",
    "MODEL_MAPPING",
)
"""What a network may be for, by transformers' tables from configs to classes."""

ARCH = "Or write what builds the network as a function: --arch net.py:net."


@contextmanager
def library(source: Path) -> Iterator[Any]:
    """transformers, silent and offline meanwhile: whatever is wrong is raised.

    Raises UsageError where it is not installed.
    """
    try:
        import transformers
        from huggingface_hub import constants
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{source} needs the package transformers, which is not installed", hint="pip install 'lipcert[hf]'"
        ) from error
    log: Any = transformers.logging
    level, bar = log.get_verbosity(), log.is_progress_bar_enabled()
    offline, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    log.set_verbosity(logging.CRITICAL)
    log.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield transformers
    finally:
        constants.HF_HUB_OFFLINE = offline
        log.set_verbosity(level)
        if bar:
            log.enable_progress_bar()


def config_of(folder: Path, transformers: Any) -> Any:
    """The config, for a plain forward pass. Raises InputError, and UnsupportedError with all that speaks against it."""
    told = plain_json.table(folder / CONFIG)
    if reasons := _reasons(told):
        listed = "\n".join(f"  {reason}" for reason in reasons)
        raise UnsupportedError(f"{folder / CONFIG}: this network cannot be loaded:\n{listed}", hint=ARCH)
    try:
        config = transformers.AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # each kind of config checks its fields in its own way
        raise _unreadable(folder, told, error, transformers) from error
    if reasons := _unread(unknown_keys(config, transformers), transformers):
        listed = "\n".join(f"  {reason}" for reason in reasons)
        raise UnsupportedError(f"{folder / CONFIG}: this network cannot be loaded:\n{listed}", hint=ARCH)
    config.use_cache, config.output_attentions, config.output_hidden_states = False, False, False
    config._attn_implementation = "eager"  # whatever kernels it was saved with: they compute the same
    return config


def unknown_keys(config: Any, transformers: Any) -> dict[str, Any]:
    """What the file says and transformers does not know of this kind, empty values apart."""
    known = {field.name for field in dataclasses.fields(config)} | set(transformers.PreTrainedConfig().to_dict())
    return {
        key: value for key, value in config.to_dict().items()
        if key not in known and key != "model_type" and not key.startswith("_") and value not in (None, False, {}, [])
    }  # fmt: skip


def _unread(unknown: dict[str, Any], transformers: Any) -> list[str]:
    """Of the unknown keys those that make another network, in versions that read them."""
    found = [f"pruned_heads: transformers {transformers.__version__} prunes none"] if "pruned_heads" in unknown else []
    kind = unknown.get("position_embedding_type", "absolute")
    if kind != "absolute":
        found.append(f"position_embedding_type: {kind!r}, and transformers {transformers.__version__} has no such one")
    return found


def _unreadable(
    folder: Path, told: dict[str, Any], error: Exception, transformers: Any
) -> InputError | UnsupportedError:
    kind, version = told["model_type"], transformers.__version__
    if kind not in transformers.CONFIG_MAPPING:
        return UnsupportedError(
            f"{folder / CONFIG}: transformers {version} does not know the model_type {kind!r}",
            hint=f"A newer transformers may. {ARCH}",
        )
    return InputError(f"{folder / CONFIG} is no config of {kind}: {_line(error)}", hint="Correct it, or save it again.")


def _reasons(told: dict[str, Any]) -> list[str]:
    architectures, quantised = told.get("architectures"), told.get("quantization_config")
    found = []
    if "auto_map" in told:
        found.append("auto_map: its code comes with it, and code from a checkpoint is never run")
    if told.get("backbone"):
        found.append(f"backbone: {told['backbone']!r} is a network that lies elsewhere, and nothing is downloaded")
    if quantised:
        method = quantised.get("quant_method", "unknown") if isinstance(quantised, dict) else quantised
        found.append(f"quantization_config: its weights are quantised ({method}), and floating point is needed")
    if told.get("is_encoder_decoder"):
        found.append("is_encoder_decoder: it reads two sequences, and one is perturbed")
    if not isinstance(told.get("model_type"), str):
        found.append("model_type: missing, so nobody knows which network it is")
    one = isinstance(architectures, list) and len(architectures) == 1 and isinstance(architectures[0], str)
    if not one:
        found.append(f"architectures: {architectures!r}, and the name of one class is needed")
    return found


def class_of(folder: Path, config: Any, transformers: Any) -> Any:
    """The class that the config names, of those that transformers has for it."""
    known: dict[str, Any] = {}
    for head in HEADS:
        found = getattr(transformers, head).get(type(config), ())
        known |= {each.__name__: each for each in (found if isinstance(found, tuple) else (found,))}
    (wanted,) = config.architectures
    if wanted not in known:
        raise UnsupportedError(
            f"{folder / CONFIG} names the class {wanted}, and of {config.model_type} these can be bounded: "
            f"{', '.join(known) or 'none'}",
            hint=f"Load it as one of them and save that. {ARCH}",
        )
    if known[wanted].main_input_name not in ("input_ids", "pixel_values"):
        raise UnsupportedError(f"{wanted} reads {known[wanted].main_input_name}, no token ids or pixels", hint=ARCH)
    return known[wanted]


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
