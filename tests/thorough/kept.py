"""What was found out before, by race and seed, so that hours of it can be cut in pieces.

A file with a line of JSON for each seed of each race, written once that is over; what the file has
already is not done again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar


class OfSeed(Protocol):
    """A data class that says of which race and seed it is."""

    @property
    def race(self) -> str: ...
    @property
    def seed(self) -> int: ...


FoundT = TypeVar("FoundT", bound=OfSeed)


class Kept(Generic[FoundT]):
    """Results of one kind, in a file if there is one."""

    def __init__(self, kind: type[FoundT], path: Path | None) -> None:
        self.path = path
        self.known: dict[tuple[str, int], FoundT] = {}
        lines = path.read_text().splitlines() if path is not None and path.exists() else []
        for line in lines:
            one = kind(**json.loads(line))
            self.known[one.race, one.seed] = one

    def each(self, race: str, seeds: int, find: Callable[[int], FoundT]) -> Iterator[FoundT]:
        """Yield what each seed of a race came to; `find` tells what is not known yet."""
        for seed in range(1, seeds + 1):
            known = self.known.get((race, seed))
            yield self.add(find(seed)) if known is None else known

    def add(self, one: FoundT) -> FoundT:
        """Keep a result."""
        data: Any = one
        if self.path is not None:
            with self.path.open("a") as log:
                log.write(f"{json.dumps(asdict(data))}\n")
        return one
