"""What a command left behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jsonschema import validate

from pgmap._exit import Exit
from pgmap._schema import all_schemas


@dataclass
class Ran:
    """Exit code and streams of one command."""

    exit: Exit
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[str]:
        return self.stdout.splitlines()

    @property
    def end(self) -> list[str]:
        """The lines of a search, without the two that announce what takes long to tell."""
        lines = self.lines
        early = [at for at, line in enumerate(lines) if line.startswith("Found: ")]
        return [line for at, line in enumerate(lines) if not {at, at - 1} & {*early}]

    @property
    def json(self) -> dict[str, Any]:
        """Standard output as exactly one JSON object, of the shape its command says it has."""
        value = json.loads(self.stdout)
        assert isinstance(value, dict)
        validate(value, all_schemas()[value["command"]])
        return value


Runner = Callable[..., Ran]
