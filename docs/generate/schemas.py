"""A page for each JSON Schema that ships with lipcert: its keys, their types and what they mean."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from generate.prose import cell, plain

FOLDER = Path(__file__).parents[2] / "lipcert" / "store" / "schemas"
Schema = Mapping[str, Any]


def pages() -> dict[str, str]:
    found = {path.name.removesuffix(".schema.json"): json.loads(path.read_text()) for path in FOLDER.glob("*.json")}
    kinds = sorted(found, key=lambda kind: (kind == "common", kind))
    rows = [f"| [{kind}]({kind}.md) | {cell(found[kind].get('description', found[kind]['title']))} |" for kind in kinds]
    index = [
        "# JSON schemas",
        "Every file that lipcert writes as JSON is checked against one of these before it is written and after it is "
        "read. They are in the package, `lipcert/store/schemas/KIND.schema.json`; `kind` and `schema_version` of a "
        "file say which one is meant. A key that is not listed is refused.",
        "| kind | |\n|---|---|\n" + "\n".join(rows),
        "```{toctree}\n:hidden:\n\n" + "\n".join(kinds) + "\n```",
    ]
    made = {f"schemas/{kind}.md": page(kind, schema) for kind, schema in found.items()}
    return made | {"schemas/index.md": "\n\n".join(index) + "\n"}


def page(kind: str, schema: Schema) -> str:
    text = [f"# {kind}", plain(schema["title"]) + "."]
    text += [plain(schema["description"])] if "description" in schema else []
    text += _keys(schema, kind) if "properties" in schema else []
    for name, part in schema.get("$defs", {}).items():
        text += [f"({kind}-{name})=\n## {name}", *_described(part, kind)]
    text.append(f"The schema itself: `lipcert/store/schemas/{kind}.schema.json`")
    return "\n\n".join(text) + "\n"


def _described(part: Schema, kind: str) -> Iterator[str]:
    if "description" in part:
        yield plain(part["description"])
    if "properties" in part:
        yield from _keys(part, kind)
    else:
        yield f"{_type(part, kind)}."


def _keys(schema: Schema, kind: str) -> list[str]:
    required = set(schema.get("required", ()))
    rows = []
    for name, part in _flat(schema["properties"], required):
        rows.append(f"| `{name}` | {_type(part, kind)} | {cell(part.get('description', ''))} |")
    return ["| key | type | |\n|---|---|---|\n" + "\n".join(rows)]


def _flat(properties: Schema, required: set[str], before: str = "") -> Iterator[tuple[str, Schema]]:
    """Every key, those of objects inside as `outer.inner`; `?` where it may be missing."""
    for name, part in properties.items():
        optional = "" if name in required else "?"
        yield f"{before}{name}{optional}", part
        inside = part.get("items", part)
        if "properties" in inside:
            mark = "[]." if inside is not part else "."
            yield from _flat(inside["properties"], set(inside.get("required", ())), f"{before}{name}{mark}")


def _type(part: Schema, kind: str) -> str:
    if "$ref" in part:
        return _link(part["$ref"], kind)
    if "const" in part:
        return f"`{json.dumps(part['const'], ensure_ascii=False)}`"
    if "enum" in part:
        return " ".join(f"`{json.dumps(value, ensure_ascii=False)}`" for value in part["enum"])
    for several in ("anyOf", "oneOf"):
        if several in part:
            return " or ".join(_type(each, kind) for each in part[several])
    return _simple(part, kind)


def _simple(part: Schema, kind: str) -> str:
    kinds = part.get("type", "anything")
    names = [kinds] if isinstance(kinds, str) else list(kinds)
    words = " or ".join(names)
    if "array" in names and "items" in part:
        words = words.replace("array", f"array of {_type(part['items'], kind)}")
    inner = part.get("additionalProperties")
    if "object" in names and isinstance(inner, dict):
        words = words.replace("object", f"object: any name → {_type(inner, kind)}")
    return words + _limits(part)


def _limits(part: Schema) -> str:
    signs = {"minimum": "≥", "maximum": "≤", "exclusiveMinimum": "&gt;", "exclusiveMaximum": "&lt;"}
    return "".join(f", {sign} {part[key]}" for key, sign in signs.items() if key in part)


def _link(reference: str, kind: str) -> str:
    """`common.schema.json#/$defs/claim`, or `#/$defs/layer` in the schema itself."""
    file, _, name = reference.partition("#/$defs/")
    page = file.removesuffix(".schema.json") or kind
    return f"[{name}](#{page}-{name})" if name else f"[{page}]({page}.md)"
