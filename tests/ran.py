"""What a command left behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pgmap._exit import Exit


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
    def json(self) -> dict[str, Any]:
        """Standard output as exactly one JSON object."""
        value = json.loads(self.stdout)
        assert isinstance(value, dict)
        return value


Runner = Callable[..., Ran]
