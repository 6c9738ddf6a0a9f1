"""How text becomes ids, as plain values that a checkpoint can hold, and the tokenizer that they describe.

{"kind": "chars", "characters": "\\n !…"}, {"kind": "bytes"}, {"kind": "words", "words": ["[PAD]", …]}, and for a
vocabulary in a file {"kind": "file", "path": "…", "sha256": "…"}, with "pad", the id that fills up, where it is known.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from lipcert.data.files import text
from lipcert.data.tokenizer import (
    BYTES,
    CHARACTERS,
    NUL,
    PAD,
    UNK,
    Bytes,
    Characters,
    HuggingFace,
    Tokenizer,
    Words,
    tokenizer,
)
from lipcert.errors import InputError, UsageError
from lipcert.named import here

Tokens = dict[str, Any]

CHARS, WORDS = "chars", "words"
_SHOWN, _LONGEST = 8, 60


def named(spec: str) -> Tokens:
    """What "bytes", chars:FILE or the path of a vocabulary says. Raises UsageError where it is none of them."""
    if spec == BYTES:
        return {"kind": BYTES}
    if spec.startswith(CHARACTERS):
        return {"kind": CHARS, "characters": "".join(sorted(set(text(here(spec.removeprefix(CHARACTERS))))))}
    if not here(spec).is_file():
        near = get_close_matches(spec, (CHARS, BYTES, WORDS), n=1)
        raise UsageError(
            f"tokens {spec!r}: no such file ({here(spec).absolute()})",
            hint=f"Did you mean {near[0]!r}?"
            if near
            else "Write chars, bytes, or a vocabulary: a token a line, chars:FILE, or tokenizer.json.",
        )
    return {"kind": "file", "path": spec, "sha256": tokenizer(spec).sha256}


def of_lines(spec: str, lines: Iterable[str]) -> Tokens:
    """The same for the texts of labelled examples, of which "chars" and "words" take what occurs, and what pads."""
    if spec == CHARS:
        return {"kind": CHARS, "characters": "".join(sorted({NUL}.union(*lines)))}
    if spec == WORDS:
        words = {word for line in lines for word in line.split()} - {PAD, UNK}
        return {"kind": WORDS, "words": [PAD, UNK, *sorted(words)]}
    return named(spec)


def checked(tokens: object) -> Tokens:
    """What a checkpoint says of its tokens. Raises InputError where it is none of the four kinds."""
    fields = {CHARS: ("characters", str), BYTES: ("kind", str), WORDS: ("words", list), "file": ("path", str)}
    if isinstance(tokens, dict) and tokens.get("kind") in fields:
        key, kind = fields[tokens["kind"]]
        if isinstance(tokens.get(key), kind) and (tokens["kind"] != "file" or isinstance(tokens.get("sha256"), str)):
            return tokens
    raise InputError(
        f"the checkpoint says of its tokens {str(tokens)[:_LONGEST]!r}, which this lipcert does not know",
        hint="Name what it was trained with by --tokenizer, or train it again.",
    )


def tokenizer_of(tokens: Mapping[str, Any]) -> Tokenizer:
    """Raises InputError where the file that they name is not there, or is another one."""
    kind, sha256 = tokens["kind"], digest(tokens)
    if kind == CHARS:
        return Characters({c: i for i, c in enumerate(tokens["characters"])}, sha256, "the network's characters")
    if kind == WORDS:
        return Words({word: i for i, word in enumerate(tokens["words"])}, sha256, "the network's words")
    return Bytes() if kind == BYTES else _filed(tokens)


def digest(tokens: Mapping[str, Any]) -> str:
    """Hexadecimal SHA-256 of what the ids mean; of a file its own."""
    whole = json.dumps(dict(tokens), sort_keys=True)
    return str(tokens["sha256"]) if "sha256" in tokens else hashlib.sha256(whole.encode()).hexdigest()


def same_tokens(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """What differs between the tokens of a checkpoint and those of data, in one sentence. Empty where nothing does."""
    if there["kind"] != here["kind"]:
        return f"the network's tokens are {there['kind']}, and the data's are {here['kind']}"
    if there["kind"] == "file":
        return _files(there, here)
    values = {CHARS: "characters", WORDS: "words"}.get(there["kind"])
    if values is None or list(there[values]) == list(here[values]):
        return ""
    return _listed(values, list(there[values]), list(here[values]))


def _listed(what: str, there: list[str], here: list[str]) -> str:
    old, new = set(there), set(here)
    more, less = [each for each in here if each not in old], [each for each in there if each not in new]
    found = [f"{_some(more)} only in the data's"] if more else []
    found += [f"{_some(less)} only in the network's"] if less else []
    return f"the network's {len(there)} {what} are not the data's {len(here)}: {', '.join(found) or 'in another order'}"


def _files(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    if there["sha256"] == here["sha256"]:
        return ""
    old, new = (f"{each['path']} with SHA-256 {each['sha256'][:12]}…" for each in (there, here))
    return f"the network's vocabulary is {old}, the data's {new}"


def _some(values: list[str]) -> str:
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return ", ".join(map(repr, values[:_SHOWN])) + more


def _filed(tokens: Mapping[str, Any]) -> Tokenizer:
    path = tokens["path"]
    if not here(str(path).removeprefix(CHARACTERS)).is_file():
        raise InputError(
            f"the network's vocabulary {path} is not there ({here(path).absolute()})",
            hint=f"Put the file with SHA-256 {tokens['sha256'][:12]}… there, or name it.",
        )
    found = tokenizer(path)
    if found.sha256 != tokens["sha256"]:
        raise InputError(
            f"{path} has the SHA-256 {found.sha256[:12]}…, and the network was trained with {tokens['sha256'][:12]}…",
            hint="Name the vocabulary that it was trained with.",
        )
    if isinstance(found, HuggingFace):
        found.pad = tokens.get("pad", found.pad)
    return found
