"""The data of a network of token ids: labelled texts for a classifier, windows of a text for one that continues it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from lipcert.attacks.target import Target
from lipcert.checkpoint.lipcert import TRAINING
from lipcert.checkpoint.model import Model
from lipcert.data.dataset import Dataset
from lipcert.data.stream import SHARE, Stream, stream, windows
from lipcert.data.tokens import CHARS, Tokens, checked, named, same_tokens
from lipcert.errors import InputError
from lipcert.graph.capture import capture
from lipcert.graph.program import find_output, functional, quiet


def asked_for_one(model: Model, output: str) -> tuple[Model, int]:
    """A network that continues a text is from now on asked for one token, the one after the last.

    Returned with how many tokens there are to continue with; 0 with any other network, which is left as it is.
    """
    inputs, program, network = model.example_inputs, model.program, model.module
    if inputs[0].is_floating_point() or inputs[0].dim() != 2:
        return model, 0
    if program is not None:
        program = functional(program, inputs)
        with quiet():
            network = program.module()
    assert network is not None  # a Model is one or the other
    vocabulary = _answers(network, inputs[0], output)
    if vocabulary and program is not None:
        _select_last(network, find_output(program, output)[0])
        with Target(network).frozen():
            model = replace(model, program=capture(network, inputs))
    elif vocabulary:
        _last_token(network, output)
    return model, vocabulary


def _select_last(program: nn.Module, place: int) -> None:
    """`_last_token` of the output in this place, as an operation of the program: torch captures no hook on one."""
    assert isinstance(program, fx.GraphModule)
    end = program.graph.output_node()
    leaves: Any = end.args[0]
    with program.graph.inserting_before(end):
        last = program.graph.call_function(torch.ops.aten.select.int, (leaves[place], 1, -1))
    end.args = ((*leaves[:place], last, *leaves[place + 1 :]),)
    program.recompile()


def _answers(network: nn.Module, example: Tensor, output: str) -> int:
    """How many tokens there are to continue with: of a network (1, T) ids → (1, T, tokens). 0 for any other."""
    target = Target(network, output=output)
    with target.frozen(), torch.no_grad():
        logits = target(example)
    return logits.shape[2] if logits.dim() == 3 and logits.shape[1] == example.shape[1] else 0


def _last_token(network: nn.Module, output: str) -> None:
    """From now on the network returns its logits at the last token only, (batch, T, tokens) → (batch, tokens)."""

    def last(_module: nn.Module, _inputs: Any, returned: Any) -> Any:
        logits = (returned[output] if isinstance(returned, Mapping) else returned[int(output)]) if output else returned
        return {output: logits[:, -1]} if output else logits[:, -1]

    network.register_forward_hook(last)


def held_out_windows(
    data: str, tokenizer: str, metadata: Mapping[str, str], context: int, vocabulary: int, limit: int | None
) -> Dataset:
    """Windows of the part of a text that training held out, each labelled with the token after it.

    tokenizer: "" for the tokens that the checkpoint says; where it says none, the text's own characters.
    Raises InputError where the tokens of the text are not the network's.
    """
    text = stream(data, own_tokens(tokenizer, metadata) or tokenizer or CHARS)
    problem = _unlike(text, vocabulary)
    if problem:
        raise InputError(
            f"{data} does not fit the network: {problem}", hint="Name what it was trained with: --tokenizer chars:FILE."
        )
    return windows(text, context, limit, _share(metadata))


def tokens_of(metadata: Mapping[str, str]) -> Tokens:
    """How text becomes ids, as the checkpoint says; {} where it does not. Raises InputError where it is nonsense."""
    tokens = _training(metadata).get("tokens")
    return checked(tokens) if tokens else {}


def own_tokens(tokenizer: str, metadata: Mapping[str, str]) -> Tokens:
    """What the checkpoint says, {} where it does not. Raises InputError where --tokenizer names other ones."""
    there = tokens_of(metadata)
    if not there or not tokenizer:
        return there
    here = {**there, "kind": CHARS} if tokenizer == CHARS else named(tokenizer)
    if problem := same_tokens(there, here):
        raise InputError(f"--tokenizer {tokenizer}: {problem}", hint="Leave it out: the checkpoint has its own.")
    return there


def _unlike(text: Stream, vocabulary: int) -> str:
    """What speaks against a text's tokens, by their number; of characters it has to be the network's."""
    exact = text.tokens["kind"] == CHARS
    if text.vocabulary == vocabulary or (text.vocabulary < vocabulary and not exact):
        return ""
    return f"it knows {vocabulary} tokens, and the text has {text.vocabulary} {'characters' if exact else 'tokens'}"


def _share(metadata: Mapping[str, str]) -> float:
    recipe = _training(metadata).get("recipe")
    share = recipe.get("validation_share") if isinstance(recipe, dict) else None
    return share if isinstance(share, float) and 0 < share < 1 else SHARE


def _training(metadata: Mapping[str, str]) -> dict[str, Any]:
    try:
        told = json.loads(metadata.get(TRAINING, "{}"))
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise InputError(f"the checkpoint's metadata {TRAINING} is no JSON table", hint="Save it again.")
    return told
