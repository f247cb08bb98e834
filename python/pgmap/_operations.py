"""The core's table of operations, as values: what the builder and the strategies are made from.

Nothing here knows an operation by its name: a row that is added to the table is there the same day.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pgmap import _core

SPOKEN = "spoken"
"""The kind of an argument that the word of the operation itself is."""
MAKES, ENDS = "makes", "ends"
THREAD = "thread"
STARTS = ("fork", THREAD)
"""What another worker begins by."""
HANDLES = ("mapping", "fd", "pipe", "pin")
"""Kinds of arguments that name what an earlier step has made."""


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of an operation."""

    name: str
    usage: str
    kind: str
    role: str | None
    optional: bool
    bounds: tuple[int, int] | None
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """A row of the table. `arguments` are in the order of the text, the spoken one left out."""

    words: tuple[str, ...]
    by: str
    sentence: str
    arguments: tuple[Argument, ...]
    returns: str
    ends: tuple[str, ...]
    """Errnos and signals that it can come to."""

    @property
    def made(self) -> Argument | None:
        """The argument that numbers what it makes."""
        return next((a for a in self.arguments if a.role == MAKES), None)

    @property
    def makes(self) -> str | None:
        """The kind of handle that comes of it; a pin has its number from its worker's count."""
        if self.returns == "pinned":
            return "pin"
        return None if self.made is None else self.made.kind


@cache
def operations() -> tuple[Operation, ...]:
    """Every operation, in the table's order."""
    return tuple(
        Operation(
            words=tuple(row["words"]),
            by=row["by"],
            sentence=row["sentence"],
            arguments=tuple(
                Argument(
                    name=it["name"],
                    usage=it["usage"],
                    kind=it["kind"],
                    role=it["role"],
                    optional=it["optional"],
                    bounds=None if it["bounds"] is None else (it["bounds"][0], it["bounds"][1]),
                    words=tuple(it["words"]),
                )
                for it in row["arguments"]
                if it["kind"] != SPOKEN
            ),
            returns=row["returns"],
            ends=(*row["errnos"], *row["deaths"]),
        )
        for row in _core.facts()["operations"]
    )


@cache
def by_word(who: str) -> dict[str, Operation]:
    """The operations of ``worker`` or ``environment``, by each of their words."""
    return {word: op for op in operations() if op.by == who for word in op.words}


def written(op: Operation, word: str, given: list[str | None]) -> str:
    """The text of an operation, from its arguments in order; `None` leaves one out.

    What is left out in front of something that is given is written as its default.
    """
    parts = [word]
    last = max((at for at, text in enumerate(given) if text is not None), default=-1)
    for argument, text in zip(op.arguments[: last + 1], given, strict=False):
        if text is None:
            text = "-" if argument.kind == "pin" else "1" if argument.kind == "pages" else None
        if text is None or (argument.optional and argument.words and text == argument.words[0]):
            continue  # the first of optional words is the one that goes without saying
        parts.append(text)
    return " ".join(parts)


def read(step: str) -> tuple[int, str, list[str | None]]:
    """A worker's step: who, the word, and a text or `None` for each argument in order."""
    who, word, *texts = step.split()
    op, given = by_word("worker")[word], list[str | None]()
    for argument in op.arguments:
        if argument.kind == "part" and len(texts) > 1:
            given.append(f"{texts.pop(0)} {texts.pop(0)}")
        elif texts and _fits(argument, texts[0]):
            given.append(texts.pop(0))
        else:
            given.append(None)
    return int(who.removeprefix("w")), word, given


def _fits(argument: Argument, text: str) -> bool:
    """Whether a text is for this argument; an optional one may have been left out."""
    if not argument.optional:
        return True
    return text in argument.words if argument.words else text == "-" or text.isdecimal()
