"""JSON schemas of what the commands print, made from the types they are written with.

Each command names the shapes of its object (`Command.objects`). Its schema has their properties,
requires the envelope, and, of each shape, either all that it has or the reason why there is no
result. The files in ``schemas/`` are for those who read pgmap's output from elsewhere;
``python -m pgmap._schema`` writes them anew, and a test says when that is due.
"""

from __future__ import annotations

import functools
import json
import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from pgmap._exit import Exit
from pgmap._objects import Envelope, Failure, Shown

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FOLDER = Path(__file__).with_name("schemas")

_PLAIN: Mapping[object, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    Any: {},
    object: {},
}


def of_command(name: str, about: str, objects: Sequence[type]) -> Schema:
    """The schema of the object that a command prints."""
    shared: dict[str, Schema] = {}
    shapes = [*objects, Failure, Shown]
    ended = {"properties": {"exit": {"enum": [int(Exit.INTERRUPTED), int(Exit.TERMINATED)]}}}
    return {
        "$schema": DIALECT,
        "title": f"pgmap-{name}/1",
        "description": about,
        "type": "object",
        "properties": {
            **_together([Envelope, *shapes], shared),
            "schema": {"const": f"pgmap-{name}/1"},
            "command": {"const": name},
        },
        "required": sorted(Envelope.__required_keys__),
        "anyOf": [*({"required": sorted(_required(shape))} for shape in shapes), ended],
        "additionalProperties": False,
        "$defs": dict(sorted(shared.items())),
    }


def _required(shape: Any) -> frozenset[str]:
    keys: frozenset[str] = shape.__required_keys__
    return keys


def _together(shapes: Sequence[type], shared: dict[str, Schema]) -> dict[str, Schema]:
    """The properties of several shapes; what they do not agree on may be as in either."""
    found: dict[str, list[Schema]] = {}
    for shape in shapes:
        for name, schema in _properties(shape, shared).items():
            ways = found.setdefault(name, [])
            if schema not in ways:
                ways.append(schema)
    return {name: ways[0] if len(ways) == 1 else {"anyOf": ways} for name, ways in found.items()}


def _properties(shape: type, shared: dict[str, Schema]) -> dict[str, Schema]:
    return {name: _of(hint, shared) for name, hint in get_type_hints(shape).items()}


def _of(hint: Any, shared: dict[str, Schema]) -> Schema:
    """The schema of a type; a shape is defined once and referred to."""
    if is_typeddict(hint):
        name = hint.__name__
        if name not in shared:
            shared[name] = {}  # it may contain itself
            shared[name] = {
                "description": " ".join((hint.__doc__ or "").split()),
                "type": "object",
                "properties": _properties(hint, shared),
                "required": sorted(_required(hint)),
                "additionalProperties": False,
            }
        return {"$ref": f"#/$defs/{name}"}
    if hint in _PLAIN:
        return dict(_PLAIN[hint])
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"enum": list(parts)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_of(part, shared) for part in parts]}
    if origin is list:
        return {"type": "array", "items": _of(parts[0], shared)}
    if origin is tuple:
        each = [_of(part, shared) for part in parts]
        return {"type": "array", "prefixItems": each, "minItems": len(each), "items": False}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": _of(parts[1], shared)}
    raise TypeError(f"no JSON schema for {hint!r}")


@functools.cache
def all_schemas() -> Mapping[str, Schema]:
    """The schema of every command, by its name."""
    from pgmap.__main__ import COMMANDS

    return {it.name: of_command(it.name, it.summary, it.objects) for it in COMMANDS}


def text_of(schema: Schema) -> str:
    """A schema as it is kept in a file."""
    return json.dumps(schema, indent=1) + "\n"


def main() -> int:
    """Write the files that ship with the package."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(exist_ok=True)
    for name, schema in all_schemas().items():
        (folder / f"{name}.json").write_text(text_of(schema), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
