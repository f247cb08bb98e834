"""What is planted: lists of mutants, checked against the tree before anything runs."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Python 3.10 has none of its own; pytest brings one there.
_toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")


class BadList(Exception):
    """A list that does not fit its tree."""


@dataclass(frozen=True)
class Mutant:
    """One text in place of another."""

    id: str
    room: str
    file: str
    find: str
    put: str
    why: str
    equivalent: str | None
    """Why no test can notice, or nothing."""

    @property
    def is_rust(self) -> bool:
        return self.file.endswith(".rs")

    def at(self, text: str) -> int:
        """Where in a file's text it is planted."""
        times = text.count(self.find)
        if times != 1:
            raise BadList(f"{self.id}: its text is in {self.file} {times} times, not once")
        return text.index(self.find)

    def applied(self, text: str) -> str:
        at = self.at(text)
        return text[:at] + self.put + text[at + len(self.find) :]


def load(path: Path) -> list[Mutant]:
    """Read a list."""
    try:
        rows = _toml.loads(path.read_text())["mutant"]
    except (OSError, KeyError, _toml.TOMLDecodeError) as error:
        raise BadList(f"{path}: {error}") from error
    mutants = [_mutant(path, row) for row in rows]
    ids = [mutant.id for mutant in mutants]
    for twice in {name for name in ids if ids.count(name) > 1}:
        raise BadList(f"{path}: two mutants are called {twice}")
    return mutants


def moved(mutants: list[Mutant], root: Path) -> dict[Mutant, str]:
    """Those whose text is not found once in its file, and what is found instead."""
    wrong = {}
    for mutant in mutants:
        try:
            mutant.at((root / mutant.file).read_text())
        except (BadList, OSError) as error:
            wrong[mutant] = str(error)
    return wrong


def _mutant(path: Path, row: dict[str, Any]) -> Mutant:
    strange = set(row) - {"id", "room", "file", "find", "with", "why", "equivalent"}
    missing = {"id", "file", "find", "with", "why"} - set(row)
    if strange or missing or not all(isinstance(value, str) for value in row.values()):
        name = row.get("id", "a mutant")
        what = ", ".join(sorted(strange | missing)) or "a value that is no text"
        raise BadList(f"{path}: {name}: {what}")
    if row["find"] == row["with"] or not row["find"]:
        raise BadList(f"{path}: {row['id']}: changes nothing")
    return Mutant(
        id=row["id"],
        room=row.get("room", Path(row["file"]).parent.name),
        file=row["file"],
        find=row["find"],
        put=row["with"],
        why=row["why"],
        equivalent=row.get("equivalent"),
    )
